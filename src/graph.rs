//! Microsoft Graph as the way out of a mailbox's mail, for tenants that have SMTP AUTH switched off:
//! an envelope and a message in, `POST …/sendMail` out (see [`Graph::begin`]).
//!
//! A message goes out as the MIME that it is. Graph takes at most 4 MB that way, base64 included, so
//! [`SIZE`] is the honest limit. The way around it that Graph documents, a draft whose attachments are
//! uploaded piece by piece, isn't open to a message: an upload makes one attachment of a name and a
//! type, so the message would have to be taken apart and left to Exchange to put together again. Its
//! nesting, signatures and calendars wouldn't survive that, and the application would need
//! `Mail.ReadWrite`, by which it could read all mail, where `Mail.Send` is enough.
//!
//! A message is kept until Graph has answered, in memory or, beyond some KiB, in a file without a
//! name: Graph hears nothing of a message that a client leaves halfway, and one that it has no time for
//! can be sent once more.

mod address;
mod answer;
mod envelope;
mod header;
mod post;
mod refusals;
mod spool;
mod throttle;
mod verdict;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use tokio::time::Instant;
use url::Url;

use crate::mailbox::{GraphService, Mailbox, Margin};
use crate::oauth::Owner;
use crate::proto::smtp::submission::Sender;
use crate::proto::{Cause, Refusal};
use crate::tokens::{Again, Bearer, Limits, Tokens};
use answer::Answer;
use envelope::Envelope;
use header::{Reader, Split};
use post::post;
use refusals::{
    ambiguous, disagree, long_header, no_room, no_token, not_permitted, unanswered, unfit,
};
use spool::Spool;
use throttle::Throttle;

pub use answer::{MEANINGS, Meaning, lookup};
pub use refusals::too_large;
pub use verdict::{Outcome, Verdict};

/// The largest message. Octets. In base64 it has 4,000,000, which leaves room under Graph's 4 MB, taken
/// as 4 MiB, for the request around it and the recipients that go into the header.
pub const SIZE: usize = 3_000_000;

/// The most octets of a message that fit into a request, with the recipients that it got.
const REQUEST: usize = 3 * 1024 * 1024;

/// The most recipients of a message: what Exchange Online can be set to at most.
pub const RECIPIENTS: usize = 1000;

/// What to announce in EHLO instead of a submission service's extensions. Graph has nothing like
/// SMTPUTF8's addresses or DSN's wishes, and MIME in BINARYMIME's sense isn't what it documents.
pub fn extensions() -> Vec<String> {
    let size = format!("SIZE {SIZE}");
    [&size, "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"].map(str::to_owned).to_vec()
}

/// Whether Graph can send to `recipient`, as RCPT names it, without angle brackets.
///
/// # Errors
/// What to answer to RCPT.
pub fn check_recipient(recipient: &str) -> Result<(), Verdict> {
    let envelope = Envelope::new(&[recipient.to_owned()]);
    envelope.map(drop).map_err(|recipient| unfit(&recipient))
}

/// The bounds of the HTTP client that [`Graph::new`] takes: an upload may take long before Graph says
/// its first word. Each request has a limit of its own besides.
pub const LIMITS: Limits =
    Limits { connect: Duration::from_secs(10), total: Duration::from_secs(120), body: 64 * 1024 };

/// How long a message may wait for Graph to have time for it. Devices give up on a verdict after half
/// a minute or more (RFC 5321 section 4.5.3.2.6 would have them wait for 10), and a refusal that comes
/// too late makes a copy of the message.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a message lets others pass. Graph's waits are seconds; only one that asks for none could
/// be asked so often.
const LONGEST_QUEUE: u32 = 10;

/// Enough for the upload, and for the clocks of three machines.
pub const MARGIN: Margin = Margin::Least(Duration::from_secs(5 * 60));

/// The way out through Graph.
pub struct Graph {
    http: Client,
    tokens: Tokens,
    throttle: Throttle,
}

/// A message on its way from a client. Dropping it leaves nothing anywhere.
pub struct Letter<'a> {
    graph: &'a Graph,
    mailbox: Arc<Mailbox>,
    service: GraphService,
    envelope: Envelope,
    stage: Stage,
    /// Octets that came from the client.
    taken: usize,
    spool: Spool,
}

/// What came of a message so far.
enum Stage {
    Header(Reader),
    Body,
    Refused(Verdict),
}

impl Graph {
    /// A way out over `http`, which was made with [`LIMITS`].
    pub fn new(http: Client, tokens: Tokens) -> Self {
        Self { http, tokens, throttle: Throttle::default() }
    }

    /// Whether messages of `mailbox` have a way out: for the verdict on a login.
    ///
    /// # Errors
    /// Why there is no access token for Graph.
    pub async fn reach(&self, mailbox: &Mailbox) -> Result<(), Refusal> {
        self.bearer(mailbox, service(mailbox)?).await.map(drop)
    }

    /// Begins a message from `mailbox` to `recipients`, as RCPT names them, without angle brackets.
    ///
    /// MAIL FROM plays no part: Graph sends as the header's From, and bounces come to the mailbox.
    ///
    /// # Errors
    /// What to answer to DATA instead of 354.
    pub async fn begin(
        &self,
        mailbox: Arc<Mailbox>,
        recipients: &[String],
    ) -> Result<Letter<'_>, Verdict> {
        let service = service(&mailbox).map_err(|refusal| no_token(&refusal))?.clone();
        let envelope = Envelope::new(recipients).map_err(|recipient| unfit(&recipient))?;
        self.bearer(&mailbox, &service).await.map_err(|refusal| no_token(&refusal))?;
        let stage = Stage::Header(Reader::default());
        let spool = Spool::default();
        Ok(Letter { graph: self, mailbox, service, envelope, stage, taken: 0, spool })
    }

    async fn bearer(&self, mailbox: &Mailbox, service: &GraphService) -> Result<Bearer, Refusal> {
        let (provider, owner) = (&mailbox.provider, mailbox.owner());
        let seed = owner.seed();
        let bearer = self.tokens.bearer(provider, &owner.address, seed, &service.scope, MARGIN);
        bearer.await.map_err(|refusal| refusal.about(&mailbox.address))
    }
}

impl Letter<'_> {
    /// Takes the next octets of the message as it is, without SMTP's dots. What they lead to is said by
    /// [`send`](Self::send): a client listens only after its last octet.
    pub async fn write(&mut self, octets: &[u8]) {
        if matches!(self.stage, Stage::Refused(_)) {
            return;
        }
        if let Err(verdict) = self.take(octets).await {
            self.stage = Stage::Refused(verdict);
            self.spool = Spool::default();
        }
    }

    /// Sends the message, which has ended, and says what became of it. A client that leaves meanwhile
    /// changes nothing if this goes on: the request is on its way.
    pub async fn send(mut self) -> Verdict {
        let finished = match mem::replace(&mut self.stage, Stage::Body) {
            Stage::Header(reader) => self.address(reader.finish()).await,
            Stage::Body => Ok(()),
            Stage::Refused(verdict) => Err(verdict),
        };
        let sent = match finished {
            Ok(()) => self.deliver().await,
            Err(verdict) => Err(verdict),
        };
        sent.unwrap_or_else(|verdict| verdict)
    }

    async fn take(&mut self, octets: &[u8]) -> Result<(), Verdict> {
        self.taken += octets.len();
        if self.taken > SIZE {
            return Err(too_large());
        }
        let Stage::Header(reader) = &mut self.stage else {
            return self.spool.write(octets).await.map_err(|error| no_room(&error));
        };
        if let Some(split) = reader.take(octets).map_err(|_| long_header())? {
            self.stage = Stage::Body;
            self.address(split).await?;
        }
        Ok(())
    }

    /// The header has ended: makes it agree with the envelope.
    async fn address(&mut self, split: Split) -> Result<(), Verdict> {
        let header = header::unambiguous(&split.header).map_err(|_| ambiguous())?;
        self.judge(&header)?;
        let header = self.envelope.address(&header).map_err(disagree)?;
        for part in [&header, b"\r\n".as_slice(), &split.body] {
            self.spool.write(part).await.map_err(|error| no_room(&error))?;
        }
        Ok(())
    }

    /// Whether the authors may stand for the mailbox, where its policy asks.
    fn judge(&self, header: &[u8]) -> Result<(), Verdict> {
        let policy = &self.mailbox.submission;
        if policy.sender != Sender::Require {
            return Ok(());
        }
        let authors = envelope::authors(header).map_err(disagree)?;
        let authors = authors.iter().map(ToString::to_string);
        match authors.into_iter().find(|author| !policy.permits(author, &self.mailbox.address)) {
            Some(author) => Err(not_permitted(&author, &self.mailbox)),
            None => Ok(()),
        }
    }

    /// Posts the message; once more with another token where Graph refuses one that was at hand, and
    /// again after the time that Graph asks for. Nothing else is tried again, for of nothing else it
    /// is certain that the message went nowhere.
    async fn deliver(&mut self) -> Result<Verdict, Verdict> {
        if self.spool.len() > REQUEST {
            return Err(too_large());
        }
        let deadline = Instant::now() + PATIENCE;
        let (mut renewed, mut waits) = (false, 0..LONGEST_QUEUE);
        loop {
            self.pass(deadline).await?;
            let (answer, bearer) = self.attempt().await?;
            if let Some(wait) = answer.retry_after {
                self.graph.throttle.note(&self.mailbox.address, wait);
            }
            let again = match answer.status {
                401 if !mem::replace(&mut renewed, true) => {
                    self.graph.tokens.refused(&bearer) == Again::Worthwhile
                }
                429 => answer.retry_after.is_some() && waits.next().is_some(),
                _ => false,
            };
            if !again {
                return Ok(answer.verdict());
            }
            tracing::debug!(status = answer.status, "Graph said no; trying again");
        }
    }

    async fn pass(&self, deadline: Instant) -> Result<(), Verdict> {
        let passed = self.graph.throttle.pass(&self.mailbox.address, deadline).await;
        passed.map_err(|_| Answer { status: 429, ..Answer::default() }.verdict())
    }

    async fn attempt(&mut self) -> Result<(Answer, Bearer), Verdict> {
        let bearer = self.graph.bearer(&self.mailbox, &self.service).await;
        let bearer = bearer.map_err(|refusal| no_token(&refusal))?;
        let url = send_mail(&self.service.endpoint, &self.mailbox);
        let answer = post(&self.graph.http, url, &bearer.token, &mut self.spool).await;
        Ok((answer.map_err(|broken| unanswered(broken, &self.service))?, bearer))
    }
}

fn service(mailbox: &Mailbox) -> Result<&GraphService, Refusal> {
    let name = &mailbox.provider.name;
    mailbox.provider.graph.as_ref().ok_or_else(|| {
        let explanation = format!("the provider {name:?} has no [provider.{name}.graph]");
        Refusal::new(Cause::Misconfigured, explanation).about(&mailbox.address)
    })
}

/// Where messages of `mailbox` are posted. An application names the mailbox; a person's token may stand
/// for a mailbox whose address isn't the person's name, and `me` is right for all.
fn send_mail(endpoint: &Url, mailbox: &Mailbox) -> Url {
    let mut url = endpoint.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push("v1.0");
        match mailbox.provider.grant.owner {
            Owner::Application => path.extend(["users", &mailbox.address]),
            // A shared mailbox, by its delegate's token.
            _ if mailbox.token_owner.is_some() => path.extend(["users", &mailbox.address]),
            Owner::Mailbox | Owner::Unattended => path.push("me"),
        };
        path.push("sendMail");
    }
    url
}
