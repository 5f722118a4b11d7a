//! What is worth telling, and what is told of it. Never a secret.

use serde_json::{Map, Value};

use super::expiry::{Date, Expiry, Proof};
use crate::oauth::Failure;
use crate::secret::Secret;
use crate::store::Record;

/// Something that a person has to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A mailbox can't be reached before someone signs in for it.
    SignInNeeded {
        /// Its address.
        mailbox: String,
        /// What happened.
        reason: String,
        /// What to do.
        advice: String,
        /// Which sign-in is at its end; a part of the refresh token's digest.
        sign_in: String,
    },
    /// A client secret or certificate ends soon, or has ended.
    SecretExpiring {
        /// The provider's name in the configuration.
        provider: String,
        /// Which of the two.
        proof: Proof,
        /// When.
        expires: Date,
        /// How many days are left; 0 from that day on.
        days_left: u32,
        /// The announcement: the days left at which it was due.
        stage: u32,
    },
}

/// Hexadecimal digits of a digest that tell one sign-in of a mailbox from the next.
const DIGITS: usize = 16;

impl Event {
    /// The event that `failure` is for `mailbox`, whose refresh token was shown in vain.
    pub fn sign_in_needed(
        mailbox: &str,
        failure: &Failure,
        refresh_token: Option<&Secret<String>>,
    ) -> Self {
        let mut sign_in = refresh_token.map_or_else(|| "none".to_owned(), Record::fingerprint);
        sign_in.truncate(DIGITS);
        let reason = failure.meaning.clone().into_owned();
        let advice = failure.advice.clone().into_owned();
        Self::SignInNeeded { mailbox: mailbox.to_owned(), reason, advice, sign_in }
    }

    /// The subject of [`sign_in_needed`](Self::sign_in_needed).
    pub fn sign_in_subject(mailbox: &str) -> String {
        format!("sign-in of {mailbox}")
    }

    /// The event that `expiry` is at `stage`.
    pub fn secret_expiring(expiry: &Expiry, days_left: u32, stage: u32) -> Self {
        Self::SecretExpiring {
            provider: expiry.provider.clone(),
            proof: expiry.proof,
            expires: expiry.date,
            days_left,
            stage,
        }
    }

    /// Its name, as hooks are told it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SignInNeeded { .. } => "sign_in_needed",
            Self::SecretExpiring { .. } => "secret_expiring",
        }
    }

    /// What it is about.
    pub fn subject(&self) -> String {
        match self {
            Self::SignInNeeded { mailbox, .. } => Self::sign_in_subject(mailbox),
            Self::SecretExpiring { provider, proof, .. } => format!("{proof} of {provider}"),
        }
    }

    /// What happened to its subject: the same twice is one event.
    pub fn what(&self) -> String {
        match self {
            Self::SignInNeeded { sign_in, .. } => sign_in.clone(),
            Self::SecretExpiring { expires, stage, .. } => format!("{expires}, {stage} days"),
        }
    }

    /// All that is told, under the names it is told by.
    pub fn fields(&self) -> Map<String, Value> {
        let fields: Vec<(&str, Value)> = match self {
            Self::SignInNeeded { mailbox, reason, advice, .. } => vec![
                ("mailbox", mailbox.as_str().into()),
                ("reason", reason.as_str().into()),
                ("advice", advice.as_str().into()),
            ],
            Self::SecretExpiring { provider, proof, expires, days_left, .. } => vec![
                ("provider", provider.as_str().into()),
                ("what", proof.to_string().into()),
                ("expires", expires.to_string().into()),
                ("days_left", (*days_left).into()),
            ],
        };
        let name = ("event", Value::from(self.name()));
        std::iter::once(name).chain(fields).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
