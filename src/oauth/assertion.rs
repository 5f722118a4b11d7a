//! JSON Web Tokens that prove who asks (RFC 7519, RFC 7523).

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::advice::{Class, Failure};
use super::credential::{Algorithm, Certificate, ServiceAccount, Signer};
use super::{Application, Entropy};
use crate::secret::Secret;

/// `client_assertion_type` of RFC 7523 section 2.2.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion is good: Entra wants five to ten minutes, and clocks may differ by five.
const LIFE: Duration = Duration::from_secs(600);

/// The same at Google, which grants an hour at most.
const SERVICE_ACCOUNT_LIFE: Duration = Duration::from_secs(3600);

/// The assertion of `application` under its certificate.
pub(super) fn client(
    application: &Application,
    certificate: &Certificate,
    entropy: &Entropy,
    now: SystemTime,
) -> Result<Secret<String>, Failure> {
    let header = json!({
        "typ": "JWT",
        "alg": certificate.algorithm.name(),
        "x5t#S256": URL_SAFE_NO_PAD.encode(certificate.thumbprint),
    });
    let issued = unix(now);
    let claims = json!({
        "aud": application.token_endpoint,
        "iss": application.client_id,
        "sub": application.client_id,
        "jti": identifier(entropy, now),
        "iat": issued,
        "nbf": issued,
        "exp": issued + LIFE.as_secs(),
    });
    jwt(&header, &claims, &certificate.signer, certificate.algorithm)
}

/// The assertion of a service account that speaks for `mailbox`
/// (developers.google.com/identity/protocols/oauth2/service-account).
pub(super) fn service_account(
    account: &ServiceAccount,
    application: &Application,
    (mailbox, scope): (&str, &str),
    now: SystemTime,
) -> Result<Secret<String>, Failure> {
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": account.key_id });
    let issued = unix(now);
    let claims = json!({
        "aud": application.token_endpoint,
        "iss": account.email,
        "sub": mailbox,
        "scope": scope,
        "iat": issued,
        "exp": issued + SERVICE_ACCOUNT_LIFE.as_secs(),
    });
    jwt(&header, &claims, &account.signer, Algorithm::Rs256)
}

fn jwt(
    header: &Value,
    claims: &Value,
    signer: &Signer,
    algorithm: Algorithm,
) -> Result<Secret<String>, Failure> {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = signer.sign(algorithm, signed.as_bytes()).ok_or_else(|| {
        let meaning = format!("the key makes no {} signature", algorithm.name());
        Failure::new(Class::Configure, meaning, "Use an RSA key of 2048 bits or more")
    })?;
    Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

/// A UUID that no other request has: of the exchange's randomness and the time within the exchange.
fn identifier(entropy: &Entropy, now: SystemTime) -> String {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut number = [0; 16];
    number.copy_from_slice(&entropy.reveal()[48..]);
    let number = u128::from_be_bytes(number) ^ since.as_nanos();
    // Version 4, variant 1 (RFC 9562 section 5.4).
    let number = number & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn unix(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
