//! The lines of one SMTP connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use crate::cloud::Cloud;
use crate::dialogue::Dialogue;

/// Octets read at once: four TLS records, so that large messages take few turns.
const BUFFER: usize = 64 << 10;
/// The longest command. Exchange takes AUTH with an initial response of several thousand octets in one line.
const LINE_LIMIT: usize = 64 << 10;
/// RFC 5321 section 4.5.3.2.7 wants a server to wait five minutes for the next command.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// What a connection runs on: TCP, or TLS over it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection that speaks in lines and writes down what is said.
pub(super) struct Wire<S> {
    pub(super) stream: BufReader<S>,
    pub(super) dialogue: Dialogue,
    cloud: Arc<Cloud>,
}

impl<S: Stream> Wire<S> {
    pub(super) fn new(stream: S, dialogue: Dialogue, cloud: Arc<Cloud>) -> Self {
        Self { stream: BufReader::with_capacity(BUFFER, stream), dialogue, cloud }
    }

    /// Gives the stream back and forgets what was read ahead: clear text behind STARTTLS counts for nothing (RFC 3207
    /// section 4.2).
    pub(super) fn into_stream(self) -> S {
        self.stream.into_inner()
    }

    /// Says goodbye to the layers below: in TLS a missing close_notify would look like an attack.
    pub(super) async fn close(mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// The next line without its end. `None` when there won't be one: the client left, was too slow or said too much.
    pub(super) async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Ok(read) = timeout(PATIENCE, self.read_line()).await else {
            self.reply("421 4.4.1 Connection timed out").await?;
            return Ok(None);
        };
        let line = read?;
        if line.len() > LINE_LIMIT {
            self.reply("500 5.5.2 Line too long").await?;
            return Ok(None);
        }
        let Some(line) = line.strip_suffix(b"\n") else { return Ok(None) };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.dialogue.client(line);
        Ok(Some(line.to_vec()))
    }

    /// A line with its end, the beginning of one that is too long, or the rest before the end of the stream.
    async fn read_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        while line.len() <= LINE_LIMIT {
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
        self.reply_with(reply, b"").await
    }

    /// Sends a reply and, in the same write, octets that are no part of it.
    pub(super) async fn reply_with(&mut self, reply: &str, behind: &[u8]) -> io::Result<()> {
        let delay = self.cloud.knobs().mail_delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        for line in reply.lines() {
            self.dialogue.server(line.as_bytes());
        }
        let octets = [reply.as_bytes(), b"\r\n", behind].concat();
        self.stream.write_all(&octets).await?;
        self.stream.flush().await
    }
}
