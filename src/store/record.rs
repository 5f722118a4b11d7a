//! A record: one mailbox's refresh token and what it is good for.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::oauth::Application;
use crate::secret::Secret;

/// The version of the form written. Another one is refused rather than guessed at.
pub(super) const VERSION: u32 = 1;

/// A refresh token, and the application that it was given to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The mailbox's address.
    pub mailbox: String,
    /// The token endpoint that takes it. Posted to another one, it would be given away.
    pub token_endpoint: String,
    /// The application that it belongs to.
    pub client_id: String,
    /// The token.
    pub refresh_token: Secret<String>,
    /// Which configured refresh token it descends from, as [`fingerprint`](Self::fingerprint).
    pub seed: Option<String>,
    /// When it was last seen to work, to the day: at sign-in or by a renewal. Whole seconds; records of
    /// earlier builds don't know it and say 1970.
    pub refreshed_at: SystemTime,
}

impl Record {
    /// Whether the token was given to this application.
    pub fn belongs_to(&self, application: &Application) -> bool {
        self.client_id == application.client_id && self.token_endpoint == application.authority()
    }

    /// What a configured refresh token is recognised by: its SHA-256, from which it can't be guessed.
    pub fn fingerprint(token: &Secret<String>) -> String {
        Sha256::digest(token.reveal().as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            // A String takes all that is written to it.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        let since_1970 = self.refreshed_at.duration_since(SystemTime::UNIX_EPOCH);
        serde_json::to_vec_pretty(&Form {
            version: VERSION,
            mailbox: &self.mailbox,
            token_endpoint: &self.token_endpoint,
            client_id: &self.client_id,
            refresh_token: self.refresh_token.reveal(),
            seed: self.seed.as_deref(),
            refreshed_at: since_1970.unwrap_or_default().as_secs(),
        })
        .map(Zeroizing::new)
    }

    /// The record of `mailbox`, or what is wrong with these bytes.
    pub(super) fn decode(mailbox: &str, bytes: &[u8]) -> Result<Self, String> {
        let version = version(bytes)?;
        if version != VERSION {
            return Err(format!("version {version}, not {VERSION}"));
        }
        let read: ReadForm = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
        if read.mailbox != mailbox {
            return Err("it is another mailbox's".to_owned());
        }
        let refreshed_at = SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_secs(read.refreshed_at))
            .ok_or("its time is beyond all times")?;
        Ok(Self {
            mailbox: read.mailbox,
            token_endpoint: read.token_endpoint,
            client_id: read.client_id,
            refresh_token: read.refresh_token,
            seed: read.seed,
            refreshed_at,
        })
    }
}

/// The version that these bytes say they are in.
pub(super) fn version(bytes: &[u8]) -> Result<u32, String> {
    serde_json::from_slice(bytes)
        .map(|Versioned { version }| version)
        .map_err(|error| unreadable(&error))
}

/// The mailbox that the record in these bytes is of.
pub(super) fn mailbox(bytes: &[u8]) -> Result<String, String> {
    serde_json::from_slice(bytes)
        .map(|read: ReadForm| read.mailbox)
        .map_err(|error| unreadable(&error))
}

/// What is wrong with bytes that aren't a record. serde_json's own words would quote from the file.
pub(super) fn unreadable(error: &serde_json::Error) -> String {
    format!("not a record, as of line {} column {}", error.line(), error.column())
}

#[derive(Serialize)]
struct Form<'a> {
    version: u32,
    mailbox: &'a str,
    token_endpoint: &'a str,
    client_id: &'a str,
    refresh_token: &'a str,
    seed: Option<&'a str>,
    refreshed_at: u64,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Deserialize)]
struct ReadForm {
    mailbox: String,
    token_endpoint: String,
    client_id: String,
    refresh_token: Secret<String>,
    seed: Option<String>,
    #[serde(default)]
    refreshed_at: u64,
}
