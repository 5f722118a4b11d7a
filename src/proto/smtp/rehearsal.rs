//! What a diagnosis tries once the login succeeded: a mail transaction as far as it does nothing.

use super::replies::{Replies, out_of_turn};
use super::verdict;
use crate::proto::{Cause, Inbox, Limits, Refusal, Session, Step};

/// MAIL FROM, then RSET, which takes it back (RFC 5321 section 4.1.1.5), and QUIT.
pub(super) struct Rehearsal {
    sender: String,
    limits: Limits,
    awaiting: Awaiting,
    replies: Replies,
}

enum Awaiting {
    Start,
    Sender,
    Reset,
    Goodbye,
}

impl Rehearsal {
    /// A transaction of `sender`, an address.
    pub(super) fn new(sender: String, limits: Limits) -> Self {
        Self { sender, limits, awaiting: Awaiting::Start, replies: Replies::default() }
    }
}

impl Session for Rehearsal {
    type Outcome = ();

    fn advance(&mut self, inbox: &mut Inbox) -> Result<Step<()>, Refusal> {
        let code = match self.awaiting {
            Awaiting::Start => {
                self.awaiting = Awaiting::Sender;
                return Ok(Step::write(format!("MAIL FROM:<{}>\r\n", self.sender)));
            }
            Awaiting::Goodbye => return Ok(Step::Done(())),
            Awaiting::Sender | Awaiting::Reset => 250,
        };
        let Some(reply) = self.replies.next(inbox, &self.limits)? else {
            return Ok(Step::Read);
        };
        match reply.code {
            found if found == code => {}
            400.. => return Err(verdict::refusal(&reply, Cause::NotAuthorized)),
            _ => return Err(out_of_turn(&reply)),
        }
        let (awaiting, command) = match self.awaiting {
            Awaiting::Sender => (Awaiting::Reset, "RSET\r\n"),
            _ => (Awaiting::Goodbye, "QUIT\r\n"),
        };
        self.awaiting = awaiting;
        Ok(Step::write(command))
    }
}
