//! OAuth 2.0 (RFC 6749): grants as machines without a network, a clock or files.
//!
//! A grant says what it wants (a request sent, a file read, a person asked); the token engine does it
//! and tells the outcome. [`advice`] says what an authority's error means for the operator.

pub mod advice;
mod application;
mod assertion;
mod authorization_code;
pub mod claims;
mod client_credentials;
mod command;
mod credential;
mod device_code;
pub mod discovery;
mod endpoint;
mod exchange;
mod inquiry;
mod managed_identity;
mod password;
mod refresh_token;
mod service_account;

use std::fmt;
use std::sync::Arc;

use crate::secret::Secret;

pub use advice::{Class, Failure};
pub use application::{Application, Target};
pub use credential::{
    Algorithm, Certificate, Credential, ManagedIdentity, Platform, Secrets, ServiceAccount, Signer,
};
pub use exchange::{Exchange, Prompt, Reply, Request, Response, Route, Token, Wish};

/// A way to obtain an access token: everything the rest of the program knows of it.
pub struct Grant {
    /// Its name in the configuration: RFC 6749's `grant_type` where it has one.
    pub name: &'static str,
    /// Whose token it gives.
    pub owner: Owner,
    /// What it proves itself by.
    pub proof: Proof,
    /// What each mailbox brings along.
    pub seed: Seed,
    /// Starts an exchange that ends with an access token, without a person.
    pub begin: Begin,
    /// Starts a sign-in that ends with a refresh token, where the grant is one that people take part in.
    pub sign_in: Option<BeginSignIn>,
}

/// How a grant starts.
///
/// # Errors
/// What the grant needs isn't there; no request would help.
pub type Begin = fn(&Arc<Application>, &Ask) -> Result<Box<dyn Exchange>, Failure>;

/// How a sign-in starts.
///
/// # Errors
/// As those of [`Begin`].
pub type BeginSignIn = fn(&Arc<Application>, &SignIn) -> Result<Box<dyn Exchange>, Failure>;

/// The grants there are. Configuration, checks and tests walk this table.
pub const GRANTS: &[Grant] = &[
    client_credentials::GRANT,
    refresh_token::GRANT,
    authorization_code::GRANT,
    device_code::GRANT,
    password::GRANT,
    managed_identity::GRANT,
    service_account::GRANT,
    command::GRANT,
];

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
    /// One mailbox's, without anyone who signs in: a password, a service account or a program speaks
    /// for it.
    Unattended,
}

/// What a grant proves itself by, which the configuration has to provide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The application's secret, certificate or federated token; without one the grant can't work.
    Client,
    /// The same where the application is a confidential client; public clients have none.
    ClientIfAny,
    /// The machine's identity.
    ManagedIdentity,
    /// A service account's key.
    ServiceAccount,
    /// A program of the operator's.
    Program,
}

/// What a mailbox's own configuration has for a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// Nothing.
    None,
    /// A refresh token, unless somebody signs in.
    RefreshToken,
    /// The mailbox's password at its provider.
    Password,
}

/// Random octets for one exchange, to be used for nothing else.
pub type Entropy = Secret<[u8; 64]>;

/// What is asked of a grant.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What to ask for: scope values between single spaces, or a resource (see [`Target`]).
    pub scope: String,
    /// The mailbox's address, for grants that speak for one.
    pub mailbox: String,
    /// The refresh token at hand, for grants whose owner is a mailbox.
    pub refresh_token: Option<Secret<String>>,
    /// The mailbox's password at its provider, for the grant that takes one.
    pub password: Option<Secret<String>>,
    /// For identifiers that nobody must guess or repeat.
    pub entropy: Entropy,
}

/// What is asked of a person.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// What to ask for, of one resource: an authority gives one token a request.
    pub scope: String,
    /// What to have consented to: the scopes of all resources that the refresh token shall serve.
    pub consent: String,
    /// The mailbox's address, which the sign-in page may fill in.
    pub mailbox: String,
    /// Where the browser shall return to, with the port that is listened on.
    pub redirect_uri: String,
    /// For what nobody must guess: the state and the proof key of the sign-in.
    pub entropy: Entropy,
}
