//! The grants of the token endpoint.

use std::time::Duration;

use serde_json::{Value, json};

use super::aadsts::Refusal;
use super::request::Request;
use super::scope::{self, Delegated};
use crate::cloud::Cloud;
use crate::entropy;
use crate::tenant::{App, Tenant};
use crate::token::Claims;

/// Lifetimes that Entra picks from, in seconds.
const LIFETIMES: std::ops::RangeInclusive<u64> = 3599..=5399;

/// What the grant in the request yields: the body of the answer.
pub(super) fn grant(cloud: &Cloud, request: &Request) -> Result<Value, Refusal> {
    let grant = request.required("grant_type")?;
    let counters = &cloud.counters;
    match grant {
        "client_credentials" => counters.client_credentials_requests.increment(),
        "refresh_token" => counters.refresh_token_requests.increment(),
        "password" => counters.password_requests.increment(),
        _ => {}
    }
    let tenant = cloud.tenant().clone();
    let app = client(&tenant, request)?;
    match grant {
        "client_credentials" => client_credentials(cloud, &tenant, app, request),
        "refresh_token" => refresh_token(cloud, &tenant, app, request),
        "password" => password(cloud, &tenant, app, request),
        _ => Err(Refusal::new(70_003)),
    }
}

/// The application that asks, after it has proved itself.
fn client<'t>(tenant: &'t Tenant, request: &Request) -> Result<&'t App, Refusal> {
    addressed(tenant, request)?;
    let app = tenant.app(&request.client_id).ok_or_else(|| {
        let text = format!(
            "Application with identifier '{}' was not found in the directory.",
            request.client_id
        );
        Refusal::with_text(700_016, text)
    })?;
    if request.field("client_assertion").is_some() {
        return Err(Refusal::new(700_027));
    }
    match &request.client_secret {
        Some(_) if app.public => Err(Refusal::new(700_025)),
        Some(secret) if !app.secrets.contains(secret) => Err(Refusal::new(7_000_215)),
        None if !app.public && request.field("grant_type") != Some("client_credentials") => {
            Err(Refusal::new(7_000_218))
        }
        _ => Ok(app),
    }
}

/// The path has to name the tenant; an app-only request may not leave it open.
fn addressed(tenant: &Tenant, request: &Request) -> Result<(), Refusal> {
    let path = &request.tenant;
    if path.eq_ignore_ascii_case(&tenant.id) || path.eq_ignore_ascii_case(&tenant.domain) {
        return Ok(());
    }
    let grant = request.field("grant_type");
    match path.as_str() {
        "organizations" | "common" | "consumers" if grant == Some("client_credentials") => {
            Err(Refusal::new(50_059))
        }
        "common" | "consumers" if grant == Some("password") => Err(Refusal::new(9_001_023)),
        "organizations" | "common" => Ok(()),
        _ => Err(Refusal::with_text(90_002, format!("Tenant '{path}' not found."))),
    }
}

fn client_credentials(
    cloud: &Cloud,
    tenant: &Tenant,
    app: &App,
    request: &Request,
) -> Result<Value, Refusal> {
    if request.client_secret.is_none() {
        return Err(Refusal::new(7_000_216));
    }
    let audience = scope::app_only(request.required("scope")?)?;
    let claims = Claims {
        audience: audience.into(),
        client_id: app.client_id.clone(),
        address: None,
        permissions: app.roles.clone(),
        lifetime: lifetime(cloud),
    };
    Ok(answer(cloud, tenant, claims))
}

fn refresh_token(
    cloud: &Cloud,
    tenant: &Tenant,
    app: &App,
    request: &Request,
) -> Result<Value, Refusal> {
    let presented = request.required("refresh_token")?;
    let refresh =
        cloud.tokens.refresh_token(presented).filter(|refresh| refresh.client_id == app.client_id);
    let refresh = refresh.ok_or_else(|| Refusal::new(70_000))?;
    if refresh.revoked {
        return Err(Refusal::new(50_173));
    }
    person(cloud, tenant, app, request, &refresh.address)
}

fn password(
    cloud: &Cloud,
    tenant: &Tenant,
    app: &App,
    request: &Request,
) -> Result<Value, Refusal> {
    let account =
        tenant.mailbox(request.required("username")?).ok_or_else(|| Refusal::new(50_034))?;
    if account.password.as_deref() != Some(request.required("password")?) {
        return Err(Refusal::new(50_126));
    }
    person(cloud, tenant, app, request, &account.address)
}

/// The tokens of a person, by whatever grant.
fn person(
    cloud: &Cloud,
    tenant: &Tenant,
    app: &App,
    request: &Request,
    address: &str,
) -> Result<Value, Refusal> {
    let Delegated { audience, permissions, granted, offline } =
        scope::delegated(request.field("scope"))?;
    let claims = Claims {
        audience,
        client_id: app.client_id.clone(),
        address: Some(address.into()),
        permissions,
        lifetime: lifetime(cloud),
    };
    let mut answer = answer(cloud, tenant, claims);
    answer["scope"] = json!(granted);
    if offline && cloud.knobs().include_refresh_token {
        answer["refresh_token"] = json!(next_refresh_token(cloud, app, request, address));
    }
    Ok(answer)
}

/// A new refresh token, or the presented one where they don't rotate.
fn next_refresh_token(cloud: &Cloud, app: &App, request: &Request, address: &str) -> String {
    let rotate = cloud.knobs().rotate_refresh_tokens;
    let kept = request.field("refresh_token").filter(|_| !rotate);
    kept.map_or_else(|| cloud.tokens.mint_refresh(&app.client_id, address), String::from)
}

fn lifetime(cloud: &Cloud) -> Duration {
    let (first, last) = (*LIFETIMES.start(), *LIFETIMES.end());
    let fixed = cloud.knobs().token_lifetime;
    fixed.unwrap_or_else(|| Duration::from_secs(first + entropy::below(last - first + 1)))
}

fn answer(cloud: &Cloud, tenant: &Tenant, claims: Claims) -> Value {
    let (form, in_words) = {
        let knobs = cloud.knobs();
        (knobs.token_form(), knobs.string_expires_in)
    };
    let seconds = claims.lifetime.as_secs();
    let expires_in = if in_words { json!(seconds.to_string()) } else { json!(seconds) };
    cloud.counters.tokens_issued.increment();
    json!({
        "token_type": "Bearer",
        "expires_in": expires_in,
        "ext_expires_in": expires_in,
        "access_token": cloud.tokens.issue(tenant, claims, form),
    })
}
