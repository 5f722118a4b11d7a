//! The token endpoint (RFC 6749 sections 3.2, 5.1, 5.2): what its replies mean, however they look.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::advice::{Class, Complaint, Failure};
use super::claims::Claims;
use super::{Response, Token};
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
const PUBLIC_FIELDS: &[&str] =
    &["client_id", "grant_type", "scope", "resource", "client_assertion_type", "username"];

/// What a token endpoint says, to which `told` was posted.
pub(super) fn judge(
    now: SystemTime,
    response: &Response,
    told: &[(&'static str, Secret<String>)],
) -> Result<Token, Failure> {
    let retry_after = response.retry_after.as_deref().and_then(pause);
    if let Ok(error) = serde_json::from_slice::<ErrorBody>(response.body.reveal()) {
        let error = error.without(secrets(told));
        return Err(refused(response.status, &error).after(retry_after));
    }
    token(now, response).ok_or_else(|| unreadable(response.status).after(retry_after))
}

fn secrets<'a>(told: &'a [(&'static str, Secret<String>)]) -> impl Iterator<Item = &'a str> {
    let secrets = told.iter().filter(|(name, _)| !PUBLIC_FIELDS.contains(name));
    secrets.map(|(_, value)| value.reveal().as_str())
}

/// A success of the authority's that isn't a token, read as `T`; its errors are those of [`judge`].
pub(super) fn read<T: DeserializeOwned>(response: &Response) -> Result<T, Failure> {
    let retry_after = response.retry_after.as_deref().and_then(pause);
    if let Ok(error) = serde_json::from_slice::<ErrorBody>(response.body.reveal()) {
        return Err(refused(response.status, &error).after(retry_after));
    }
    let body = Some(response).filter(|response| (200..300).contains(&response.status));
    body.and_then(|response| serde_json::from_slice(response.body.reveal()).ok())
        .ok_or_else(|| unreadable(response.status).after(retry_after))
}

/// A token as a program prints it: the JSON of a token endpoint's success.
pub(super) fn printed(now: SystemTime, text: &[u8]) -> Option<Token> {
    serde_json::from_slice::<TokenBody>(text).ok()?.token(now)
}

/// A token that comes alone: its own claim says when it ends, if it is a JWT.
pub(super) fn bare(now: SystemTime, access: Secret<String>) -> Token {
    let ends = Claims::read(&access).and_then(|claims| claims.time("exp"));
    let left = ends.map(|ends| ends.duration_since(now).unwrap_or_default());
    let life = left.map_or(UNTOLD_LIFE, |left| left.clamp(SHORTEST_LIFE, LONGEST_LIFE));
    Token { access, expires_at: now + life, refresh: None, scope: None, account: None }
}

fn token(now: SystemTime, reply: &Response) -> Option<Token> {
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
    /// In place of `expires_in` at App Service: seconds of Unix time.
    expires_on: Option<Value>,
    id_token: Option<Secret<String>>,
    refresh_token: Option<Secret<String>>,
    scope: Option<String>,
}

impl TokenBody {
    fn token(self, now: SystemTime) -> Option<Token> {
        if self.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return None;
        }
        let until = || until(number(self.expires_on.as_ref()?)?, now);
        let life = self.expires_in.as_ref().and_then(life).or_else(until).unwrap_or(UNTOLD_LIFE);
        Some(Token {
            account: self.id_token.as_ref().and_then(account),
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

/// Who signed in, by the ID token. It came straight from the token endpoint over TLS, so that its
/// signature says nothing new (OpenID Connect Core 1.0 section 3.1.3.7).
fn account(id_token: &Secret<String>) -> Option<String> {
    Claims::read(id_token)?.account().map(str::to_owned)
}

fn life(value: &Value) -> Option<Duration> {
    number(value).map(|seconds| bounded(seconds, SHORTEST_LIFE, LONGEST_LIFE))
}

/// The life of what ends at this Unix time.
fn until(end: f64, now: SystemTime) -> Option<Duration> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(bounded(end - now.as_secs_f64(), SHORTEST_LIFE, LONGEST_LIFE))
}

fn number(value: &Value) -> Option<f64> {
    let number: f64 = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
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

/// What an authority said by way of a browser (RFC 6749 section 4.1.2.1).
pub(super) fn declined(error: &str, description: &str) -> Failure {
    let aadsts = aadsts(description);
    Complaint { error, aadsts, description, correlation: "" }.judge()
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
