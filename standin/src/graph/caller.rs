//! Who asks, and for which mailbox.

use std::collections::HashMap;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};

use super::refusal::Refusal;
use crate::cloud::Cloud;
use crate::token::{Claims, GRAPH};

/// The parameters of a path: `user`, unless it goes through `/me`, and `message`.
pub(super) type Parameters = HashMap<String, String>;

/// The address of the mailbox that the request is about, if its token holds `permission` for it.
pub(super) fn mailbox(
    cloud: &Cloud,
    parameters: &Parameters,
    headers: &HeaderMap,
    permission: &str,
) -> Result<String, Refusal> {
    let claims = claims(cloud, headers)?;
    if !claims.permits(permission) {
        return Err(Refusal::access_denied("Access is denied. Check credentials and try again."));
    }
    if cloud.knobs().graph_access_disabled {
        return Err(Refusal::access_denied("Access to OData is disabled."));
    }
    let user = match (parameters.get("user"), &claims.address) {
        (Some(user), _) => user,
        (None, Some(person)) => person,
        (None, None) => return Err(me_without_person()),
    };
    let tenant = cloud.tenant();
    let account = tenant.mailbox(user).ok_or_else(|| invalid_user(user))?;
    // An application's permission is for all mailboxes; a person's for those that are open to the person.
    match &claims.address {
        Some(person) if !account.admits(person) => {
            Err(Refusal::access_denied("Access is denied. Check credentials and try again."))
        }
        _ => Ok(account.address.clone()),
    }
}

fn claims(cloud: &Cloud, headers: &HeaderMap) -> Result<Claims, Refusal> {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
        .map(|(_, token)| token);
    let issued = token.and_then(|token| cloud.tokens.recognise(token));
    let claims = issued.map(|issued| issued.claims).ok_or_else(Refusal::invalid_token)?;
    if claims.audience.trim_end_matches('/') != GRAPH {
        return Err(Refusal::invalid_token());
    }
    Ok(claims)
}

fn me_without_person() -> Refusal {
    let message = "/me request is only valid with delegated authentication flow.";
    Refusal::bad_request("BadRequest", message)
}

fn invalid_user(user: &str) -> Refusal {
    let message = format!("The requested user '{user}' is invalid.");
    Refusal::new(StatusCode::NOT_FOUND, "ErrorInvalidUser", message)
}
