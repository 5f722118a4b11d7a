//! What a service says, reply by reply.

use crate::proto::smtp::grammar::{self, Reply};
use crate::proto::{Inbox, Limits, TooLong};

/// Puts the lines of replies together (RFC 5321 section 4.2.1), under limits.
pub struct Replies {
    limits: Limits,
    partial: Reply,
    octets: usize,
}

impl Replies {
    /// A reader that has seen nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, partial: Reply::default(), octets: 0 }
    }

    /// The next whole reply, once it is there.
    ///
    /// # Errors
    /// What was sent instead, to stand behind "the mail host sent".
    pub fn take(&mut self, inbox: &mut Inbox) -> Result<Option<Reply>, &'static str> {
        loop {
            let line = match inbox.line(self.limits.line) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(None),
                Err(TooLong) => return Err("a line longer than its limit"),
            };
            self.octets += line.len() + 2;
            if self.octets > self.limits.reply {
                return Err("a reply longer than its limit");
            }
            let parsed = grammar::reply_line(&line).ok_or("a line that is no SMTP reply")?;
            if !self.partial.lines.is_empty() && self.partial.code != parsed.code {
                return Err("a reply whose lines differ in their code");
            }
            self.partial.code = parsed.code;
            self.partial.lines.push(String::from_utf8_lossy(parsed.text).into_owned());
            if parsed.last {
                self.octets = 0;
                return Ok(Some(std::mem::take(&mut self.partial)));
            }
        }
    }
}
