//! The way of one message out through Microsoft Graph.

use std::sync::Arc;

use tracing::{info, warn};

use super::line::Turn;
use super::way::Verdict;
use crate::graph::{self, Graph, Letter, Outcome};
use crate::mailbox::Mailbox;
use crate::proto::smtp::grammar::Reply;
use crate::proto::smtp::submission::{Chunk, Mail, Recipient};
use crate::proto::{Cause, Refusal};
use crate::relay::Relay;

impl Relay {
    /// Where messages of mailboxes with `smtp_via = "graph"` go.
    pub(super) fn graph(&self) -> Result<&Graph, Refusal> {
        self.graph.as_ref().ok_or_else(|| {
            Refusal::new(Cause::Misconfigured, "gatepost was started without a way to Graph")
        })
    }
}

/// A message's way to Graph. Nothing leaves before all of it is here.
pub(super) struct Post<'r> {
    relay: &'r Relay,
    mailbox: Arc<Mailbox>,
    recipients: Vec<String>,
    letter: Option<Letter<'r>>,
    /// What stood in the way of a message whose client doesn't listen yet.
    refused: Option<Reply>,
    _turn: Turn,
}

impl<'r> Post<'r> {
    pub(super) fn new(relay: &'r Relay, mailbox: Mailbox, turn: Turn) -> Self {
        let (mailbox, recipients) = (Arc::new(mailbox), Vec::new());
        Self { relay, mailbox, recipients, letter: None, refused: None, _turn: turn }
    }

    /// Begins the envelope. Graph needs none of it; but a size that is known to be too much is refused
    /// before it comes (RFC 1870 section 6.1), and so is what only SMTP could honour.
    pub(super) fn mail(&mut self, mail: &Mail) -> Reply {
        let size = self.mailbox.provider.graph.as_ref().map_or(graph::SIZE, graph::size);
        let mut parameters = mail.0.parameters.split_ascii_whitespace();
        let unfit = parameters.find_map(|parameter| unfit(parameter, size));
        unfit.unwrap_or_else(|| Reply::of(250, "2.1.0 Sender OK"))
    }

    /// Adds to the envelope.
    pub(super) fn recipient(&mut self, recipient: &Recipient) -> Reply {
        let address = &recipient.0.address;
        if !recipient.0.parameters.is_empty() {
            return Reply::of(555, "5.5.4 RCPT TO parameters not implemented");
        }
        if let Err(verdict) = graph::check_recipient(address) {
            return answer(&verdict);
        }
        if self.recipients.len() == graph::RECIPIENTS {
            return Reply::of(452, "4.5.3 Too many recipients");
        }
        self.recipients.push(address.clone());
        Reply::of(250, "2.1.5 Recipient OK")
    }

    /// Whether the content may come: 354 where it may.
    pub(super) async fn data(&mut self) -> Reply {
        match self.begin().await {
            Ok(letter) => {
                self.letter = Some(letter);
                Reply::of(354, "Start mail input; end with <CRLF>.<CRLF>")
            }
            Err(reply) => reply,
        }
    }

    /// The first chunk begins the content.
    pub(super) async fn chunk(&mut self) {
        if self.letter.is_none() && self.refused.is_none() {
            match self.begin().await {
                Ok(letter) => self.letter = Some(letter),
                Err(reply) => self.refused = Some(reply),
            }
        }
    }

    /// Takes octets of the content.
    pub(super) async fn send(&mut self, octets: &[u8]) {
        if let Some(letter) = &mut self.letter {
            letter.write(octets).await;
        }
    }

    /// The verdict on the message.
    pub(super) async fn finish(&mut self) -> Verdict {
        let Some(letter) = self.letter.take() else {
            let refused = self.refused.take();
            return Verdict::Replied(
                refused.unwrap_or_else(|| Reply::of(503, "5.5.1 Send DATA first")),
            );
        };
        let verdict = letter.send().await;
        match verdict.outcome {
            Outcome::Sent => Verdict::Replied(reply(&verdict)),
            Outcome::Refused => Verdict::Replied(answer(&verdict)),
            Outcome::Unknown => {
                warn!(reason = verdict.explanation, "Graph gave no clear answer");
                Verdict::Unknown(verdict.text)
            }
        }
    }

    /// The verdict on a chunk, and with the last one on the message.
    pub(super) async fn finish_chunk(&mut self, chunk: Chunk) -> Verdict {
        if chunk.last {
            return self.finish().await;
        }
        let refused = self.refused.clone();
        Verdict::Replied(refused.unwrap_or_else(|| Reply::of(250, "2.0.0 Octets received")))
    }

    async fn begin(&self) -> Result<Letter<'r>, Reply> {
        let relay = self.relay;
        let graph = relay.graph().map_err(|refusal| crate::proto::smtp::answer(&refusal))?;
        let begun = graph.begin(Arc::clone(&self.mailbox), &self.recipients).await;
        begun.map_err(|verdict| answer(&verdict))
    }
}

/// What to answer to a parameter of MAIL; `None` where it may stand. That of AUTH (RFC 4954 section 5)
/// says nothing that would matter.
fn unfit(parameter: &str, size: usize) -> Option<Reply> {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    match name.to_ascii_uppercase().as_str() {
        "SIZE" if value.is_empty() || !value.bytes().all(|octet| octet.is_ascii_digit()) => {
            Some(Reply::of(501, "5.5.4 Invalid arguments"))
        }
        "SIZE" => {
            let asked = value.parse().unwrap_or(usize::MAX);
            (asked > size).then(|| answer(&graph::too_large(size)))
        }
        "BODY" => (!["7BIT", "8BITMIME"].iter().any(|known| value.eq_ignore_ascii_case(known)))
            .then(|| Reply::of(504, "5.5.4 BODY parameter not implemented")),
        "AUTH" => None,
        _ => Some(Reply::of(555, "5.5.4 MAIL FROM parameters not implemented")),
    }
}

/// The client's answer to a no, which the journal explains here: the message's own line knows replies
/// only as SMTP services give them.
fn answer(verdict: &graph::Verdict) -> Reply {
    let reason = &verdict.explanation;
    match verdict.code {
        454 | 550 => warn!(reason, "Graph can't be used for this message"),
        _ => info!(reason, "Graph can't be used for this message"),
    }
    reply(verdict)
}

fn reply(verdict: &graph::Verdict) -> Reply {
    Reply::of(verdict.code, &format!("{} {}", verdict.enhanced, verdict.text))
}
