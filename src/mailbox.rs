//! The directory: which login leads to which mailbox, and where that lives.

mod directory;
pub mod password;
mod provider;

use std::sync::Arc;

use crate::proto::smtp::submission::Policy;
use crate::secret::Secret;

pub use directory::{Directory, KEY_LENGTH, Password, UserTaken};
pub use provider::{Provider, Service};

/// A mailbox that logins lead to.
#[derive(Debug)]
pub struct Mailbox {
    /// Its address, which is the identity it is opened by.
    pub address: String,
    /// Who keeps it.
    pub provider: Arc<Provider>,
    /// The refresh token to start from, where the configuration holds one.
    pub refresh_token: Option<Secret<String>>,
    /// The rules for messages that go out through it.
    pub submission: Arc<Policy>,
}

impl Mailbox {
    /// The same mailbox, opened by another address.
    #[must_use]
    pub fn known_as(&self, address: &str) -> Self {
        Self {
            address: address.to_owned(),
            provider: Arc::clone(&self.provider),
            refresh_token: self.refresh_token.clone(),
            submission: Arc::clone(&self.submission),
        }
    }
}
