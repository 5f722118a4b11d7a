//! The way of one message out: its envelope, its content, one verdict.
//!
//! As long as nothing of the message has been accepted, a temporary no or a broken connection is
//! tried again on another connection before the client hears of it.

use std::time::Duration;

use tokio::time::sleep;
use tracing::debug;

use super::lane::{Lane, Lost};
use super::line::Turn;
use crate::mailbox::Mailbox;
use crate::proto::smtp;
use crate::proto::smtp::grammar::Reply;
use crate::proto::smtp::submission::{Chunk, Framing, Mail, Recipient};
use crate::relay::Relay;

/// Before each further try. Together shorter than the minute that impatient devices wait.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(8)];

/// A message up to this size is held until its verdict, and sent again after a temporary no.
const HELD: usize = 64 * 1024;

/// A message's way to its mailbox's SMTP service.
pub(super) struct Way<'r> {
    relay: &'r Relay,
    mailbox: Mailbox,
    turn: Turn,
    lane: Option<Lane>,
    /// Whether the content may be no lines of text.
    binary: bool,
    /// The commands that the client knows the answers to.
    said: Vec<Said>,
    /// What was sent of a DATA message, while it is small enough to be sent again.
    held: Option<Vec<u8>>,
    pauses: std::slice::Iter<'static, Duration>,
    /// What the service said when it stopped reading.
    early: Option<Verdict>,
    content: Progress,
}

/// How much of the content the service has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Nothing,
    Chunks,
}

struct Said {
    command: String,
    positive: bool,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The service's reply to it.
    Replied(Reply),
    /// The service had not got all of it: it won't be delivered. Why.
    Lost(String),
    /// The service had got all of it, and didn't answer. Why.
    Unknown(String),
}

impl<'r> Way<'r> {
    /// The way out of `mailbox`, for whoever has `turn`.
    pub(super) fn new(relay: &'r Relay, mailbox: Mailbox, turn: Turn) -> Self {
        let pauses = PAUSES.iter();
        Self {
            relay,
            mailbox,
            turn,
            lane: None,
            binary: false,
            said: Vec::new(),
            held: None,
            pauses,
            early: None,
            content: Progress::Nothing,
        }
    }

    /// How [`send`](Self::send) takes a message.
    pub(super) fn framing(&self) -> Framing {
        Framing::Dotted
    }

    /// Begins the envelope.
    pub(super) async fn mail(&mut self, mail: &Mail) -> Reply {
        self.binary = mail.is_binary();
        self.tell(mail.line()).await
    }

    /// Adds to the envelope.
    pub(super) async fn recipient(&mut self, recipient: &Recipient) -> Reply {
        self.tell(recipient.line()).await
    }

    /// Asks for the content to come: 354 where it may.
    pub(super) async fn data(&mut self) -> Reply {
        self.held = Some(Vec::new());
        self.ask("DATA\r\n").await
    }

    /// Whether the service that has the envelope reads chunks. Another one would take their octets for
    /// commands.
    pub(super) fn takes_chunks(&self) -> bool {
        self.lane.as_ref().is_none_or(|lane| lane.honours("CHUNKING"))
    }

    /// Announces a chunk of the content. Its octets follow by [`send`](Self::send).
    pub(super) async fn chunk(&mut self, chunk: Chunk) {
        let Chunk { octets, last } = chunk;
        self.held = None;
        self.content = if last { Progress::Nothing } else { Progress::Chunks };
        let last = if last { " LAST" } else { "" };
        self.pass(format!("BDAT {octets}{last}\r\n").as_bytes()).await;
    }

    /// Passes on octets of the content. Where the service takes no more, the verdict will tell.
    pub(super) async fn send(&mut self, octets: &[u8]) {
        match &mut self.held {
            Some(held) if held.len() + octets.len() <= HELD => held.extend_from_slice(octets),
            _ => self.held = None,
        }
        self.pass(octets).await;
    }

    /// The verdict on a message that came by DATA.
    pub(super) async fn finish(&mut self) -> Verdict {
        loop {
            let Some(lane) = &mut self.lane else {
                return self.lost();
            };
            if let Err(Lost(why)) = lane.send(b".\r\n").await {
                // Whether the service got the end of the message can't be told.
                self.lane = None;
                return Verdict::Unknown(why);
            }
            let verdict = self.verdict().await;
            match verdict {
                Verdict::Replied(reply) if is_passing(&reply) => {
                    if !self.again().await {
                        return Verdict::Replied(reply);
                    }
                }
                verdict => return verdict,
            }
        }
    }

    /// The verdict on a chunk, and with the last one on the message.
    pub(super) async fn finish_chunk(&mut self, chunk: Chunk) -> Verdict {
        match self.verdict().await {
            // Without the last chunk there is nothing to deliver.
            Verdict::Unknown(why) if !chunk.last => Verdict::Lost(why),
            Verdict::Replied(reply) if !reply.is_positive() => {
                // Whether it has counted the octets of a chunk that it refuses is its secret.
                self.lane = None;
                Verdict::Replied(reply)
            }
            verdict => verdict,
        }
    }

    /// The end of the way. A connection that is fit for it waits for the next message.
    pub(super) fn end(self) {
        if let Some(lane) = self.lane.filter(|_| self.content == Progress::Nothing) {
            self.turn.keep(lane);
        }
    }

    /// The end of the way with part of the content on it: nothing will be delivered.
    pub(super) fn break_off(self) {
        drop(self.lane);
    }

    async fn tell(&mut self, command: String) -> Reply {
        let reply = self.ask(&command).await;
        self.said.push(Said { command, positive: reply.is_positive() });
        reply
    }

    /// Sends a command of the envelope, on another connection where this one is of no use.
    async fn ask(&mut self, command: &str) -> Reply {
        loop {
            let reply = match self.try_to_ask(command).await {
                Ok(reply) if !is_passing(&reply) => return reply,
                Ok(reply) => reply,
                Err(Lost(why)) => Reply::of(451, &format!("4.4.2 Mail server {why}")),
            };
            self.lane = None;
            if !self.pause(&reply).await {
                return reply;
            }
        }
    }

    /// Waits before another try; false where there have been enough.
    async fn pause(&mut self, reply: &Reply) -> bool {
        let Some(pause) = self.pauses.next() else {
            return false;
        };
        debug!(reply = reply.text(), ?pause, "trying again on another connection");
        sleep(*pause).await;
        true
    }

    async fn try_to_ask(&mut self, command: &str) -> Result<Reply, Lost> {
        if self.lane.is_none() {
            match self.open().await {
                Ok(lane) if self.binary && !lane.honours("BINARYMIME") => {
                    self.lane = Some(lane);
                    return Ok(Reply::of(555, "5.6.1 BODY=BINARYMIME is not offered"));
                }
                Ok(lane) => self.lane = Some(lane),
                Err(reply) => return Ok(reply),
            }
            if let Some(reply) = self.repeat().await? {
                return Ok(reply);
            }
        }
        match &mut self.lane {
            Some(lane) => lane.ask(command).await,
            None => Err(Lost("isn't there".to_owned())),
        }
    }

    /// A connection that an earlier message left and that still lives, or a fresh one. Only the first
    /// try takes an old one.
    async fn open(&mut self) -> Result<Lane, Reply> {
        while let Some(mut lane) = self.turn.kept() {
            if self.pauses.len() == PAUSES.len() && lane.reset().await {
                return Ok(lane);
            }
        }
        let opened = self.relay.open_lane(&self.mailbox).await;
        opened.map_err(|refusal| {
            super::report(&refusal);
            smtp::answer(&refusal)
        })
    }

    /// Repeats the envelope so far on a new connection. A reply where that doesn't come to what the
    /// client was told.
    async fn repeat(&mut self) -> Result<Option<Reply>, Lost> {
        let Some(lane) = &mut self.lane else {
            return Ok(None);
        };
        for said in &self.said {
            let reply = lane.ask(&said.command).await?;
            if is_passing(&reply) {
                return Ok(Some(reply));
            }
            if reply.is_positive() != said.positive {
                return Ok(Some(Reply::of(452, "4.3.0 Mail server changed its mind; send again")));
            }
        }
        Ok(None)
    }

    /// Sends all of a small message once more, up to its last dot; false where it isn't held, or the
    /// service doesn't take it.
    async fn again(&mut self) -> bool {
        let Some(held) = self.held.clone() else {
            return false;
        };
        self.lane = None;
        let last = Reply::of(451, "4.3.0 Temporary no");
        if !self.pause(&last).await || self.ask("DATA\r\n").await.code != 354 {
            return false;
        }
        self.pass(&held).await;
        self.lane.is_some()
    }

    async fn pass(&mut self, octets: &[u8]) {
        let Some(lane) = &mut self.lane else {
            return;
        };
        if let Err(Lost(why)) = lane.send(octets).await {
            let last_word = match self.lane.take() {
                Some(lane) => lane.last_word().await,
                None => None,
            };
            self.early = Some(last_word.map_or(Verdict::Lost(why), Verdict::Replied));
        }
    }

    async fn verdict(&mut self) -> Verdict {
        let Some(lane) = &mut self.lane else {
            return self.lost();
        };
        match lane.verdict().await {
            Ok(reply) => {
                if reply.code == 421 {
                    self.lane = None;
                }
                Verdict::Replied(reply)
            }
            Err(Lost(why)) => {
                self.lane = None;
                Verdict::Unknown(why)
            }
        }
    }

    fn lost(&mut self) -> Verdict {
        self.early.take().unwrap_or_else(|| Verdict::Lost("closed the connection".to_owned()))
    }
}

/// A no that another connection, or a moment later, may not get: the service is busy (432 4.3.2), has
/// a hiccup (451), or closes (421). 4.7 is about who sends, which doesn't change in a moment.
fn is_passing(reply: &Reply) -> bool {
    let enhanced = smtp::grammar::enhanced_code(reply.lines.first().map_or("", String::as_str));
    let about_sender = enhanced.is_some_and(|code| code.starts_with("4.7.") && code != "4.7.0");
    matches!(reply.code, 421 | 432 | 451) && !about_sender
}
