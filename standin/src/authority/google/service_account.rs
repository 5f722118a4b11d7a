//! Service accounts with domain-wide delegation: a signed JWT that names the mailbox in `sub` is the grant (RFC 7523).

use axum::http::HeaderMap;
use serde_json::Value;

use super::refusal::Refusal;
use super::{MAIL, tokens};
use crate::authority::request::{Fields, host};
use crate::calendar::unix;
use crate::cloud::Cloud;
use crate::jwt::{Jwt, PublicKey};

/// Where service accounts send their assertions in earnest.
const REAL_TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";
/// The other scope under which IMAP opens delegated mailboxes.
const IMAP_ADMIN: &str = "https://www.googleapis.com/auth/gmail.imap_admin";
/// Seconds that an assertion may live, and by which clocks may differ.
const LONGEST_LIFE: u64 = 3600;
const TOLERANCE: u64 = 300;

/// The token of the mailbox that the assertion names.
pub(super) fn grant(cloud: &Cloud, headers: &HeaderMap, fields: &Fields) -> Result<Value, Refusal> {
    let assertion = fields.get("assertion").map(String::as_str).unwrap_or_default();
    let jwt = Jwt::read(assertion).ok_or_else(|| Refusal::invalid_grant("Bad Request"))?;
    let tenant = cloud.tenant().clone();
    let email = jwt.claim("iss").unwrap_or_default();
    let account = tenant.service_accounts.iter().find(|account| account.email == email);
    let account =
        account.ok_or_else(|| Refusal::invalid_grant("Invalid grant: account not found"))?;
    let key = PublicKey::read(&account.key);
    if jwt.header("alg") != Some("RS256") || !key.is_some_and(|key| jwt.is_signed_by(&key)) {
        return Err(Refusal::invalid_grant("Invalid JWT Signature."));
    }
    in_time(&jwt, unix(cloud.knobs().authority_clock_skew))?;
    let here = format!("https://{}/google/token", host(headers));
    if ![REAL_TOKEN_ENDPOINT, &here].iter().any(|audience| jwt.is_for(audience)) {
        let text = "Invalid OAuth scope or ID audience provided.";
        return Err(Refusal::bad_request("invalid_scope", text));
    }
    let scopes: Vec<_> = jwt.claim("scope").unwrap_or_default().split_whitespace().collect();
    let mail = scopes.iter().any(|scope| [MAIL, IMAP_ADMIN].contains(scope));
    let delegated = |scope: &&str| account.scopes.iter().any(|granted| granted == scope);
    let subject = jwt.claim("sub").filter(|_| mail && scopes.iter().all(delegated));
    let subject = subject.ok_or_else(Refusal::undelegated)?;
    let mailbox = tenant.mailbox(subject);
    let mailbox = mailbox.ok_or_else(|| Refusal::invalid_grant("Invalid email or User ID"))?;
    Ok(tokens(cloud, email, &mailbox.address, &scopes))
}

fn in_time(jwt: &Jwt, now: u64) -> Result<(), Refusal> {
    let (issued, expires) = (jwt.time("iat").unwrap_or(0), jwt.time("exp").unwrap_or(0));
    let short_lived = expires.saturating_sub(issued) <= LONGEST_LIFE;
    if short_lived && issued <= now + TOLERANCE && now <= expires.saturating_add(TOLERANCE) {
        return Ok(());
    }
    let text = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.";
    Err(Refusal::invalid_grant(text))
}
