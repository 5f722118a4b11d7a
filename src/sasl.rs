//! SASL (RFC 4422): the server halves of the mechanisms that old programs speak, the client
//! halves of the two that carry an OAuth access token.
//!
//! Mechanisms see octets; [`Exchange`] adds the base64 lines that IMAP, SMTP and POP3 share.

mod login;
mod oauthbearer;
mod plain;
mod xoauth2;

use std::collections::HashSet;
use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::secret::Secret;

pub use oauthbearer::OauthBearer;
pub use xoauth2::Xoauth2;

/// What a client offered: who it says it is, and the local password that shall prove it.
#[derive(Debug)]
pub struct Login {
    /// The identity to act as, where the client named one (RFC 4616 section 2).
    pub authzid: Option<String>,
    /// The local user name.
    pub authcid: String,
    /// The local password.
    pub password: Secret<String>,
}

impl Login {
    /// A login whose names are fit to be looked up, logged and sent on.
    ///
    /// # Errors
    /// [`Malformed`] for an empty user name, or one that isn't [fit](is_fit).
    pub fn new(authzid: &str, authcid: &str, password: &str) -> Result<Self, Malformed> {
        if authcid.is_empty() || !is_fit(authcid) || !is_fit(authzid) {
            return Err(Malformed);
        }
        Ok(Self {
            authzid: (!authzid.is_empty()).then(|| authzid.to_owned()),
            authcid: authcid.to_owned(),
            password: Secret::from(password),
        })
    }
}

/// Whether a name has up to 255 octets (RFC 4616 section 2) and no character that would forge log lines
/// or an upstream's SASL fields: a control character, a line or paragraph separator (U+2028, U+2029),
/// or a bidirectional control (Unicode Standard Annex #9), which puts the rest of a line in another
/// order on a terminal.
pub fn is_fit(name: &str) -> bool {
    let forges = |c: char| {
        let bidirectional = ['\u{61c}', '\u{200e}', '\u{200f}'].contains(&c)
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c);
        c.is_control() || bidirectional || matches!(c, '\u{2028}' | '\u{2029}')
    };
    name.len() <= 255 && !name.contains(forges)
}

/// A response that its mechanism's grammar doesn't allow.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// The server half of a mechanism.
pub trait Server: Send {
    /// Takes the client's response, or `None` where the exchange starts without an initial one.
    ///
    /// # Errors
    /// [`Malformed`] ends the exchange.
    fn respond(&mut self, response: Option<&[u8]>) -> Result<Turn, Malformed>;
}

/// What the server half of a mechanism does next.
#[derive(Debug)]
pub enum Turn {
    /// Ask; the octets go to the client in base64.
    Challenge(&'static [u8]),
    /// The client has said all there is.
    Login(Login),
}

/// The client half of a mechanism that carries an access token.
pub trait Client: Send {
    /// The name it is announced by.
    fn name(&self) -> &'static str;

    /// The message that carries identity and token.
    fn initial_response(&self) -> Secret<Vec<u8>>;

    /// What to answer to an error challenge so that the server comes to its verdict.
    fn answer(&self) -> &'static [u8];
}

/// A mechanism whose server half gatepost has.
pub struct Mechanism {
    /// The name it is announced by.
    pub name: &'static str,
    server: fn() -> Box<dyn Server>,
}

/// The mechanisms offered to clients, in the order of announcement.
pub const MECHANISMS: &[Mechanism] = &[
    Mechanism { name: "PLAIN", server: || Box::new(plain::Plain) },
    Mechanism { name: "LOGIN", server: || Box::<login::Login>::default() },
];

/// The client half for `name`, one of [`CLIENT_MECHANISMS`].
pub fn client(name: &str, identity: &str, token: &Secret<String>) -> Option<Box<dyn Client>> {
    match name {
        Xoauth2::NAME => Some(Box::new(Xoauth2::new(identity, token.clone()))),
        OauthBearer::NAME => Some(Box::new(OauthBearer::new(identity, token.clone()))),
        _ => None,
    }
}

/// Whether `text` repeats a piece of `token` or of a message that carried it: 16 octets in a row are
/// no chance.
pub fn repeats(text: &str, identity: &str, token: &Secret<String>) -> bool {
    let messages = CLIENT_MECHANISMS
        .iter()
        .filter_map(|name| client(name, identity, token))
        .map(|client| encode(client.initial_response().reveal()));
    let clear = Zeroizing::new(token.reveal().clone());
    messages.chain([clear]).any(|secret| shares_a_piece(text.as_bytes(), secret.as_bytes()))
}

fn shares_a_piece(text: &[u8], secret: &[u8]) -> bool {
    let length = secret.len().clamp(1, 16);
    let pieces: HashSet<&[u8]> = secret.windows(length).collect();
    text.windows(length).any(|piece| pieces.contains(piece))
}

/// The mechanisms spoken upstream, the preferred one first: Microsoft knows only XOAUTH2.
pub const CLIENT_MECHANISMS: &[&str] = &[Xoauth2::NAME, OauthBearer::NAME];

/// The first of [`CLIENT_MECHANISMS`] that an upstream announced.
pub fn choose(announced: &[impl AsRef<str>]) -> Option<&'static str> {
    CLIENT_MECHANISMS
        .iter()
        .copied()
        .find(|name| announced.iter().any(|offered| offered.as_ref().eq_ignore_ascii_case(name)))
}

/// A SASL exchange over base64 lines, as in IMAP (RFC 9051 section 6.2.2), SMTP (RFC 4954
/// section 4) and POP3 (RFC 5034 section 4).
pub struct Exchange(Box<dyn Server>);

/// What an [`Exchange`] does next.
pub enum Reaction {
    /// Send this challenge, already in base64, in the protocol's continuation line.
    Challenge(String),
    /// The client has said all there is.
    Login(Login),
}

/// Why an [`Exchange`] ended without a login.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    /// The client cancelled with `*`.
    Cancelled,
    /// Not base64, or not what the mechanism's grammar allows.
    Malformed,
    /// No such mechanism here.
    UnknownMechanism,
}

impl Exchange {
    /// Starts the mechanism `name`; `initial` is the initial response as it stood on the line,
    /// with `=` for an empty one (RFC 4959 section 3).
    ///
    /// # Errors
    /// Any [`Broken`] but `Cancelled`.
    pub fn start(name: &str, initial: Option<&[u8]>) -> Result<(Self, Reaction), Broken> {
        let mechanism = MECHANISMS
            .iter()
            .find(|mechanism| mechanism.name.eq_ignore_ascii_case(name))
            .ok_or(Broken::UnknownMechanism)?;
        let mut exchange = Self((mechanism.server)());
        let response = match initial {
            None => None,
            Some(b"=") => Some(Zeroizing::default()),
            Some(line) => Some(decode(line)?),
        };
        let reaction = exchange.respond(response.as_ref().map(|octets| octets.as_slice()))?;
        Ok((exchange, reaction))
    }

    /// Takes the client's next line, without its line ending.
    ///
    /// # Errors
    /// `Cancelled` or `Malformed`.
    pub fn line(&mut self, line: &[u8]) -> Result<Reaction, Broken> {
        if line == b"*" {
            return Err(Broken::Cancelled);
        }
        let response = decode(line)?;
        self.respond(Some(&response))
    }

    fn respond(&mut self, response: Option<&[u8]>) -> Result<Reaction, Broken> {
        match self.0.respond(response) {
            Ok(Turn::Challenge(octets)) => Ok(Reaction::Challenge(STANDARD.encode(octets))),
            Ok(Turn::Login(login)) => Ok(Reaction::Login(login)),
            Err(Malformed) => Err(Broken::Malformed),
        }
    }
}

/// Base64 of a message that carries a secret.
pub fn encode(octets: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(octets))
}

fn decode(line: &[u8]) -> Result<Zeroizing<Vec<u8>>, Broken> {
    STANDARD.decode(line).map(Zeroizing::new).map_err(|_| Broken::Malformed)
}

/// What a server said about a token it doesn't take: the JSON of an error challenge (RFC 7628
/// section 3.2.2, and Google's form of it for XOAUTH2).
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Complaint {
    /// `invalid_token` and the like, or an HTTP status as a string.
    pub status: String,
    /// The scope that a token would need.
    pub scope: String,
}

impl Complaint {
    /// Reads a challenge as it stood on the line, in base64; `None` where there is nothing to read.
    pub fn read(challenge: &[u8]) -> Option<Self> {
        let json = STANDARD.decode(challenge).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {:?}", self.status)?;
        if !self.scope.is_empty() {
            write!(f, ", wants scope {:?}", self.scope)?;
        }
        Ok(())
    }
}
