//! The directory: which login leads to which mailbox, and where that lives.

mod directory;
pub mod password;
mod provider;

use std::sync::Arc;

use crate::proto::smtp::submission::Policy;
use crate::secret::Secret;

pub use directory::{Directory, KEY_LENGTH, Password, UserTaken};
pub use provider::{Consent, Margin, Provider, Service};

/// A mailbox that logins lead to.
#[derive(Debug)]
pub struct Mailbox {
    /// Its address, which is the identity it is opened by.
    pub address: String,
    /// Who keeps it.
    pub provider: Arc<Provider>,
    /// The refresh token to start from, where the configuration holds one.
    pub refresh_token: Option<Secret<String>>,
    /// Its password at its provider, for the grant that takes one.
    pub provider_password: Option<Secret<String>>,
    /// The account that signs in for it, where that isn't the mailbox's own: a delegate's, or one whose
    /// name at the provider isn't its address.
    pub signed_in_as: Option<String>,
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
            provider_password: self.provider_password.clone(),
            signed_in_as: self.signed_in_as.clone(),
            submission: Arc::clone(&self.submission),
        }
    }

    /// What its tokens come from, as far as the configuration has it: a refresh token or a password.
    pub fn seed(&self) -> Option<&Secret<String>> {
        self.refresh_token.as_ref().or(self.provider_password.as_ref())
    }

    /// The account whose sign-in opens it.
    pub fn account(&self) -> &str {
        self.signed_in_as.as_deref().unwrap_or(&self.address)
    }

    /// Whether both are the same mailbox at the same provider, under whichever user name.
    pub fn is_same(&self, other: &Self) -> bool {
        self.address.eq_ignore_ascii_case(&other.address)
            && self.provider.name == other.provider.name
    }
}
