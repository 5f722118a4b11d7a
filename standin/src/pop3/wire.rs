//! The lines of one POP3 connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use memchr::{memchr, memmem};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::time::timeout;

use crate::cloud::Cloud;
use crate::dialogue::Dialogue;

/// Octets read at once: thousands of connections may wait for a command.
const READ_BUFFER: usize = 4 << 10;
/// Octets gathered before they are sent; a longer piece of a message passes the buffer by.
const WRITE_BUFFER: usize = 16 << 10;

/// What a client has sent, or hasn't.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Intake {
    /// A line without its end.
    Line(Vec<u8>),
    /// A line that is longer than the limit. The rest of it has not been read.
    TooLong,
    /// The client left, or said nothing for too long.
    Gone,
}

/// A connection that speaks in lines and writes down what is said.
pub(super) struct Wire<S> {
    stream: BufStream<S>,
    dialogue: Dialogue,
    cloud: Arc<Cloud>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S, dialogue: Dialogue, cloud: Arc<Cloud>) -> Self {
        let stream = BufStream::with_capacity(READ_BUFFER, WRITE_BUFFER, stream);
        Self { stream, dialogue, cloud }
    }

    /// The next line of no more than `limit` octets, its end included.
    pub(super) async fn line(&mut self, limit: usize, patience: Duration) -> io::Result<Intake> {
        let Ok(read) = timeout(patience, self.read_line(limit)).await else {
            return Ok(Intake::Gone);
        };
        let line = read?;
        self.dialogue.client(&line);
        if line.len() > limit {
            return Ok(Intake::TooLong);
        }
        let Some(line) = line.strip_suffix(b"\n") else { return Ok(Intake::Gone) };
        Ok(Intake::Line(line.strip_suffix(b"\r").unwrap_or(line).to_vec()))
    }

    /// A line with its end, the beginning of one that is too long, or the rest before the end of the stream.
    async fn read_line(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        while line.len() <= limit {
            let buffer = self.stream.fill_buf().await?;
            let end = memchr(b'\n', buffer).map(|at| at + 1);
            let taken = end.unwrap_or(buffer.len());
            line.extend_from_slice(&buffer[..taken]);
            self.stream.consume(taken);
            if end.is_some() || taken == 0 {
                break;
            }
        }
        Ok(line)
    }

    /// Sends a reply of one or more lines; the last line end is added.
    pub(super) async fn reply(&mut self, reply: &str) -> io::Result<()> {
        self.pause().await;
        for line in reply.lines() {
            self.dialogue.server(line.as_bytes());
        }
        self.stream.write_all(reply.as_bytes()).await?;
        self.stream.write_all(b"\r\n").await?;
        self.stream.flush().await
    }

    /// Sends a message behind its status line, a dot in front of each line that starts with one (RFC 1939 section 3).
    pub(super) async fn message(&mut self, status: &str, message: &[u8]) -> io::Result<()> {
        self.pause().await;
        self.dialogue.server(status.as_bytes());
        self.dialogue.server(message);
        self.stream.write_all(format!("{status}\r\n").as_bytes()).await?;
        if message.starts_with(b".") {
            self.stream.write_all(b".").await?;
        }
        let mut from = 0;
        for at in memmem::find_iter(message, b"\r\n.") {
            self.stream.write_all(&message[from..at + 2]).await?;
            self.stream.write_all(b".").await?;
            from = at + 2;
        }
        self.stream.write_all(&message[from..]).await?;
        if !message.is_empty() && !message.ends_with(b"\r\n") {
            self.stream.write_all(b"\r\n").await?;
        }
        self.dialogue.server(b".");
        self.stream.write_all(b".\r\n").await?;
        self.stream.flush().await
    }

    /// Says goodbye to the layers below: in TLS a missing close_notify would look like an attack.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    async fn pause(&self) {
        let delay = self.cloud.knobs().mail_delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
}
