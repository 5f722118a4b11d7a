//! The device grant (RFC 8628): the codes, and the page on which somebody types one in.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};

use super::aadsts::Refusal;
use super::directory::{Directory, Place};
use super::page::{self, SignIn};
use super::request::{Fields, Request};
use super::sign_in::{Attempt, Verdict};
use super::{client, disturbance, scope};
use crate::cloud::Cloud;
use crate::codes::Decision;
use crate::tenant::NationalCloud;

/// Hands out a device code and a user code.
pub(super) async fn ask(
    State(cloud): State<Arc<Cloud>>,
    Extension(national): Extension<NationalCloud>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Response {
    if let Some(response) = disturbance::strike(&cloud).await {
        return response;
    }
    let place = Place { cloud: national, tenant };
    let answer = form
        .map_err(|_| Refusal::missing("client_id"))
        .and_then(|Form(fields)| Request::read(place, &headers, fields))
        .and_then(|request| codes(&cloud, &request));
    answer.map_or_else(IntoResponse::into_response, |answer| Json(answer).into_response())
}

fn codes(cloud: &Cloud, request: &Request) -> Result<Value, Refusal> {
    let tenant = cloud.tenant().clone();
    request.place.directory(&tenant)?;
    let app = client::registered(&tenant, &request.client_id)?;
    let scope = request.required("scope")?;
    scope::consentable(request.place.cloud, scope)?;
    let (interval, lifetime) = {
        let knobs = cloud.knobs();
        (knobs.device_code_interval, knobs.device_code_lifetime)
    };
    let device = cloud.codes.ask(&app.client_id, scope, lifetime);
    cloud.counters.device_codes_issued.increment();
    let (page, code) = (verification_uri(request), &device.user_code);
    Ok(json!({
        "user_code": code,
        "device_code": device.device_code,
        "verification_uri": page,
        "expires_in": lifetime.as_secs(),
        "interval": interval.as_secs(),
        "message": format!(
            "To sign in, use a web browser to open the page {page} and enter the code {code} to authenticate."
        ),
    }))
}

fn verification_uri(request: &Request) -> String {
    format!("https://{}{}/device", request.host, request.place.cloud.prefix())
}

/// Shows the form; a `user_code` in the query fills its field.
pub(super) async fn show(Query(query): Query<HashMap<String, String>>) -> Response {
    form("", query.get("user_code").map_or("", String::as_str), None)
}

/// Takes the form back.
pub(super) async fn submit(
    State(cloud): State<Arc<Cloud>>,
    Form(attempt): Form<Attempt>,
) -> Response {
    let retry = |problem: &str| form(&attempt.login, &attempt.user_code, Some(problem));
    let tenant = cloud.tenant().clone();
    if cloud.codes.waiting(&attempt.user_code).is_none() {
        return retry("That code didn’t work. Check the code and try again.");
    }
    let (decision, title, text) = match attempt.judge(&cloud, &tenant, Directory::Common) {
        Verdict::SignedIn(address) => (
            Decision::Approved(address),
            "You have signed in",
            "You have signed in to the application on your device. You may now close this window.",
        ),
        Verdict::Declined => (
            Decision::Declined,
            "You have declined",
            "The application on your device gets no access. You may now close this window.",
        ),
        Verdict::Wrong(problem) => return retry(&problem),
    };
    cloud.codes.decide(&attempt.user_code, decision);
    page::notice(StatusCode::OK, title, text)
}

fn form(account: &str, user_code: &str, problem: Option<&str>) -> Response {
    SignIn {
        app: "the application on your device",
        account,
        problem,
        user_code: Some(user_code),
        yes: ("approve", "Sign in"),
        no: ("decline", "Decline"),
    }
    .into_response()
}
