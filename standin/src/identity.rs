//! The endpoints of managed identities, in clear as in earnest: IMDS of a virtual machine, App Service, Azure Arc.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::authority;
use crate::calendar::unix;
use crate::cloud::Cloud;
use crate::knobs::AuthorityFailure;
use crate::tenant::{App, Tenant};
use crate::token::Claims;
use crate::{entropy, http};

/// The path of IMDS.
pub(crate) const IMDS: &str = "/metadata/identity/oauth2/token";
/// The path of App Service's endpoint.
pub(crate) const APP_SERVICE: &str = "/msi/token";
/// The path of Arc's endpoint, whose real one differs from IMDS in the port alone.
pub(crate) const ARC: &str = "/arc/metadata/identity/oauth2/token";

type Parameters = HashMap<String, String>;

/// Serves one connection until it ends.
pub(crate) async fn serve(stream: TcpStream, cloud: Arc<Cloud>) -> io::Result<()> {
    let router = Router::new()
        .route(IMDS, get(imds))
        .route(APP_SERVICE, get(app_service))
        .route(ARC, get(arc))
        .with_state(cloud);
    http::serve(router, stream).await
}

async fn imds(
    State(cloud): State<Arc<Cloud>>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    if let Some(failure) = counted(&cloud) {
        return failure;
    }
    if !is_metadata(&headers) || headers.contains_key("x-forwarded-for") {
        return refusal(
            StatusCode::BAD_REQUEST,
            "bad_request_102",
            "Required metadata header not specified",
        )
        .into_response();
    }
    answer(&cloud, &query)
}

async fn app_service(
    State(cloud): State<Arc<Cloud>>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    if let Some(failure) = counted(&cloud) {
        return failure;
    }
    let secret = headers.get("x-identity-header");
    if secret.is_none_or(|secret| secret.as_bytes() != cloud.identity_header.as_bytes()) {
        return refusal(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "The X-IDENTITY-HEADER is missing or wrong.",
        )
        .into_response();
    }
    answer(&cloud, &query)
}

/// The first answer names a file that only the machine's own programs can read; its content is the credential.
async fn arc(
    State(cloud): State<Arc<Cloud>>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    if let Some(failure) = counted(&cloud) {
        return failure;
    }
    let Some(file) = cloud.knobs().arc_key_file.clone() else {
        return refusal(StatusCode::NOT_FOUND, "not_found", "Azure Arc is not installed.")
            .into_response();
    };
    if !is_metadata(&headers) {
        return refusal(
            StatusCode::BAD_REQUEST,
            "bad_request_102",
            "Required metadata header not specified",
        )
        .into_response();
    }
    let offered = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = std::fs::read_to_string(&file).ok();
    let expected = key.map(|key| format!("Basic {key}"));
    if offered.is_some() && offered == expected.as_deref() {
        return answer(&cloud, &query);
    }
    challenge(&file)
}

fn challenge(file: &PathBuf) -> Response {
    if std::fs::write(file, entropy::guid()).is_err() {
        return refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "The key file cannot be written.",
        )
        .into_response();
    }
    let realm = format!("Basic realm={}", file.display());
    let refusal = refusal(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "The key in the file has to be presented.",
    );
    ([(WWW_AUTHENTICATE, realm)], refusal).into_response()
}

/// Counts the request, and gives the answer that a knob puts in place of the real one.
fn counted(cloud: &Cloud) -> Option<Response> {
    cloud.counters.identity_requests.increment();
    let AuthorityFailure { status, body, retry_after, .. } =
        cloud.knobs().take_identity_failure()?;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(CONTENT_TYPE, "application/json")], body).into_response();
    if let Some(wait) = retry_after.and_then(|wait| wait.parse().ok()) {
        response.headers_mut().insert(RETRY_AFTER, wait);
    }
    Some(response)
}

fn is_metadata(headers: &HeaderMap) -> bool {
    headers.get("metadata").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

fn answer(cloud: &Cloud, query: &Parameters) -> Response {
    let answer = grant(cloud, query);
    answer.map_or_else(IntoResponse::into_response, |answer| Json(answer).into_response())
}

/// The token, with every number as a string.
fn grant(cloud: &Cloud, query: &Parameters) -> Result<Value, Refusal> {
    let parameter = |name: &str| query.get(name).filter(|value| !value.is_empty());
    let missing = |name: &str| invalid(format!("Required query variable '{name}' is missing"));
    parameter("api-version").ok_or_else(|| missing("api-version"))?;
    let resource = parameter("resource").ok_or_else(|| missing("resource"))?;
    let tenant = cloud.tenant().clone();
    let identity = identity(&tenant, query).ok_or_else(|| invalid("Identity not found"))?;
    let audience = authority::resource(tenant.cloud, resource)
        .map_err(|no| refusal(StatusCode::BAD_REQUEST, no.error(), no.sentence()))?;
    let claims = Claims {
        audience: audience.into(),
        client_id: identity.client_id.clone(),
        address: None,
        permissions: identity.roles.clone(),
        lifetime: authority::lifetime(cloud),
    };
    let (form, skew) = {
        let knobs = cloud.knobs();
        (knobs.token_form(), knobs.authority_clock_skew)
    };
    let (now, seconds) = (unix(skew), claims.lifetime.as_secs());
    cloud.counters.tokens_issued.increment();
    Ok(json!({
        "access_token": cloud.tokens.issue(&tenant, claims, form),
        "client_id": identity.client_id,
        "refresh_token": "",
        "expires_in": seconds.to_string(),
        "ext_expires_in": seconds.to_string(),
        "expires_on": (now + seconds).to_string(),
        "not_before": now.to_string(),
        "resource": resource,
        "token_type": "Bearer",
    }))
}

/// The identity that the query selects; without a selection, the first.
fn identity<'t>(tenant: &'t Tenant, query: &Parameters) -> Option<&'t App> {
    let selects = |name: &str, value: &str| {
        query.get(name).is_none_or(|asked| asked.eq_ignore_ascii_case(value))
    };
    tenant.apps.iter().find(|app| {
        app.managed_identity.as_ref().is_some_and(|resource_id| {
            selects("client_id", &app.client_id)
                && ["object_id", "principal_id"].iter().all(|name| selects(name, &app.object_id))
                && ["msi_res_id", "mi_res_id"].iter().all(|name| selects(name, resource_id))
        })
    })
}

/// A no of these endpoints.
struct Refusal {
    status: StatusCode,
    error: &'static str,
    text: String,
}

fn refusal(status: StatusCode, error: &'static str, text: impl Into<String>) -> Refusal {
    Refusal { status, error, text: text.into() }
}

fn invalid(text: impl Into<String>) -> Refusal {
    refusal(StatusCode::BAD_REQUEST, "invalid_request", text)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.text });
        (self.status, Json(body)).into_response()
    }
}
