//! XOAUTH2, client half: Google's mechanism, the only one that Exchange Online knows.

use super::Client;
use crate::secret::Secret;

/// Carries identity and access token in one message.
pub struct Xoauth2 {
    identity: String,
    token: Secret<String>,
}

impl Xoauth2 {
    /// The name it is announced by.
    pub const NAME: &str = "XOAUTH2";

    /// For `identity`, the mailbox to open.
    pub fn new(identity: &str, token: Secret<String>) -> Self {
        Self { identity: identity.to_owned(), token }
    }
}

impl Client for Xoauth2 {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// `"user=" user %x01 "auth=Bearer " token %x01 %x01`
    fn initial_response(&self) -> Secret<Vec<u8>> {
        let (user, token) = (&self.identity, self.token.reveal());
        Secret::new(format!("user={user}\x01auth=Bearer {token}\x01\x01").into_bytes())
    }

    fn answer(&self) -> &'static [u8] {
        b""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::encode;

    /// The vector of Microsoft's documentation.
    #[test]
    fn known_answer() {
        let token = Secret::from("EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA");
        let message = Xoauth2::new("test@contoso.onmicrosoft.com", token).initial_response();
        assert_eq!(
            *encode(message.reveal()),
            "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ=="
        );
    }
}
