//! An application registration: who gatepost is to an authority, and where that is asked.

use std::hash::{Hash, Hasher};

use super::credential::Credential;

/// An application registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Application {
    /// The URL to post token requests to. Empty until `issuer` was asked for it.
    pub token_endpoint: String,
    /// The application's public identifier. Empty for grants that have none.
    pub client_id: String,
    /// What it proves itself by.
    pub credential: Credential,
    /// Under which name what is asked for is posted.
    pub target: Target,
    /// Who is asked for endpoints that aren't configured (OpenID Connect Discovery 1.0).
    pub issuer: Option<String>,
    /// Where people sign in with a browser.
    pub authorization_endpoint: Option<String>,
    /// Where codes for other devices are had (RFC 8628).
    pub device_endpoint: Option<String>,
    /// Where a browser is sent back to, if not to a port of this machine's.
    pub redirect_uri: Option<String>,
    /// What the authorization request carries beyond the usual.
    pub authorize: Vec<(String, String)>,
    /// Scopes that a sign-in asks for beyond those of the mail: for an ID token that says who signed
    /// in, and for a refresh token.
    pub sign_in_scope: String,
}

/// Under which name a token request says what is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// `scope`, as in RFC 6749.
    #[default]
    Scope,
    /// `resource`, at the endpoints of version 1.0 that some Entra clouds need.
    Resource,
}

impl Target {
    /// The name of the form field.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Resource => "resource",
        }
    }
}

impl Application {
    /// What tells this authority from others: a refresh token is for no other.
    pub fn authority(&self) -> &str {
        self.issuer.as_deref().unwrap_or(&self.token_endpoint)
    }

    /// Whether a refresh token given to the one is good for the other.
    pub fn shares_sign_ins(&self, other: &Self) -> bool {
        self.client_id == other.client_id && self.authority() == other.authority()
    }
}

impl Hash for Application {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.authority().hash(state);
        self.client_id.hash(state);
    }
}
