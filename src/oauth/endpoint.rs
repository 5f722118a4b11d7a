//! The token endpoint (RFC 6749 sections 3.2, 5.1, 5.2): what is posted to it, and what its replies
//! mean, however they look.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::advice::{Class, Complaint, Failure};
use super::{Application, Exchange, Reply, Request, Token, Wish};
use crate::secret::Secret;

/// The life of a token whose reply doesn't tell it, which RFC 6749 section 5.1 allows: the shortest
/// that Entra's policies know. Too short costs a request, too long a refused login.
const UNTOLD_LIFE: Duration = Duration::from_secs(600);

/// The longest life believed: Entra's longest, 28 hours. Beyond it a unit was mistaken.
const LONGEST_LIFE: Duration = Duration::from_secs(28 * 3600);

/// The shortest life believed. Zero and less would make every login a request that helps nobody.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// The longest `Retry-After` obeyed, as Microsoft's own library has it.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The form fields that are no secrets.
const PUBLIC_FIELDS: &[&str] = &["client_id", "grant_type", "scope"];

/// The request that every grant begins with; the grant adds its own fields.
pub(super) fn request(application: &Application, grant: &str, scope: &str) -> Request {
    let mut form = vec![
        ("client_id", Secret::from(application.client_id.as_str())),
        ("grant_type", Secret::from(grant)),
        ("scope", Secret::from(scope)),
    ];
    if let Some(secret) = &application.client_secret {
        form.push(("client_secret", secret.clone()));
    }
    Request { url: application.token_endpoint.clone(), form }
}

/// An exchange of one request and one reply.
pub(super) struct Inquiry(Request);

impl Inquiry {
    pub(super) fn new(request: Request) -> Self {
        Self(request)
    }

    fn secrets(&self) -> impl Iterator<Item = &str> {
        let told = self.0.form.iter().filter(|(name, _)| !PUBLIC_FIELDS.contains(name));
        told.map(|(_, value)| value.reveal().as_str())
    }
}

impl Exchange for Inquiry {
    fn advance(&mut self, now: SystemTime, reply: Option<&Reply>) -> Result<Wish, Failure> {
        let Some(reply) = reply else {
            return Ok(Wish::Post(self.0.clone()));
        };
        let body = reply.body.reveal();
        let retry_after = reply.retry_after.as_deref().and_then(pause);
        if let Ok(error) = serde_json::from_slice::<ErrorBody>(body) {
            return Err(refused(reply.status, &error.without(self.secrets())).after(retry_after));
        }
        token(now, reply)
            .map(Wish::Granted)
            .ok_or_else(|| unreadable(reply.status).after(retry_after))
    }
}

fn token(now: SystemTime, reply: &Reply) -> Option<Token> {
    if !(200..300).contains(&reply.status) {
        return None;
    }
    serde_json::from_slice::<TokenBody>(reply.body.reveal()).ok()?.token(now)
}

/// RFC 6749 section 5.1, with the liberties that are taken with it: `expires_in` missing or a string.
#[derive(Deserialize)]
struct TokenBody {
    access_token: Secret<String>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    refresh_token: Option<Secret<String>>,
    scope: Option<String>,
}

impl TokenBody {
    fn token(self, now: SystemTime) -> Option<Token> {
        if self.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return None;
        }
        let life = self.expires_in.as_ref().and_then(life).unwrap_or(UNTOLD_LIFE);
        Some(Token {
            // Anything else would end a field of the SASL message that carries it.
            access: Some(self.access_token).filter(is_visible)?,
            expires_at: now.checked_add(life).unwrap_or(now),
            refresh: self.refresh_token.filter(|token| !token.reveal().is_empty()),
            scope: self.scope,
        })
    }
}

fn is_visible(token: &Secret<String>) -> bool {
    let token = token.reveal();
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

fn life(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    seconds.is_finite().then(|| bounded(seconds, SHORTEST_LIFE, LONGEST_LIFE))
}

/// `Retry-After` (RFC 9110 section 10.2.3) in seconds, which Microsoft gives with fractions. Its other
/// form, a date, would compare two clocks; the default pause does instead.
fn pause(field: &str) -> Option<Duration> {
    let seconds: f64 = field.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0)
        .then(|| bounded(seconds, Duration::from_secs(1), LONGEST_PAUSE))
}

fn bounded(seconds: f64, least: Duration, most: Duration) -> Duration {
    Duration::from_secs_f64(seconds.clamp(least.as_secs_f64(), most.as_secs_f64()))
}

/// RFC 6749 section 5.2 and Entra's additions. Only `error` is trusted to be there and of its type.
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    #[serde(default, deserialize_with = "lenient")]
    error_description: String,
    #[serde(default)]
    error_codes: Value,
    #[serde(default, deserialize_with = "lenient")]
    correlation_id: String,
}

impl ErrorBody {
    /// An authority may quote in its error what it was sent.
    fn without<'a>(mut self, secrets: impl Iterator<Item = &'a str>) -> Self {
        for secret in secrets.filter(|secret| !secret.is_empty()) {
            for text in [&mut self.error, &mut self.error_description, &mut self.correlation_id] {
                *text = text.replace(secret, "[secret]");
            }
        }
        self
    }
}

fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Value::deserialize(deserializer).map(|value| value.as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, body: &ErrorBody) -> Failure {
    let first = body.error_codes.get(0).and_then(Value::as_u64);
    let complaint = Complaint {
        error: &body.error,
        aadsts: first
            .and_then(|code| code.try_into().ok())
            .or_else(|| aadsts(&body.error_description)),
        description: &body.error_description,
        correlation: &body.correlation_id,
    };
    let failure = complaint.judge();
    if is_transient(status) { failure.transient() } else { failure }
}

/// The number in `AADSTS700016: Application ...`.
fn aadsts(description: &str) -> Option<u32> {
    let (_, rest) = description.split_once("AADSTS")?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    rest[..digits].parse().ok()
}

fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..)
}

/// What isn't a token endpoint's reply comes from something that stands before it, or instead of it.
fn unreadable(status: u16) -> Failure {
    let meaning = match status {
        200..300 => "the authority's reply can't be understood".to_owned(),
        _ => format!("the authority's answer is HTTP {status}, without an explanation"),
    };
    let (class, advice) = match status {
        407 => (Class::Configure, "Give the HTTP proxy's user name and password in its URL"),
        404 | 405 | 410 => (Class::Configure, "Check the token endpoint's URL"),
        429 | 500.. => (Class::Retry, "Nothing to do: it will be asked again"),
        _ => (Class::Retry, "See whether a proxy or a captive portal answers in its place"),
    };
    Failure::new(class, meaning, advice)
}

#[cfg(test)]
mod tests;
