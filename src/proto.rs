//! The mail protocols: what both sides' sessions have in common, and the table of them.
//!
//! A session is a machine without a network: [`Session::advance`] looks at the unread bytes of its
//! side and says what it wants next; the wire does it.

pub mod imap;
mod inbox;
pub mod pop3;
mod refusal;
pub mod smtp;

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::sasl::{self, Login};
use crate::secret::Secret;

pub use inbox::{Inbox, Line, TooLong};
pub use refusal::{Cause, Refusal};

/// A mail protocol: everything the rest of the program knows of it.
pub struct Protocol {
    /// Its name in configuration, journal and metrics.
    pub name: &'static str,
    /// The well-known port for implicit TLS.
    pub implicit_tls_port: u16,
    /// The well-known port in clear, where STARTTLS starts.
    pub starttls_port: u16,
    /// How an upstream may be secured, the usual way first. [`Security::Plain`] is for loopback only.
    pub upstream_security: &'static [Security],
    /// The client's half of a connection.
    pub downstream: fn(DownstreamTerms) -> Box<dyn Downstream>,
    /// The service's half of a connection.
    pub upstream: fn(UpstreamTerms) -> Box<dyn Upstream>,
    /// What else a diagnosis may try on an open mailbox without a trace, where a login alone shows
    /// less than the mailbox's programs need.
    pub rehearsal: Option<Rehearse>,
}

/// Starts a rehearsal on behalf of an address.
pub type Rehearse = fn(String, Limits) -> Box<dyn Session<Outcome = ()>>;

/// The protocols spoken. Configuration, checks and tests walk this table.
pub const PROTOCOLS: &[Protocol] = &[imap::PROTOCOL, smtp::PROTOCOL, pop3::PROTOCOL];

impl Protocol {
    /// The row called `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        PROTOCOLS.iter().find(|protocol| protocol.name == name)
    }
}

/// How a connection to an upstream is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte.
    Implicit,
    /// In clear until STARTTLS; a server that doesn't offer it is refused.
    StartTls,
    /// In clear throughout.
    Plain,
}

/// What stands between a client and an eavesdropper, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// TLS is up.
    Tls,
    /// In clear without a way out; logins are taken.
    Plain,
    /// In clear; STARTTLS is offered, logins are taken without it too.
    StartTlsOptional,
    /// In clear; STARTTLS is offered and must come before a login.
    StartTlsRequired,
}

impl Privacy {
    /// Whether STARTTLS is offered.
    pub fn offers_starttls(self) -> bool {
        matches!(self, Self::StartTlsOptional | Self::StartTlsRequired)
    }

    /// Whether a password may cross the wire now.
    pub fn takes_logins(self) -> bool {
        self != Self::StartTlsRequired
    }
}

/// The bounds that sessions keep. Octets, unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A command line with its line ending.
    pub line: usize,
    /// A line of a SASL exchange with its line ending.
    pub sasl_line: usize,
    /// An IMAP literal before login.
    pub literal: usize,
    /// A whole reply of an upstream before login, all its lines together.
    pub reply: usize,
    /// Commands in a row's total that make no sense before the talk ends. A count.
    pub bad_commands: u32,
}

/// What a downstream session must know.
#[derive(Clone, Debug)]
pub struct DownstreamTerms {
    /// The name gatepost goes by in greetings.
    pub name: String,
    /// How private the connection is as it starts.
    pub privacy: Privacy,
    /// What the upstreams behind this listener are known to honour; empty where nothing is known.
    /// Shared: strangers are many.
    pub honoured: Arc<Vec<String>>,
    /// The bounds to keep.
    pub limits: Limits,
}

/// What an upstream session must know.
pub struct UpstreamTerms {
    /// The name gatepost introduces itself by (SMTP EHLO): a valid domain name or address literal.
    pub name: String,
    /// How the connection is secured.
    pub security: Security,
    /// The identity to open: the mailbox's address.
    pub identity: String,
    /// The access token.
    pub token: Secret<String>,
    /// What this upstream announced before login the last time, where that is known.
    pub remembered: Option<Announced>,
    /// Whether to try if the mailbox really opens.
    pub probe: Probe,
    /// The bounds to keep.
    pub limits: Limits,
}

impl UpstreamTerms {
    /// The refusal, without the upstream's words where they repeat the token: hosts echo what they
    /// don't understand, and what they say goes into the journal and to the client.
    fn discreet(&self, refusal: Refusal) -> Refusal {
        let words = refusal.verbatim.as_deref().unwrap_or_default();
        let said = Zeroizing::new(format!("{} {words}", refusal.explanation));
        if !sasl::repeats(&said, &self.identity, &self.token) {
            return refusal;
        }
        let explanation = "The mail host refuses, and repeats the access token in its words, which are withheld. Check that host and port belong to the service";
        Refusal::new(refusal.cause, explanation)
    }
}

/// Whether an upstream's yes is put to the test. Exchange's IMAP says `OK` to a login whose mailbox
/// it then doesn't open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Ask for something harmless before believing it.
    Mailbox,
    /// Believe it.
    Skip,
}

/// What an upstream announced: capabilities or extensions, a line's worth each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Before login (IMAP), where it was asked.
    pub before_login: Vec<String>,
    /// What holds after login.
    pub after_login: Vec<String>,
}

/// One half of a connection.
pub trait Session: Send {
    /// What the session is driven for.
    type Outcome;

    /// Looks at the unread bytes and says what comes next. Called again after each step is done; a
    /// [`Step::Read`] is done when there are more unread bytes than before.
    ///
    /// # Errors
    /// The refusal that ends this half's story.
    fn advance(&mut self, inbox: &mut Inbox) -> Result<Step<Self::Outcome>, Refusal>;
}

/// What a session wants next. It doesn't print: what is to be sent may hold a token.
pub enum Step<T> {
    /// More bytes.
    Read,
    /// These bytes sent.
    Write(Zeroizing<Vec<u8>>),
    /// TLS on this connection, now.
    StartTls,
    /// Nothing more: this is the outcome.
    Done(T),
}

impl<T> Step<T> {
    fn write(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Write(Zeroizing::new(bytes.into()))
    }
}

/// The client's half until it offers a login; then one of [`refuse`](Self::refuse) and
/// [`accept`](Self::accept).
pub trait Downstream: Session<Outcome = Offer> {
    /// No login is asked of this client: where the protocol has it name a sender (SMTP), that is what
    /// it offers. Elsewhere nothing changes.
    fn waive_login(&mut self) {}

    /// The answer to a login that leads nowhere, or to a talk that ends. The session may be driven
    /// on for another try.
    fn refuse(&mut self, refusal: &Refusal) -> Vec<u8>;

    /// The login leads to `ready`: what is left to say before bytes go straight through.
    fn accept(self: Box<Self>, ready: Ready) -> Box<dyn Session<Outcome = Clearance>>;
}

/// What a client came up with.
#[derive(Debug)]
pub enum Offer {
    /// A user name and a password.
    Login(Login),
    /// The sender of a message, in place of a login that was waived. The command that names it is
    /// still unread.
    Sender(String),
    /// Goodbye, already answered.
    Farewell,
}

/// The service's half until the mailbox is open.
pub trait Upstream: Session<Outcome = Ready> {}

impl<T: Session<Outcome = Ready>> Upstream for T {}

/// Proof that an upstream session is authenticated, and what it announced. Only upstream sessions
/// make one.
#[derive(Debug)]
pub struct Ready {
    announced: Announced,
}

impl Ready {
    fn new(announced: Announced) -> Self {
        Self { announced }
    }

    /// What the upstream announced on the way.
    pub fn announced(&self) -> &Announced {
        &self.announced
    }
}

/// Proof that both halves are authenticated and the client knows. Only a downstream session that
/// was given a [`Ready`] makes one; a splice asks for it.
#[derive(Debug)]
pub struct Clearance(());

impl Clearance {
    fn of(_ready: &Ready) -> Self {
        Self(())
    }
}
