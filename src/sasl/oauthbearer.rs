//! OAUTHBEARER (RFC 7628), client half: for services that announce no XOAUTH2.

use super::Client;
use crate::secret::Secret;

/// Carries identity and access token in one message under a GS2 header.
pub struct OauthBearer {
    identity: String,
    token: Secret<String>,
}

impl OauthBearer {
    /// The name it is announced by.
    pub const NAME: &str = "OAUTHBEARER";

    /// For `identity`, the mailbox to open.
    pub fn new(identity: &str, token: Secret<String>) -> Self {
        Self { identity: identity.to_owned(), token }
    }
}

impl Client for OauthBearer {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// `client-resp = (gs2-header kvsep *kvpair kvsep)` (RFC 7628 section 3.1); in the header's
    /// `authzid`, `=` and `,` are escaped (RFC 5801 section 4).
    fn initial_response(&self) -> Secret<Vec<u8>> {
        let authzid = self.identity.replace('=', "=3D").replace(',', "=2C");
        let token = self.token.reveal();
        Secret::new(format!("n,a={authzid},\x01auth=Bearer {token}\x01\x01").into_bytes())
    }

    /// `%x01`: the dummy response that RFC 7628 section 3.2.3 demands.
    fn answer(&self) -> &'static [u8] {
        b"\x01"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_fields_separated() {
        let message = OauthBearer::new("a,b=c@example.com", Secret::from("t0k")).initial_response();
        assert_eq!(message.reveal(), b"n,a=a=2Cb=3Dc@example.com,\x01auth=Bearer t0k\x01\x01");
    }
}
