//! LOGIN, server half. No RFC: an expired draft, and what clients do.

use super::{Malformed, Server, Turn};

/// Asks for the user name, then for the password. A client may send the user name as its initial
/// response.
#[derive(Default)]
pub(super) struct Login {
    authcid: Option<String>,
}

impl Server for Login {
    fn respond(&mut self, response: Option<&[u8]>) -> Result<Turn, Malformed> {
        let Some(response) = response else {
            return Ok(Turn::Challenge(b"Username:"));
        };
        let text = std::str::from_utf8(response).map_err(|_| Malformed)?;
        match self.authcid.take() {
            None => {
                self.authcid = Some(text.to_owned());
                Ok(Turn::Challenge(b"Password:"))
            }
            Some(authcid) => super::Login::new("", &authcid, text).map(Turn::Login),
        }
    }
}
