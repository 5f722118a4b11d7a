//! What must hold of a client's talk after its login, whatever it sends.

use gatepost::proto::smtp::grammar::Reply;
use gatepost::proto::smtp::headers::{Author, Edits};
use gatepost::proto::smtp::submission::{BareLf, Chunk, Content, Event, Framing, Taken, Talk};
use gatepost::proto::{Inbox, Limits};

/// What a talk came to, in the order of its happening.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    events: Vec<String>,
    /// What went out of each message.
    messages: Vec<Vec<u8>>,
}

const LIMITS: Limits =
    Limits { line: 512, sasl_line: 1024, literal: 256, reply: 4096, bad_commands: 3 };

/// Lets a client send `pieces` to a service that says yes to everything.
///
/// # Panics
/// Where something went out that could end a message before its end.
pub(crate) fn talk(pieces: &[&[u8]]) -> Told {
    let mut line = Conversation::new();
    for piece in pieces {
        line.inbox.push(piece);
        while line.step() {}
    }
    for message in &line.told.messages {
        let text = [b"\r\n", &message[..]].concat();
        assert!(!text.windows(5).any(|window| window == b"\r\n.\r\n"), "ends early: {message:?}");
    }
    line.told
}

struct Conversation {
    talk: Talk,
    inbox: Inbox,
    told: Told,
    reading: Reading,
    content: Content,
}

#[derive(Clone, Copy)]
enum Reading {
    Commands,
    Data,
    Chunk(Chunk),
    Skip(u64),
    Nothing,
}

fn content() -> Content {
    let author = Author { mailbox: "scanner@contoso.example".to_owned(), permitted: Vec::new() };
    let date = Some("Thu, 1 Jan 1970 00:00:00 +0000".to_owned());
    let edits = Edits { author: Some(author), date, message_id: Some("<1@x>".to_owned()) };
    Content::new(Framing::Dotted, BareLf::Mend, edits)
}

impl Conversation {
    fn new() -> Self {
        Self {
            talk: Talk::new("gatepost.example".to_owned(), &[], LIMITS),
            inbox: Inbox::default(),
            told: Told::default(),
            reading: Reading::Commands,
            content: content(),
        }
    }

    /// Whether something was done.
    fn step(&mut self) -> bool {
        match self.reading {
            Reading::Commands => self.command(),
            Reading::Nothing => false,
            Reading::Data => {
                let input = self.inbox.drain();
                if input.is_empty() {
                    return false;
                }
                let mut out = Vec::new();
                if let Taken::Last(count) = self.content.data(&input, &mut out) {
                    self.inbox.push(&input[count..]);
                    self.out(&out);
                    self.talk.over();
                    self.reading = Reading::Commands;
                } else {
                    self.out(&out);
                }
                true
            }
            Reading::Chunk(chunk) => self.chunk(chunk),
            Reading::Skip(left) => {
                let count = left.min(self.inbox.len() as u64);
                self.inbox.octets(usize::try_from(count).unwrap());
                self.reading =
                    if left == count { Reading::Commands } else { Reading::Skip(left - count) };
                left == count
            }
        }
    }

    fn out(&mut self, out: &[u8]) {
        self.told.messages.last_mut().unwrap().extend_from_slice(out);
    }

    fn chunk(&mut self, chunk: Chunk) -> bool {
        let left = chunk.octets;
        let count = left.min(self.inbox.len() as u64);
        // A chunk's dots are no framing, so they are told apart from those of DATA.
        self.inbox.octets(usize::try_from(count).unwrap());
        if left > count {
            self.reading = Reading::Chunk(Chunk { octets: left - count, ..chunk });
            return false;
        }
        self.talk.answered(&Event::Chunk(chunk), &Reply::of(250, "OK"));
        self.reading = Reading::Commands;
        true
    }

    fn command(&mut self) -> bool {
        let event = self.talk.next(&mut self.inbox);
        if event == Event::Read {
            return false;
        }
        self.told.events.push(format!("{event:?}"));
        match &event {
            Event::Close(_) => self.reading = Reading::Nothing,
            Event::Data => {
                self.talk.answered(&event, &Reply::of(354, "Go on"));
                self.told.messages.push(Vec::new());
                self.content = content();
                self.reading = Reading::Data;
            }
            Event::Chunk(chunk) => self.reading = Reading::Chunk(*chunk),
            Event::Skip { octets, .. } => self.reading = Reading::Skip(*octets),
            Event::Mail(_) | Event::Recipient(_) => {
                self.talk.answered(&event, &Reply::of(250, "OK"));
            }
            _ => {}
        }
        true
    }
}
