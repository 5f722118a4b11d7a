//! A submission service's replies as they come in.

use super::grammar::{self, Reply};
use crate::proto::{Cause, Inbox, Limits, Refusal, TooLong};

/// The reply that is being read.
#[derive(Default)]
pub struct Replies {
    reply: Reply,
    octets: usize,
}

impl Replies {
    /// Takes lines until a reply is whole; `None` where more must come in first.
    ///
    /// # Errors
    /// What came is no reply, or too long a one.
    pub fn next(&mut self, inbox: &mut Inbox, limits: &Limits) -> Result<Option<Reply>, Refusal> {
        loop {
            let line = match inbox.line(limits.reply) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(None),
                Err(TooLong) => return Err(garbled("a line longer than its limit")),
            };
            self.octets += line.len() + 2;
            if self.octets > limits.reply {
                return Err(garbled("a reply longer than its limit"));
            }
            let parsed = grammar::reply_line(&line)
                .ok_or_else(|| garbled("a line that is no SMTP reply"))?;
            if !self.reply.lines.is_empty() && self.reply.code != parsed.code {
                return Err(garbled("a reply whose lines differ in their code"));
            }
            self.reply.code = parsed.code;
            self.reply.lines.push(String::from_utf8_lossy(parsed.text).into_owned());
            if parsed.last {
                self.octets = 0;
                return Ok(Some(std::mem::take(&mut self.reply)));
            }
        }
    }
}

/// The refusal of something that is no SMTP.
pub(super) fn garbled(what: &str) -> Refusal {
    let explanation = format!(
        "The mail host sent {what}. Check that host, port and security belong to an SMTP submission service"
    );
    Refusal::new(Cause::UpstreamProtocol, explanation)
}

/// The refusal of a reply that answers nothing.
pub(super) fn out_of_turn(reply: &Reply) -> Refusal {
    garbled("a reply that doesn't belong here").quoting(&reply.text())
}
