//! A token request: its form, and the client that authenticates in it.

use std::collections::HashMap;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::aadsts::Refusal;
use super::directory::Place;

/// The form of a request, by name.
pub(super) type Fields = HashMap<String, String>;

/// A request to a token endpoint.
pub(super) struct Request {
    pub(super) place: Place,
    /// Host and port as the client knows them.
    pub(super) host: String,
    pub(super) client_id: String,
    /// From the form or from HTTP Basic.
    pub(super) client_secret: Option<String>,
    fields: Fields,
}

impl Request {
    /// Takes the client's name and secret from HTTP Basic (RFC 6749 section 2.3.1) or else from the form.
    pub(super) fn read(
        place: Place,
        headers: &HeaderMap,
        mut fields: Fields,
    ) -> Result<Self, Refusal> {
        let basic = headers.get(AUTHORIZATION).and_then(|value| basic(value.to_str().ok()?));
        let (client_id, client_secret) = match basic {
            Some((client_id, secret)) => (Some(client_id), Some(secret)),
            None => (fields.remove("client_id"), fields.remove("client_secret")),
        };
        let client_id =
            client_id.filter(|id| !id.is_empty()).ok_or_else(|| Refusal::missing("client_id"))?;
        let client_secret = client_secret.filter(|secret| !secret.is_empty());
        Ok(Self { place, host: host(headers), client_id, client_secret, fields })
    }

    /// Puts a field where another spelling of the request has something else.
    pub(super) fn set(&mut self, name: &str, value: String) {
        self.fields.insert(name.into(), value);
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A field that has to be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.field(name).filter(|value| !value.is_empty()).ok_or_else(|| Refusal::missing(name))
    }
}

/// Host and port as the client knows them, for the addresses in an answer.
pub(super) fn host(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.unwrap_or("localhost").to_owned()
}

/// Name and secret, each form-encoded before they were joined by a colon.
fn basic(value: &str) -> Option<(String, String)> {
    let encoded = value.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client_id, secret) = decoded.split_once(':')?;
    Some((form_decoded(client_id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'+' => decoded.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                decoded.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &rest[2..];
            }
            other => decoded.push(*other),
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_basic_are_form_decoded() {
        let value = format!("Basic {}", STANDARD.encode("app:a%3Ab+c%7e"));
        assert_eq!(basic(&value), Some(("app".into(), "a:b c~".into())));
    }

    #[test]
    fn a_broken_escape_is_no_secret() {
        for text in ["%", "%4", "%zz"] {
            assert_eq!(form_decoded(text), None, "{text}");
        }
    }
}
