//! The old program of the demonstration: it knows a user name and a password.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{ADDRESS, USER};

/// What it said and heard, a line each.
#[derive(Default)]
pub(super) struct Program {
    said: Vec<Said>,
}

/// A line of the program's.
pub(super) struct Said {
    pub(super) at: Instant,
    pub(super) by: By,
    pub(super) text: String,
}

/// Who said a line, seen from the side that connected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Us,
    Them,
}

/// A connection, and where its lines are noted.
struct Talk<'a> {
    stream: BufReader<TcpStream>,
    said: &'a mut Vec<Said>,
}

impl Program {
    /// All it said and heard, in order.
    pub(super) fn said(&self) -> &[Said] {
        &self.said
    }

    /// Sends a message to its own mailbox by SMTP.
    pub(super) async fn send(&mut self, server: SocketAddr, password: &str) -> io::Result<()> {
        let mut talk = self.connect(server).await?;
        talk.until("220 ").await?;
        talk.ask("EHLO scanner-2nd-floor", "250 ").await?;
        let login = STANDARD.encode(format!("\0{USER}\0{password}"));
        talk.ask(&format!("AUTH PLAIN {login}"), "235 ").await?;
        talk.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await?;
        talk.ask(&format!("RCPT TO:<{ADDRESS}>"), "250 ").await?;
        talk.ask("DATA", "354 ").await?;
        for line in [&format!("From: {ADDRESS}"), "Subject: Scan 0001", "", "One page."] {
            talk.say(line).await?;
        }
        talk.ask(".", "250 ").await?;
        talk.ask("QUIT", "221 ").await
    }

    /// Reads the message back by IMAP.
    pub(super) async fn read(&mut self, server: SocketAddr, password: &str) -> io::Result<()> {
        let mut talk = self.connect(server).await?;
        talk.until("* OK ").await?;
        talk.ask(&format!("a1 LOGIN {USER} {password}"), "a1 OK").await?;
        talk.ask("a2 SELECT INBOX", "a2 OK").await?;
        talk.ask("a3 FETCH 1 (FLAGS BODY.PEEK[TEXT])", "a3 OK").await?;
        talk.ask("a4 LOGOUT", "a4 OK").await
    }

    async fn connect(&mut self, server: SocketAddr) -> io::Result<Talk<'_>> {
        let stream = BufReader::new(TcpStream::connect(server).await?);
        Ok(Talk { stream, said: &mut self.said })
    }
}

impl Talk<'_> {
    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.note(By::Us, line);
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await
    }

    /// Says `line` and hears the answer up to the line that starts with `start`.
    async fn ask(&mut self, line: &str, start: &str) -> io::Result<()> {
        self.say(line).await?;
        self.until(start).await
    }

    async fn until(&mut self, start: &str) -> io::Result<()> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(io::Error::other(format!("the connection ended before {start:?}")));
            }
            let line = line.trim_end_matches(['\r', '\n']);
            self.note(By::Them, line);
            if line.starts_with(start) {
                return Ok(());
            }
            if ["4", "5", "a1 NO", "a1 BAD"].iter().any(|no| line.starts_with(no)) {
                return Err(io::Error::other(format!("expected {start:?}, heard {line:?}")));
            }
        }
    }

    fn note(&mut self, by: By, text: &str) {
        self.said.push(Said { at: Instant::now(), by, text: text.to_owned() });
    }
}
