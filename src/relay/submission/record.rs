//! The journal's line about a message.

use std::time::Instant;

use tracing::{info, warn};

use super::way::Verdict;
use crate::proto::smtp::grammar::Reply;
use crate::proto::smtp::headers::Change;
use crate::proto::smtp::submission::Named;
use crate::proto::smtp::verdict;

/// What the journal will say of a message. Connection, user and mailbox stand in the span.
pub(super) struct Record {
    pub(super) mail_from: String,
    /// Those that the service took.
    pub(super) recipients: Vec<String>,
    pub(super) named: Named,
    /// Octets of content sent to the service.
    pub(super) octets: u64,
    pub(super) changes: Vec<Change>,
    pub(super) start: Instant,
}

impl Record {
    /// What became of the message.
    pub(super) fn verdict(&self, verdict: &Verdict) {
        match verdict {
            Verdict::Replied(reply) if reply.is_positive() => self.sent(reply),
            Verdict::Replied(reply) => self.refused(reply),
            Verdict::Lost(why) => self.failed(why, "message not sent: the mail host"),
            Verdict::Unknown(why) => self.failed(
                why,
                "outcome unknown: the mail host had the whole message and gave no answer; it may be delivered, and the client was told to send it again",
            ),
        }
    }

    /// The service, or the policy, said no.
    pub(super) fn refused(&self, reply: &Reply) {
        let reason = verdict::lookup(reply).map_or("", |verdict| verdict.advice);
        let (mail_from, recipients, changed) = self.texts();
        let reply = printable(reply);
        let (octets, milliseconds) = (self.octets, self.milliseconds());
        warn!(
            mail_from,
            recipients, octets, reply, reason, changed, milliseconds, "message refused"
        );
    }

    /// The client left in the middle.
    pub(super) fn abandoned(&self) {
        let (mail_from, recipients, _) = self.texts();
        let milliseconds = self.milliseconds();
        info!(
            mail_from,
            recipients,
            milliseconds,
            "the client left before its message was sent; nothing is delivered"
        );
    }

    fn sent(&self, reply: &Reply) {
        let (mail_from, recipients, changed) = self.texts();
        let (octets, milliseconds) = (self.octets, self.milliseconds());
        let queue_id = queue_id(reply);
        let reply = printable(reply);
        info!(
            mail_from,
            recipients, octets, reply, queue_id, changed, milliseconds, "message sent"
        );
    }

    fn failed(&self, why: &str, what: &str) {
        let (mail_from, recipients, changed) = self.texts();
        let (octets, milliseconds) = (self.octets, self.milliseconds());
        warn!(mail_from, recipients, octets, why, changed, milliseconds, "{what}");
    }

    fn texts(&self) -> (&str, String, String) {
        let recipients = match self.named {
            Named::Count => self.recipients.len().to_string(),
            Named::Addresses => self.recipients.join(" "),
        };
        let changes: Vec<&str> = self.changes.iter().map(|change| change.name()).collect();
        (&self.mail_from, recipients, changes.join(" "))
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn printable(reply: &Reply) -> String {
    reply.text().chars().filter(|c| !c.is_control()).take(400).collect()
}

/// What the service calls the message, so that its own trace can be found: the message id of Exchange's
/// `OK <id> [Hostname=…]`, or what stands behind Postfix's `queued as`. Empty where neither is there.
fn queue_id(reply: &Reply) -> String {
    let text = reply.text();
    let angled = text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    let queued = text.split_once("queued as ").map(|(_, rest)| rest);
    let id = angled.map(|(id, _)| id).or_else(|| queued?.split_whitespace().next());
    id.unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_ids() {
        for (text, id) in [
            ("2.0.0 OK <1@X.OUTLOOK.COM> [Hostname=X.OUTLOOK.COM]", "1@X.OUTLOOK.COM"),
            ("2.0.0 Ok: queued as 4F2A31", "4F2A31"),
            ("2.0.0 OK", ""),
        ] {
            assert_eq!(queue_id(&Reply::of(250, text)), id);
        }
    }
}
