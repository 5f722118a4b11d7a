//! Google's authorize page and token endpoint, which share the tenant's applications and mailboxes with Entra's.

mod refusal;
mod service_account;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::authorize::{self, Parameters, found};
use super::directory::{Directory, Place};
use super::page::{self, SignIn};
use super::redirect;
use super::request::{Fields, Request};
use super::sign_in::{Attempt, Verdict};
use super::{discovery, disturbance, grants};
use crate::cloud::Cloud;
use crate::codes::Authorization;
use crate::tenant::{App, NationalCloud, Tenant};
use crate::token::{Claims, Form as TokenForm, GOOGLE};
use refusal::Refusal;

/// `grant_type` of RFC 7523 section 2.1.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The scope of the mail protocols.
const MAIL: &str = "https://mail.google.com/";
/// Stands in the stored scope when `access_type=offline` was asked for, as Entra spells it.
const OFFLINE: &str = "offline_access";

pub(super) fn router() -> Router<Arc<Cloud>> {
    Router::new()
        .route("/authorize", get(show).post(submit))
        .route("/token", post(token))
        .route("/.well-known/openid-configuration", get(discovery::google))
}

async fn show(State(cloud): State<Arc<Cloud>>, Query(query): Query<Parameters>) -> Response {
    cloud.counters.authorize_requests.increment();
    let tenant = cloud.tenant().clone();
    match asked(&tenant, &query) {
        Ok((app, _)) => form(app, hint(&query), None),
        Err(problem) => blocked(problem),
    }
}

async fn submit(
    State(cloud): State<Arc<Cloud>>,
    Query(query): Query<Parameters>,
    Form(attempt): Form<Attempt>,
) -> Response {
    cloud.counters.authorize_requests.increment();
    let tenant = cloud.tenant().clone();
    let (app, redirect_uri) = match asked(&tenant, &query) {
        Ok(asked) => asked,
        Err(problem) => return blocked(problem),
    };
    let state = query.get("state").map(|state| ("state", state.as_str()));
    let answer = match attempt.judge(&cloud, &tenant, Directory::Common) {
        Verdict::SignedIn(address) => code(&cloud, app, redirect_uri, &query, address),
        Verdict::Declined => None,
        Verdict::Wrong(problem) => return form(app, &attempt.login, Some(&problem)),
    };
    let verdict = match &answer {
        Some(code) => ("code", code.as_str()),
        None => ("error", "access_denied"),
    };
    let parameters: Vec<_> = state.into_iter().chain([verdict]).collect();
    found(&redirect::with_query(redirect_uri, &parameters))
}

/// The application and the redirect URI, or why the request is blocked.
fn asked<'r>(
    tenant: &'r Tenant,
    query: &'r Parameters,
) -> Result<(&'r App, &'r str), &'static str> {
    let parameter = |name: &str| query.get(name).map_or("", String::as_str);
    let app = tenant.app(parameter("client_id")).ok_or("Error 401: invalid_client")?;
    let redirect_uri = parameter("redirect_uri");
    // A desktop client of Google's may use either name of the loopback interface.
    let by_name = redirect_uri.replacen("http://127.0.0.1", "http://localhost", 1);
    let allows = |registered: &String| {
        redirect::allows(registered, redirect_uri) || redirect::allows(registered, &by_name)
    };
    if !app.redirect_uris.iter().any(allows) {
        return Err("Error 400: redirect_uri_mismatch");
    }
    if parameter("response_type") != "code" || authorize::challenge(query).is_err() {
        return Err("Error 400: invalid_request");
    }
    if !parameter("scope").split_whitespace().any(|scope| scope == MAIL) {
        return Err("Error 400: invalid_scope");
    }
    Ok((app, redirect_uri))
}

fn code(
    cloud: &Cloud,
    app: &App,
    redirect_uri: &str,
    query: &Parameters,
    address: String,
) -> Option<String> {
    let mut scope = query.get("scope").cloned().unwrap_or_default();
    if query.get("access_type").is_some_and(|kind| kind == "offline") {
        scope = format!("{scope} {OFFLINE}");
    }
    let authorization = Authorization {
        client_id: app.client_id.clone(),
        redirect_uri: redirect_uri.into(),
        scope,
        nonce: None,
        challenge: authorize::challenge(query).ok()?,
        address,
    };
    let lifetime = cloud.knobs().authorization_code_lifetime;
    Some(cloud.codes.authorize(authorization, lifetime))
}

fn hint(query: &Parameters) -> &str {
    query.get("login_hint").map_or("", String::as_str)
}

fn form(app: &App, account: &str, problem: Option<&str>) -> Response {
    SignIn {
        app: &app.client_id,
        account,
        problem,
        user_code: None,
        yes: ("sign_in", "Allow"),
        no: ("cancel", "Cancel"),
    }
    .into_response()
}

fn blocked(problem: &str) -> Response {
    page::notice(StatusCode::BAD_REQUEST, "Access blocked", problem)
}

async fn token(
    State(cloud): State<Arc<Cloud>>,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Response {
    cloud.counters.token_requests.increment();
    if let Some(response) = disturbance::strike(&cloud).await {
        return response;
    }
    let answer = form
        .map_err(|_| Refusal::bad_request("invalid_request", "Bad Request"))
        .and_then(|Form(fields)| grant(&cloud, &headers, fields));
    answer.map_or_else(IntoResponse::into_response, |answer| Json(answer).into_response())
}

fn grant(cloud: &Cloud, headers: &HeaderMap, fields: Fields) -> Result<Value, Refusal> {
    let counters = &cloud.counters;
    let grant = fields.get("grant_type").map(String::as_str).unwrap_or_default();
    match grant {
        "authorization_code" => counters.authorization_code_requests.increment(),
        "refresh_token" => counters.refresh_token_requests.increment(),
        JWT_BEARER => {
            counters.jwt_bearer_requests.increment();
            return service_account::grant(cloud, headers, &fields);
        }
        _ => {
            let text = format!("Invalid grant_type: {grant}");
            return Err(Refusal::bad_request("unsupported_grant_type", text));
        }
    }
    let place = Place { cloud: NationalCloud::Global, tenant: String::new() };
    let request = Request::read(place, headers, fields).map_err(|_| {
        Refusal::bad_request("invalid_request", "Could not determine client ID from request.")
    })?;
    let tenant = cloud.tenant().clone();
    let app = client(&tenant, &request)?;
    match request.field("code") {
        Some(code) => authorization_code(cloud, app, &request, code),
        None => refresh_token(cloud, app, &request),
    }
}

fn client<'t>(tenant: &'t Tenant, request: &Request) -> Result<&'t App, Refusal> {
    let app = tenant.app(&request.client_id);
    let app = app.ok_or_else(|| Refusal::unauthorized("The OAuth client was not found."))?;
    match &request.client_secret {
        Some(secret) if app.secrets.contains(secret) => Ok(app),
        None if app.public => Ok(app),
        None => Err(Refusal::bad_request("invalid_request", "client_secret is missing.")),
        Some(_) => Err(Refusal::unauthorized("Unauthorized")),
    }
}

fn authorization_code(
    cloud: &Cloud,
    app: &App,
    request: &Request,
    code: &str,
) -> Result<Value, Refusal> {
    let redeemed = cloud.codes.redeem(code, |authorization, fresh| {
        if fresh.is_err() || authorization.client_id != app.client_id {
            return Err(Refusal::invalid_grant("Bad Request"));
        }
        if request.field("redirect_uri") != Some(&authorization.redirect_uri) {
            return Err(Refusal::bad_request("redirect_uri_mismatch", "Bad Request"));
        }
        match (&authorization.challenge, request.field("code_verifier")) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Refusal::invalid_grant("Missing code verifier.")),
            (Some(challenge), Some(verifier)) if grants::proves(challenge, verifier) => Ok(()),
            (Some(_), Some(_)) => Err(Refusal::invalid_grant("Invalid code verifier.")),
        }
    });
    let authorization =
        redeemed.unwrap_or_else(|| Err(Refusal::invalid_grant("Malformed auth code.")))?;
    let (scopes, offline): (Vec<_>, Vec<_>) =
        authorization.scope.split_whitespace().partition(|word| *word != OFFLINE);
    let mut answer = tokens(cloud, &app.client_id, &authorization.address, &scopes);
    if !offline.is_empty() && cloud.knobs().include_refresh_token {
        let refresh = cloud.tokens.mint_refresh(&app.client_id, &authorization.address);
        answer["refresh_token"] = json!(refresh);
    }
    Ok(answer)
}

/// The answer has no new refresh token: Google's stay the same.
fn refresh_token(cloud: &Cloud, app: &App, request: &Request) -> Result<Value, Refusal> {
    let presented = request.field("refresh_token").unwrap_or_default();
    let refresh = cloud.tokens.refresh_token(presented);
    let refresh = refresh
        .filter(|refresh| refresh.client_id == app.client_id)
        .ok_or_else(|| Refusal::invalid_grant("Bad Request"))?;
    if refresh.revoked {
        return Err(Refusal::invalid_grant("Token has been expired or revoked."));
    }
    Ok(tokens(cloud, &app.client_id, &refresh.address, &[MAIL]))
}

/// The answer with an access token for the mail of this address.
fn tokens(cloud: &Cloud, client_id: &str, address: &str, scopes: &[&str]) -> Value {
    let claims = Claims {
        audience: GOOGLE.into(),
        client_id: client_id.into(),
        address: Some(address.into()),
        permissions: scopes.iter().copied().map(String::from).collect(),
        lifetime: grants::lifetime(cloud),
    };
    let seconds = claims.lifetime.as_secs();
    cloud.counters.tokens_issued.increment();
    json!({
        "access_token": cloud.tokens.issue(&cloud.tenant(), claims, TokenForm::Google),
        "expires_in": seconds,
        "scope": scopes.join(" "),
        "token_type": "Bearer",
    })
}
