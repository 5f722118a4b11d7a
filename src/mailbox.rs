//! The directory: which login leads to which mailbox, and where that lives.

mod directory;
pub mod password;
mod provider;

use std::sync::Arc;

use crate::proto::smtp::submission::Policy;
use crate::secret::Secret;

pub use directory::{Directory, KEY_LENGTH, Password, UserTaken};
pub use provider::{Consent, GraphService, Margin, Provider, Service};

/// A mailbox that logins lead to.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// Its address, which is the identity it is opened by.
    pub address: String,
    /// Who keeps it.
    pub provider: Arc<Provider>,
    /// The refresh token to start from, where the configuration holds one.
    pub refresh_token: Option<Secret<String>>,
    /// Its password at its provider, for the grant that takes one.
    pub provider_password: Option<Secret<String>>,
    /// Where its mail goes out.
    pub smtp_via: Via,
    /// The rules for messages that go out through it.
    pub submission: Arc<Policy>,
}

/// Where a mailbox's mail goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// The provider's submission service.
    #[default]
    Smtp,
    /// Microsoft Graph, for tenants that have SMTP AUTH switched off.
    Graph,
}

impl Mailbox {
    /// The same mailbox, opened by another address.
    #[must_use]
    pub fn known_as(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    /// What its tokens come from, as far as the configuration has it: a refresh token or a password.
    pub fn seed(&self) -> Option<&Secret<String>> {
        self.refresh_token.as_ref().or(self.provider_password.as_ref())
    }

    /// Whether both are the same mailbox at the same provider, under whichever user name.
    pub fn is_same(&self, other: &Self) -> bool {
        self.address.eq_ignore_ascii_case(&other.address)
            && self.provider.name == other.provider.name
    }
}
