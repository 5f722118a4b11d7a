//! One connection's bytes: commands with their literals in, responses out, both into the transcript.

use std::io;
use std::ops::RangeInclusive;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter};

use crate::dialogue::Dialogue;

use super::response::{Response, Segment};

/// Octets of a command, its literals left out, that Exchange takes: the default of its `MaxCommandSize`.
const LINE_LIMIT: usize = 10_240;

/// How much is asked of the socket at a time: little while commands come in, since thousands of connections may wait
/// for one, and as much as there is already when a literal of megabytes does.
const READ_SIZE: RangeInclusive<usize> = 4 << 10..=64 << 10;

/// Responses are gathered up to here; the octets of a larger message pass the buffer by.
const WRITE_BUFFER: usize = 16 << 10;

/// Literals beyond this size are in the transcript by their size alone.
const RECORDED_LITERAL: usize = 4 << 10;

/// What a client has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Intake {
    /// A whole command with its literals and its last CRLF.
    Command(Vec<u8>),
    /// The beginning of a command whose lines are too long.
    Overlong(Vec<u8>),
    /// The beginning of a command whose literal is not wanted. It has not been read.
    Oversize(Vec<u8>),
}

pub(super) struct Wire<S> {
    stream: BufWriter<S>,
    unread: Vec<u8>,
    dialogue: Dialogue,
}

/// `literal = "{" number ["+"] "}"` at the end of a line.
struct Literal {
    length: usize,
    synchronizing: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S, dialogue: Dialogue) -> Self {
        Self {
            stream: BufWriter::with_capacity(WRITE_BUFFER, stream),
            unread: Vec::new(),
            dialogue,
        }
    }

    /// The next command. The client is invited to send its literals if they have no more than `literal_limit` octets.
    pub(super) async fn command(&mut self, literal_limit: usize) -> io::Result<Intake> {
        let mut start = 0;
        let mut octets = 0;
        loop {
            let Some(end) = self.line_end(start, LINE_LIMIT - octets).await? else {
                return self.skip_line(start).await.map(Intake::Overlong);
            };
            octets += end - start;
            let line = &self.unread[start..end];
            self.dialogue.client(line);
            let Some(literal) = Literal::at_end_of(line) else {
                return Ok(Intake::Command(self.take(end)));
            };
            if literal.length > literal_limit {
                return Ok(Intake::Oversize(self.take(end)));
            }
            if literal.synchronizing {
                self.say("+ Ready for additional command text.").await?;
            }
            start = end + literal.length;
            while self.unread.len() < start {
                self.read().await?;
            }
            record_literal(&self.unread[end..start], |text| self.dialogue.client(text));
        }
    }

    /// The next line, without its line end. Dropping the future loses nothing. `None`: the line is too long, and what
    /// comes next is the rest of it.
    pub(super) async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(end) = self.line_end(0, LINE_LIMIT).await? else {
            return Ok(None);
        };
        let line = self.take(end);
        self.dialogue.client(&line);
        Ok(Some(line.trim_ascii_end().to_vec()))
    }

    /// One line; the CRLF is added.
    pub(super) async fn say(&mut self, line: &str) -> io::Result<()> {
        let mut response = Response::default();
        response.line(line);
        self.send(&response).await
    }

    pub(super) async fn send(&mut self, response: &Response) -> io::Result<()> {
        for segment in response.segments() {
            self.record(segment);
            self.stream.write_all(segment.bytes()).await?;
        }
        self.stream.flush().await
    }

    /// Says no more. The client sees the end of the stream, in TLS with a close_notify.
    pub(super) async fn close(mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    fn record(&self, segment: &Segment) {
        match segment {
            Segment::Text(text) => {
                for line in text.split_inclusive(|byte| *byte == b'\n') {
                    self.dialogue.server(line);
                }
            }
            Segment::Octets(..) => {
                record_literal(segment.bytes(), |text| self.dialogue.server(text));
            }
        }
    }

    /// Where the line that begins at `start` ends, or `None` if that is more than `limit` octets away.
    async fn line_end(&mut self, start: usize, limit: usize) -> io::Result<Option<usize>> {
        let mut searched = start;
        loop {
            let found = memchr::memchr(b'\n', &self.unread[searched..]);
            searched = found.map_or(self.unread.len(), |newline| searched + newline + 1);
            if searched - start > limit {
                return Ok(None);
            }
            if found.is_some() {
                return Ok(Some(searched));
            }
            self.read().await?;
        }
    }

    /// Drops what is left of an overlong line and gives back the beginning of the command.
    async fn skip_line(&mut self, start: usize) -> io::Result<Vec<u8>> {
        let beginning = self.unread[..self.unread.len().min(LINE_LIMIT)].to_vec();
        self.dialogue.client(&beginning);
        self.unread.drain(..start);
        loop {
            if let Some(newline) = memchr::memchr(b'\n', &self.unread) {
                self.unread.drain(..=newline);
                return Ok(beginning);
            }
            self.unread.clear();
            self.read().await?;
        }
    }

    /// What follows is copied, not what is taken: the command may be a message of megabytes.
    fn take(&mut self, end: usize) -> Vec<u8> {
        let rest = self.unread.split_off(end);
        std::mem::replace(&mut self.unread, rest)
    }

    async fn read(&mut self) -> io::Result<()> {
        let wanted = self.unread.len().clamp(*READ_SIZE.start(), *READ_SIZE.end());
        self.unread.reserve(wanted);
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl Literal {
    fn at_end_of(line: &[u8]) -> Option<Self> {
        let inner = line.trim_ascii_end().strip_suffix(b"}")?;
        let open = memchr::memrchr(b'{', inner)?;
        let number = &inner[open + 1..];
        let digits = number.strip_suffix(b"+").unwrap_or(number);
        let length = std::str::from_utf8(digits).ok()?.parse::<u32>().ok()?;
        Some(Self {
            length: usize::try_from(length).ok()?,
            synchronizing: digits.len() == number.len(),
        })
    }
}

fn record_literal(literal: &[u8], record: impl Fn(&[u8])) {
    if literal.len() > RECORDED_LITERAL {
        return record(format!("<{} octets>", literal.len()).as_bytes());
    }
    record(literal);
}
