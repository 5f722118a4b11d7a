//! The client's half of SMTP once it has logged in.

use super::command::{self, Mail, Path, Recipient};
use crate::proto::smtp::grammar::{self, Command, Reply, Unfit};
use crate::proto::smtp::{CONSERVATIVE, multiline, passed_on};
use crate::proto::{Inbox, Limits, TooLong};

/// An SMTP server that leaves mail transactions to whoever drives it.
pub struct Talk {
    name: String,
    extensions: Vec<String>,
    limits: Limits,
    stage: Stage,
    /// Those of the transaction, refused ones too.
    recipients: usize,
    bad_commands: u32,
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    None,
    Mail,
    Recipients,
    /// Some of the message has come by BDAT.
    Chunks,
}

/// What the client asks for. Those that concern a transaction are answered through
/// [`Talk::answered`], and nothing else is read before.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// More bytes are needed.
    Read,
    /// Nothing that concerns the service: this is the answer.
    Answer(Vec<u8>),
    /// The last word to a client that leaves, or has to.
    Close(Vec<u8>),
    /// A transaction begins.
    Mail(Mail),
    /// Somebody else gets the message.
    Recipient(Recipient),
    /// The message wants to come, by DATA.
    Data,
    /// Octets of the message follow, by BDAT.
    Chunk(Chunk),
    /// Octets follow that belong to no message; then this is the answer.
    Skip {
        /// How many.
        octets: u64,
        /// What to say behind them.
        answer: Vec<u8>,
    },
    /// The transaction is off; this is the answer.
    Reset(Vec<u8>),
}

/// Octets of a message (RFC 3030 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// How many.
    pub octets: u64,
    /// Whether the message ends with them.
    pub last: bool,
}

const OK: &str = "250 2.0.0 OK";

/// Recipients of one message: what Exchange takes at most. Clients bring the others with another
/// message (RFC 5321 section 4.5.3.1.10).
const RECIPIENTS: usize = 1000;

/// Octets of a chunk: more than any service takes as a message, and small enough to be reckoned with.
const LARGEST_CHUNK: u64 = 1 << 40;

impl Talk {
    /// A server called `name` for a service that announced `extensions`; empty where it wasn't asked.
    pub fn new(name: String, extensions: &[String], limits: Limits) -> Self {
        let extensions = match extensions {
            [] => CONSERVATIVE.iter().map(|line| (*line).to_owned()).collect(),
            known => passed_on(known).map(str::to_owned).collect(),
        };
        Self { name, extensions, limits, stage: Stage::None, recipients: 0, bad_commands: 0 }
    }

    /// The answer to the login.
    pub fn welcome(&self) -> Vec<u8> {
        says("235 2.7.0 Authentication successful")
    }

    /// What the next command asks for.
    pub fn next(&mut self, inbox: &mut Inbox) -> Event {
        // Before the line is gone, which it is where it is too long.
        let chunk = inbox.unread().get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"BDAT"));
        let line = match inbox.line(self.limits.line) {
            Ok(Some(line)) => line,
            Ok(None) => return Event::Read,
            Err(TooLong) if chunk => return uncounted("500 5.5.2 Line too long"),
            Err(TooLong) => return self.bad("500 5.5.2 Line too long"),
        };
        match grammar::command(&line) {
            Ok(Command::Ehlo) => self.greet(self.ehlo()),
            Ok(Command::Helo) => self.greet(says(&format!("250 {}", self.name))),
            Ok(Command::Rset) => self.greet(says(OK)),
            Ok(Command::Noop) => Event::Answer(says(OK)),
            Ok(Command::Auth { .. }) => Event::Answer(says("503 5.5.1 Already authenticated")),
            Ok(Command::StartTls) => Event::Answer(says("503 5.5.1 STARTTLS comes before AUTH")),
            Ok(Command::Vrfy) => Event::Answer(says("252 2.1.5 Send a message and see")),
            Ok(Command::Help) => Event::Answer(says("214 2.0.0 Send mail")),
            Ok(Command::Quit) => Event::Close(says("221 2.0.0 Bye")),
            Ok(Command::Mail { .. } | Command::Transaction) => self.transaction(&line),
            Ok(Command::Bdat) => self.bdat(&line),
            Err(_) if chunk => uncounted("501 5.5.4 Invalid arguments"),
            Err(Unfit::Unknown) => self.bad("500 5.5.2 Command not recognized"),
            Err(Unfit::Arguments) => self.bad("501 5.5.4 Invalid arguments"),
        }
    }

    /// The answer that a transaction's command has got.
    pub fn answered(&mut self, event: &Event, reply: &Reply) {
        let good = reply.is_positive();
        self.recipients = match event {
            Event::Mail(_) => 0,
            Event::Recipient(_) => self.recipients + 1,
            _ => self.recipients,
        };
        self.stage = match event {
            Event::Mail(_) if good => Stage::Mail,
            Event::Recipient(_) if good => Stage::Recipients,
            Event::Recipient(_) => self.stage,
            Event::Chunk(Chunk { last: false, .. }) if good => Stage::Chunks,
            Event::Data if reply.code == 354 => self.stage,
            _ => Stage::None,
        };
    }

    /// The message that DATA announced is over.
    pub fn over(&mut self) {
        self.stage = Stage::None;
    }

    /// Whether a transaction is under way.
    pub fn is_sending(&self) -> bool {
        self.stage != Stage::None
    }

    fn transaction(&mut self, line: &[u8]) -> Event {
        let Ok(line) = std::str::from_utf8(line) else {
            return self.bad("501 5.5.4 Invalid arguments");
        };
        let (verb, arguments) = line.split_at(4);
        match (verb.to_ascii_uppercase().as_str(), self.stage) {
            ("MAIL", Stage::None) => match Path::parse(arguments, "FROM") {
                Some(path) => Event::Mail(Mail(path)),
                None => self.bad("501 5.5.4 Invalid arguments"),
            },
            ("MAIL", _) => Event::Answer(says("503 5.5.1 Sender already given")),
            ("RCPT", Stage::Mail | Stage::Recipients) if self.recipients == RECIPIENTS => {
                Event::Answer(says("452 4.5.3 Too many recipients"))
            }
            ("RCPT", Stage::Mail | Stage::Recipients) => match Path::parse(arguments, "TO") {
                Some(path) if !path.address.is_empty() => Event::Recipient(Recipient(path)),
                _ => self.bad("501 5.5.4 Invalid arguments"),
            },
            ("DATA", _) if !arguments.trim().is_empty() => self.bad("501 5.5.4 Invalid arguments"),
            ("DATA", Stage::Recipients) => Event::Data,
            ("DATA", Stage::Mail) => Event::Answer(says("554 5.5.1 No valid recipients")),
            (_, Stage::Chunks) => Event::Answer(says("503 5.5.1 Only BDAT goes on with BDAT")),
            _ => Event::Answer(says("503 5.5.1 Send MAIL first")),
        }
    }

    fn bdat(&mut self, line: &[u8]) -> Event {
        let arguments = std::str::from_utf8(&line[4..]).ok();
        let Some(chunk) = arguments.and_then(command::chunk) else {
            return uncounted("501 5.5.4 Invalid arguments");
        };
        if chunk.octets > LARGEST_CHUNK {
            return uncounted("552 5.3.4 Chunk too large");
        }
        match self.stage {
            Stage::Recipients | Stage::Chunks => Event::Chunk(chunk),
            Stage::Mail => {
                Event::Skip { octets: chunk.octets, answer: says("554 5.5.1 No valid recipients") }
            }
            Stage::None => {
                Event::Skip { octets: chunk.octets, answer: says("503 5.5.1 Send MAIL first") }
            }
        }
    }

    /// EHLO and HELO put a transaction off as RSET does (RFC 5321 section 4.1.4).
    fn greet(&mut self, answer: Vec<u8>) -> Event {
        self.stage = Stage::None;
        Event::Reset(answer)
    }

    fn ehlo(&self) -> Vec<u8> {
        let mut lines = vec![self.name.clone()];
        lines.extend(self.extensions.iter().cloned());
        multiline(&lines)
    }

    fn bad(&mut self, answer: &str) -> Event {
        self.bad_commands += 1;
        if self.bad_commands > self.limits.bad_commands {
            return Event::Close(says("421 4.7.0 Too many bad commands"));
        }
        Event::Answer(says(answer))
    }
}

/// The answer to a BDAT whose octets can't be told from commands.
fn uncounted(answer: &str) -> Event {
    Event::Close(says(answer))
}

fn says(line: &str) -> Vec<u8> {
    format!("{line}\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_a_thousand_recipients_refused_ones_included() {
        let limits = Limits { line: 512, sasl_line: 512, literal: 1, reply: 512, bad_commands: 3 };
        let mut talk = Talk::new("x".to_owned(), &[], limits);
        let (yes, no) = (Reply::of(250, "OK"), Reply::of(550, "No"));
        let ask = |talk: &mut Talk, line: &str| {
            let mut inbox = Inbox::default();
            inbox.push(line.as_bytes());
            talk.next(&mut inbox)
        };
        for _ in 0..2 {
            let mail = ask(&mut talk, "MAIL FROM:<a@b>\r\n");
            talk.answered(&mail, &yes);
            for number in 0..RECIPIENTS {
                let event = ask(&mut talk, "RCPT TO:<a@b>\r\n");
                assert!(matches!(event, Event::Recipient(_)), "{number}");
                talk.answered(&event, if number % 2 == 0 { &yes } else { &no });
            }
            let last = ask(&mut talk, "RCPT TO:<a@b>\r\n");
            assert_eq!(last, Event::Answer(says("452 4.5.3 Too many recipients")));
            assert_eq!(ask(&mut talk, "DATA\r\n"), Event::Data);
            talk.over();
        }
    }
}
