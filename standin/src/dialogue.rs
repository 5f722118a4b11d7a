//! What is said on the mail connections.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::broadcast;

use crate::cloud::Cloud;

/// Octets that the transcript keeps: a few thousand sessions, or the messages of a test.
const TRANSCRIPT_LIMIT: usize = 16 << 20;
/// Octets of one entry: enough for any line and small message, while a message of 20 MB leaves the others their place.
const LINE_LIMIT: usize = 64 << 10;
/// Lines that a subscriber may fall behind.
const BACKLOG: usize = 1024;

/// One line of a mail connection, or one message body.
#[derive(Clone, Debug)]
pub struct Line {
    /// The connection's number, counted from 1 over all protocols.
    pub connection: u64,
    /// `"imap"`, `"pop3"` or `"smtp"`.
    pub protocol: &'static str,
    /// Who said it.
    pub side: Side,
    /// When it was said.
    pub at: Instant,
    /// The text without its line end; of a message body no more than 64 KiB.
    pub text: String,
}

/// One of the two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Whoever connected to the stand-in.
    Client,
    /// The stand-in.
    Server,
}

/// The lines of all connections, in order.
#[derive(Debug)]
pub(crate) struct Transcript {
    kept: Mutex<Kept>,
    listeners: broadcast::Sender<Line>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    octets: usize,
}

impl Default for Transcript {
    fn default() -> Self {
        Self { kept: Mutex::default(), listeners: broadcast::channel(BACKLOG).0 }
    }
}

impl Transcript {
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.kept().lines.iter().cloned().collect()
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Line> {
        self.listeners.subscribe()
    }

    fn add(&self, line: Line) {
        let mut kept = self.kept();
        // A channel without receivers refuses the line, which is no loss.
        let _ = self.listeners.send(line.clone());
        kept.octets += weight(&line);
        kept.lines.push_back(line);
        while kept.octets > TRANSCRIPT_LIMIT {
            let Some(dropped) = kept.lines.pop_front() else { break };
            kept.octets -= weight(&dropped);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Octets that a line takes in memory; an empty one is not free.
fn weight(line: &Line) -> usize {
    size_of::<Line>() + line.text.len()
}

/// The pen of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Dialogue {
    cloud: Arc<Cloud>,
    connection: u64,
    protocol: &'static str,
}

impl Dialogue {
    pub(crate) fn new(cloud: &Arc<Cloud>, protocol: &'static str) -> Self {
        Self { cloud: Arc::clone(cloud), connection: cloud.counters.connections.next(), protocol }
    }

    /// Records a line or a body of the client; a line end is left out.
    pub(crate) fn client(&self, said: &[u8]) {
        self.record(Side::Client, said);
    }

    /// Records what the stand-in says; a line end is left out.
    pub(crate) fn server(&self, said: &[u8]) {
        self.record(Side::Server, said);
    }

    fn record(&self, side: Side, said: &[u8]) {
        let said = said.strip_suffix(b"\n").unwrap_or(said);
        let said = said.strip_suffix(b"\r").unwrap_or(said);
        let text = String::from_utf8_lossy(&said[..said.len().min(LINE_LIMIT)]).into_owned();
        let line = Line {
            connection: self.connection,
            protocol: self.protocol,
            side,
            at: Instant::now(),
            text,
        };
        self.cloud.transcript.add(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(connection: u64, length: usize) -> Line {
        Line {
            connection,
            protocol: "smtp",
            side: Side::Client,
            at: Instant::now(),
            text: "x".repeat(length),
        }
    }

    #[test]
    fn the_oldest_lines_make_room() {
        let transcript = Transcript::default();
        transcript.add(line(1, 0));
        for _ in 0..TRANSCRIPT_LIMIT / LINE_LIMIT {
            transcript.add(line(2, LINE_LIMIT));
        }
        let lines = transcript.lines();
        assert!(lines.iter().all(|line| line.connection == 2));
        assert!(lines.iter().map(weight).sum::<usize>() <= TRANSCRIPT_LIMIT);
        assert!(lines.len() >= TRANSCRIPT_LIMIT / LINE_LIMIT - 1);
    }
}
