//! Reading a wire without handing it to a session or a splice.

use std::future::pending;
use std::io;

use tokio::io::AsyncReadExt;

use super::{Halt, Wire};
use crate::proto::Inbox;

/// What a peer may send ahead of the answers it waits for: some hundred pipelined commands.
const AHEAD: usize = 64 * 1024;

impl Wire {
    /// The unread bytes.
    pub fn inbox(&mut self) -> &mut Inbox {
        &mut self.inbox
    }

    /// Adds to the unread bytes.
    ///
    /// # Errors
    /// `Closed` or `Broken`.
    pub async fn receive(&mut self) -> Result<(), Halt> {
        self.read().await
    }

    /// Reads up to the capacity of `buffer` past the inbox, which has to be empty.
    ///
    /// # Errors
    /// `Closed` or `Broken`.
    pub async fn receive_into(&mut self, buffer: &mut Vec<u8>) -> Result<(), Halt> {
        buffer.clear();
        match self.stream.read_buf(buffer).await {
            Ok(0) => Err(Halt::Closed),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Halt::Closed),
            Err(error) => Err(Halt::Broken(error)),
        }
    }

    /// Ends once the peer has gone. What it sends meanwhile is unread bytes; a peer that has said all
    /// it had and waits for the answers hasn't gone.
    pub async fn gone(&mut self) {
        while self.inbox.len() < AHEAD {
            match self.read().await {
                Ok(()) => {}
                Err(Halt::Closed) if !self.inbox.is_empty() => break,
                Err(_) => return,
            }
        }
        pending::<()>().await;
    }
}
