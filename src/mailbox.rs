//! The directory: which login leads to which mailbox, and where that lives.

mod allowance;
mod day;
mod device;
mod directory;
mod network;
pub mod password;
mod provider;

use std::sync::Arc;

use crate::proto::smtp::{self, submission::Policy};
use crate::secret::Secret;

pub use allowance::{Allowance, InvalidPattern, Senders};
pub use day::{Day, NoDay};
pub use device::{
    Device, DeviceName, Devices, InvalidName, PASSWORD_LENGTH, PasswordDigest, Proof, Scope, Visit,
    generate,
};
pub use directory::{Admitted, Directory, KEY_LENGTH, Password, UserTaken, rejected};
pub use network::{InvalidNetwork, Network};
pub use provider::{Consent, GraphService, Margin, Provider, Sending, Service};

/// A mailbox that logins lead to.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// Its address. `*@domain` stands for every mailbox of the domain.
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
    /// The identities it is opened by that aren't its address, each with its protocol's name.
    pub identities: Vec<(&'static str, String)>,
    /// The mailbox whose access token opens this one, where it isn't its own.
    pub token_owner: Option<Arc<Self>>,
    /// The addresses, in lower case, of other mailboxes that its logins may ask for.
    pub may_open: Vec<String>,
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
    /// A mailbox that opens itself by its address, and no other.
    pub fn new(address: impl Into<String>, provider: Arc<Provider>) -> Self {
        Self {
            address: address.into(),
            provider,
            refresh_token: None,
            provider_password: None,
            signed_in_as: None,
            identities: Vec::new(),
            token_owner: None,
            may_open: Vec::new(),
            smtp_via: Via::default(),
            submission: Arc::default(),
        }
    }

    /// The same mailbox, where messages go out from another address.
    #[must_use]
    pub fn known_as(&self, address: &str) -> Self {
        let mut known = self.clone();
        if address != self.address {
            address.clone_into(&mut known.address);
            known.identities.retain(|(protocol, _)| *protocol != smtp::PROTOCOL.name);
        }
        known
    }

    /// Whom the upstream of `protocol` is told to open.
    pub fn identity(&self, protocol: &str) -> &str {
        let special = self.identities.iter().find(|(name, _)| *name == protocol);
        special.map_or(&self.address, |(_, identity)| identity)
    }

    /// The mailbox whose access token opens this one.
    pub fn owner(&self) -> &Self {
        self.token_owner.as_deref().unwrap_or(self)
    }

    /// The domain whose mailboxes it all stands for, if it does.
    pub fn domain(&self) -> Option<&str> {
        self.address.strip_prefix("*@")
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

/// Case folded character by character: lower-casing a whole string would make sigmas depend on what
/// stands beside them.
pub fn fold(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    folded.extend(name.chars().flat_map(char::to_lowercase));
    folded
}
