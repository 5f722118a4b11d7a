//! PLAIN (RFC 4616), server half.

use super::{Login, Malformed, Server, Turn};

/// `message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616 section 2)
pub(super) struct Plain;

impl Server for Plain {
    fn respond(&mut self, response: Option<&[u8]>) -> Result<Turn, Malformed> {
        let Some(message) = response else {
            return Ok(Turn::Challenge(b""));
        };
        let message = std::str::from_utf8(message).map_err(|_| Malformed)?;
        let mut parts = message.split('\0');
        let (Some(authzid), Some(authcid), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed);
        };
        Login::new(authzid, authcid, password).map(Turn::Login)
    }
}
