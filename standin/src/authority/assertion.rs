//! Client assertions (RFC 7523 section 2.2): signed by a certificate of the application, or by another issuer.

use super::aadsts::Refusal;
use super::request::Request;
use crate::calendar::{Utc, unix};
use crate::cloud::Cloud;
use crate::jwt::{self, Jwt, PublicKey};
use crate::tenant::{App, Federated, Tenant};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds by which the clocks of the client and of the authority may differ.
const TOLERANCE: u64 = 300;
/// The authorities that a client may have in mind when it asks this one.
const REAL_AUTHORITIES: [&str; 3] = [
    "https://login.microsoftonline.com",
    "https://login.microsoftonline.us",
    "https://login.partner.microsoftonline.cn",
];

/// Checks the assertion of the application that the request names.
pub(super) fn check(
    cloud: &Cloud,
    tenant: &Tenant,
    app: &App,
    request: &Request,
) -> Result<(), Refusal> {
    if request.required("client_assertion_type")? != ASSERTION_TYPE {
        let text = "The value of 'client_assertion_type' is not supported.";
        return Err(Refusal::with_text(50_027, text));
    }
    let jwt =
        Jwt::read(request.required("client_assertion")?).ok_or_else(|| Refusal::new(50_027))?;
    let (skew, unsigned) = {
        let knobs = cloud.knobs();
        (knobs.authority_clock_skew, knobs.federated_unsigned)
    };
    if jwt.claim("iss").is_none_or(|issuer| issuer.eq_ignore_ascii_case(&app.client_id)) {
        signed_by_certificate(&jwt, app)?;
        addressed(&jwt, tenant, request)?;
        own(&jwt, app)?;
        return in_time(&jwt, unix(skew));
    }
    let federated = federated(&jwt, app)?;
    let key = PublicKey::read(&federated.key);
    if !unsigned && !key.is_some_and(|key| jwt.is_signed_by(&key)) {
        return Err(Refusal::new(50_013));
    }
    in_time(&jwt, unix(skew))
}

fn signed_by_certificate(jwt: &Jwt, app: &App) -> Result<(), Refusal> {
    let thumbprint = jwt.header("x5t#S256").or_else(|| jwt.header("x5t")).unwrap_or_default();
    let registered = app.certificates.iter().find(|octets| jwt::names(jwt, octets));
    let Some(registered) = registered else {
        let text = format!(
            "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., Thumbprint of key used by client: '{thumbprint}']"
        );
        return Err(Refusal::with_text(700_027, text));
    };
    if PublicKey::read(registered).is_some_and(|key| jwt.is_signed_by(&key)) {
        return Ok(());
    }
    let text = format!(
        "Client assertion contains an invalid signature. [Reason - The key was found, but use of the key to verify the signature failed., Thumbprint of key used by client: '{thumbprint}']"
    );
    Err(Refusal::with_text(700_027, text))
}

/// The audience is the token endpoint or the issuer, at this address or at the real one.
fn addressed(jwt: &Jwt, tenant: &Tenant, request: &Request) -> Result<(), Refusal> {
    let here = format!("https://{}{}", request.host, request.place.cloud.prefix());
    let names = [&tenant.id, &tenant.domain, &request.place.tenant];
    let paths = ["oauth2/v2.0/token", "oauth2/token", "v2.0"];
    let bases = REAL_AUTHORITIES.into_iter().chain([here.as_str()]);
    let mut audiences = bases.flat_map(|base| {
        names.iter().flat_map(move |name| paths.map(|path| format!("{base}/{name}/{path}")))
    });
    if audiences.any(|audience| jwt.is_for(&audience)) {
        return Ok(());
    }
    Err(Refusal::new(50_012))
}

/// What an application says of itself.
fn own(jwt: &Jwt, app: &App) -> Result<(), Refusal> {
    for claim in ["iss", "sub"] {
        let found = jwt.claim(claim);
        if !found.is_some_and(|found| found.eq_ignore_ascii_case(&app.client_id)) {
            return Err(Refusal::new(700_021));
        }
    }
    match jwt.claim("jti") {
        Some(_) => Ok(()),
        None => Err(Refusal::with_text(50_027, "JWT token is invalid: it has no 'jti'.")),
    }
}

fn in_time(jwt: &Jwt, now: u64) -> Result<(), Refusal> {
    let expires = jwt.time("exp").ok_or_else(|| {
        Refusal::with_text(50_027, "JWT token is invalid: it has no expiry ('exp').")
    })?;
    let starts = jwt.time("nbf").or_else(|| jwt.time("iat")).unwrap_or(now);
    if starts <= now + TOLERANCE && now <= expires.saturating_add(TOLERANCE) {
        return Ok(());
    }
    let [now, starts, expires] = [now, starts, expires].map(|time| Utc::at(time).iso());
    let text = format!(
        "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {starts}, expiry time of assertion {expires}."
    );
    Err(Refusal::with_text(700_024, text))
}

/// The federated credential that the assertion matches: issuer, then subject, then audience, each to the letter.
fn federated<'a>(jwt: &Jwt, app: &'a App) -> Result<&'a Federated, Refusal> {
    let (issuer, subject) = (jwt.claim("iss"), jwt.claim("sub"));
    let of_issuer: Vec<_> =
        app.federated.iter().filter(|known| issuer == Some(&known.issuer)).collect();
    if of_issuer.is_empty() {
        return Err(unmatched(700_211, "issuer", issuer));
    }
    let of_subject: Vec<_> =
        of_issuer.into_iter().filter(|known| subject == Some(&known.subject)).collect();
    if of_subject.is_empty() {
        return Err(unmatched(700_213, "subject", subject));
    }
    let found = of_subject.into_iter().find(|known| jwt.is_for(&known.audience));
    found.ok_or_else(|| unmatched(700_212, "audience", jwt.claim("aud")))
}

fn unmatched(code: u32, what: &str, presented: Option<&str>) -> Refusal {
    let text = format!(
        "No matching federated identity record found for presented assertion {what} '{}'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion.",
        presented.unwrap_or_default()
    );
    Refusal::with_text(code, text)
}
