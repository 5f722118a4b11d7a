//! Microsoft Graph as the way out of a mailbox's mail, for tenants that have SMTP AUTH switched off:
//! an envelope and a message in, `POST …/sendMail` out (see [`Graph::begin`]).
//!
//! A message goes out as the MIME that it is. Graph takes at most 4 MB that way, base64 included, so
//! [`SIZE`] is what any message may have. Where the configuration says `large = true`, a larger one goes
//! as a draft: what is no file as MIME, and the largest files uploaded to it. Exchange puts them together
//! again behind the rest, so that their order and what a part's header says beside name and type is lost.
//! That is why only files directly in `multipart/mixed` are taken out, never what is signed, nested or
//! shown in the text; and as the application needs `Mail.ReadWrite` for it, by which it could read all
//! mail, it isn't done unasked.
//!
//! A message is kept until Graph has answered, in memory or, beyond some KiB, in a file without a
//! name: Graph hears nothing of a message that a client leaves halfway, and one that it has no time for
//! can be sent once more. A draft that isn't sent is deleted.

mod address;
mod answer;
mod courier;
mod decode;
mod draft;
mod envelope;
mod header;
mod name;
mod parts;
mod post;
mod refusals;
mod spool;
mod throttle;
mod verdict;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;

use crate::mailbox::{GraphService, Mailbox, Margin, Sending};
use crate::proto::smtp::submission::Sender;
use crate::proto::{Cause, Refusal};
use crate::tokens::{Bearer, Limits, Tokens};
use courier::Courier;
use envelope::Envelope;
use header::{Reader, Split};
use post::{Errand, Weight};
use refusals::{ambiguous, disagree, long_header, no_room, no_token, not_permitted, unfit};
use spool::Spool;
use throttle::Throttle;

pub use answer::{MEANINGS, Meaning, lookup};
pub use refusals::too_large;
pub use verdict::{Outcome, Verdict};

/// The largest message in one request. Octets. In base64 it has 4,000,000, which leaves room under
/// Graph's 4 MB, taken as 4 MiB, for the request around it and the recipients that go into the header.
pub const SIZE: usize = 3_000_000;

/// The largest message whose files are uploaded. Exchange Online sends none larger than 150 MB.
pub const LARGE: usize = 150_000_000;

/// The most octets of a message that fit into a request, with the recipients that it got.
const REQUEST: usize = 3 * 1024 * 1024;

/// The most recipients of a message: what Exchange Online can be set to at most.
pub const RECIPIENTS: usize = 1000;

/// The largest message that goes out through `service`. Octets.
pub fn size(service: &GraphService) -> usize {
    match service.sending {
        Sending::AtOnce => SIZE,
        Sending::Drafts => LARGE,
    }
}

/// What to announce in EHLO instead of a submission service's extensions, for messages of so many
/// octets. Graph has nothing like SMTPUTF8's addresses or DSN's wishes, and MIME in BINARYMIME's sense
/// isn't what it documents.
pub fn extensions(size: usize) -> Vec<String> {
    let size = format!("SIZE {size}");
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
    courier: Courier<'a>,
    envelope: Envelope,
    stage: Stage,
    /// Octets that came from the client.
    taken: usize,
    /// What divides its parts, where they stand beside each other.
    boundary: Option<String>,
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
        let courier = Courier { graph: self, mailbox, service, patience: PATIENCE };
        let spool = Spool::default();
        Ok(Letter { courier, envelope, stage, taken: 0, boundary: None, spool })
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
        let size = size(&self.courier.service);
        if self.taken > size {
            return Err(too_large(size));
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
        self.boundary = parts::boundary(&header);
        for part in [&header, b"\r\n".as_slice(), &split.body] {
            self.spool.write(part).await.map_err(|error| no_room(&error))?;
        }
        Ok(())
    }

    /// Whether the authors may stand for the mailbox, where its policy asks.
    fn judge(&self, header: &[u8]) -> Result<(), Verdict> {
        let policy = &self.courier.mailbox.submission;
        if policy.sender != Sender::Require {
            return Ok(());
        }
        let authors = envelope::authors(header).map_err(disagree)?;
        let authors = authors.iter().map(ToString::to_string);
        match authors
            .into_iter()
            .find(|author| !policy.permits(author, &self.courier.mailbox.address))
        {
            Some(author) => Err(not_permitted(&author, &self.courier.mailbox)),
            None => Ok(()),
        }
    }

    async fn deliver(&mut self) -> Result<Verdict, Verdict> {
        let courier = &self.courier;
        if self.spool.len() <= REQUEST {
            let url = courier.url(&["sendMail"]);
            let mut errand = Errand::mime(url, Weight::Message, &mut self.spool);
            return courier.ask(&mut errand).await.map(|(answer, _)| answer.verdict());
        }
        match courier.service.sending {
            Sending::AtOnce => Err(too_large(SIZE)),
            Sending::Drafts => {
                draft::send(courier, &mut self.spool, self.boundary.as_deref()).await
            }
        }
    }
}

fn service(mailbox: &Mailbox) -> Result<&GraphService, Refusal> {
    let name = &mailbox.provider.name;
    mailbox.provider.graph.as_ref().ok_or_else(|| {
        let explanation = format!("the provider {name:?} has no [provider.{name}.graph]");
        Refusal::new(Cause::Misconfigured, explanation).about(&mailbox.address)
    })
}
