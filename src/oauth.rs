//! OAuth 2.0 (RFC 6749): grants as machines without a network, a clock or files.
//!
//! A grant says which request it wants posted; the token engine posts it. [`advice`] says what an
//! authority's error means for the operator.

pub mod advice;
pub mod claims;
mod client_credentials;
mod endpoint;
mod refresh_token;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::SystemTime;

use crate::secret::Secret;

pub use advice::{Class, Failure};

/// A way to obtain an access token: everything the rest of the program knows of it.
pub struct Grant {
    /// Its name in the configuration: RFC 6749's `grant_type`.
    pub name: &'static str,
    /// Whose token it gives.
    pub owner: Owner,
    /// Whether the application must have a client secret.
    pub client_secret: Need,
    /// Starts an exchange with the authority.
    ///
    /// # Errors
    /// What the grant needs isn't there; no request would help.
    pub begin: Begin,
}

/// How a grant starts.
pub type Begin = fn(&Application, &Ask) -> Result<Box<dyn Exchange>, Failure>;

/// The grants there are. Configuration, checks and tests walk this table.
pub const GRANTS: &[Grant] = &[client_credentials::GRANT, refresh_token::GRANT];

impl Grant {
    /// The row called `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        GRANTS.iter().find(|grant| grant.name == name)
    }
}

impl PartialEq for Grant {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Grant {}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Whose token a grant gives, and so who may share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The application's own, good for every mailbox that the application may open. Ten thousand
    /// mailboxes share one: asking for each would be ten thousand identical requests, which Entra
    /// takes for a client gone mad (AADSTS50196).
    Application,
    /// A person's, who signed in for one mailbox and left a refresh token.
    Mailbox,
}

/// Whether the configuration must name something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without it the grant can't work.
    Required,
    /// Public clients have none, confidential clients do.
    Optional,
}

/// An application registration: who gatepost is to an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The URL to post token requests to.
    pub token_endpoint: String,
    /// The application's public identifier.
    pub client_id: String,
    /// The application's password; public clients have none.
    pub client_secret: Option<Secret<String>>,
}

impl Hash for Application {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.token_endpoint.hash(state);
        self.client_id.hash(state);
    }
}

/// What is asked of a grant.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The scope to request.
    pub scope: String,
    /// The refresh token at hand, for grants whose owner is a mailbox.
    pub refresh_token: Option<Secret<String>>,
}

/// A grant at work: a machine that says what it wants next.
pub trait Exchange: Send {
    /// Takes the reply to the request it wanted, `None` at the start, and the time at which the
    /// reply came.
    ///
    /// # Errors
    /// The authority's no; the exchange is over.
    fn advance(&mut self, now: SystemTime, reply: Option<&Reply>) -> Result<Wish, Failure>;
}

/// What an exchange wants next.
#[derive(Debug)]
pub enum Wish {
    /// This request posted.
    Post(Request),
    /// Nothing more: this is the token.
    Granted(Token),
}

/// A form to post as `application/x-www-form-urlencoded`.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to.
    pub url: String,
    /// The fields in order. All values are kept as secrets, so that none has to be judged.
    pub form: Vec<(&'static str, Secret<String>)>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` field as it stood.
    pub retry_after: Option<String>,
    /// The body, of bounded size.
    pub body: Secret<Vec<u8>>,
}

/// What an authority granted.
#[derive(Clone, Debug)]
pub struct Token {
    /// The access token: visible ASCII, not empty.
    pub access: Secret<String>,
    /// When it ends.
    pub expires_at: SystemTime,
    /// The refresh token that replaces the one used; most authorities send one only now and then.
    pub refresh: Option<Secret<String>>,
    /// The scope granted, where the authority says it.
    pub scope: Option<String>,
}
