//! What an access token says of itself: the payload of a JWT (RFC 7519 section 4), read without a look
//! at its signature. The token is its resource's to believe; here it explains what that will make of it.

mod expected;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Owner;
use crate::secret::Secret;

pub use expected::{Expected, Finding, GRAPH, Severity};

/// The claims of a token.
#[derive(Clone, Debug)]
pub struct Claims(Map<String, Value>);

/// What a claim tells an operator.
const NOTES: &[(&str, &str)] = &[
    ("aud", "the resource that takes the token; the mail servers take only Exchange's"),
    ("scp", "what the account has consented to, or an administrator for it"),
    ("roles", "the application permissions that the tenant has consented to"),
    ("upn", ACCOUNT),
    ("preferred_username", ACCOUNT),
    ("unique_name", ACCOUNT),
    ("email", ACCOUNT),
    ("appid", APPLICATION),
    ("azp", APPLICATION),
    ("appidacr", PROOF),
    ("azpacr", PROOF),
    ("tid", "the tenant that issued it"),
    ("iss", "who issued it"),
    ("idtyp", "\"app\": the application acts for itself, \"user\": for who signed in"),
    ("iat", "issued"),
    ("nbf", "good from"),
    ("exp", "good until"),
];

const ACCOUNT: &str = "the account that signed in";
const APPLICATION: &str = "the application (client id)";
const PROOF: &str =
    "how the application proved itself: 0 not at all, 1 by a secret, 2 by a certificate";
const SERVICE_PRINCIPAL: &str =
    "the Enterprise application's object id: what New-ServicePrincipal takes as -ObjectId";
const PERSON: &str = "the account's object id";

/// Where tokens name the account, the most telling first: `upn` in Entra's tokens of version 1,
/// `preferred_username` in those of version 2 and in id tokens, `email` in Google's.
const ACCOUNTS: &[&str] = &["upn", "preferred_username", "unique_name", "email"];

impl Claims {
    /// The claims of `token`; `None` for an opaque one, as personal accounts and Google have them.
    pub fn read(token: &Secret<String>) -> Option<Self> {
        let mut parts = token.reveal().split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        serde_json::from_slice(&payload).ok().map(Self)
    }

    /// The claim `name`, if it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// The words of the claim `name`: text with spaces, or an array of texts.
    pub fn words(&self, name: &str) -> Vec<&str> {
        match self.0.get(name) {
            Some(Value::String(text)) => text.split_whitespace().collect(),
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The time at `name`: a `NumericDate` (RFC 7519 section 2).
    pub fn time(&self, name: &str) -> Option<SystemTime> {
        let seconds = self.0.get(name).and_then(Value::as_u64)?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    /// The account that signed in, where one did and the token says it.
    pub fn account(&self) -> Option<&str> {
        ACCOUNTS.iter().find_map(|name| self.text(name))
    }

    /// The client id.
    pub fn application(&self) -> Option<&str> {
        self.text("appid").or_else(|| self.text("azp"))
    }

    /// Whose token it is: only an account's has a `scp`.
    pub fn owner(&self) -> Owner {
        let application = self.text("idtyp") == Some("app") || !self.0.contains_key("scp");
        if application { Owner::Application } else { Owner::Mailbox }
    }

    /// Whether Entra issued it: other authorities' claims mean other things.
    pub fn is_entra(&self) -> bool {
        self.0.contains_key("tid")
    }

    /// Every claim with its value in one line and, where an operator should care, what it tells.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &Value, Option<&'static str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value, self.note(name)))
    }

    fn note(&self, name: &str) -> Option<&'static str> {
        if name == "oid" {
            let application = self.owner() == Owner::Application;
            return Some(if application { SERVICE_PRINCIPAL } else { PERSON });
        }
        NOTES.iter().find(|(claim, _)| *claim == name).map(|(_, note)| *note)
    }
}

#[cfg(test)]
mod tests;
