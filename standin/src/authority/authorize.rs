//! The authorize page: a person signs in, and the browser carries a code to the application (RFC 6749 section 4.1.1).

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Extension, Form, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};

use super::aadsts::Refusal;
use super::client;
use super::directory::{Directory, Place};
use super::page::{self, SignIn};
use super::redirect;
use super::scope;
use super::sign_in::{Attempt, Verdict};
use crate::cloud::Cloud;
use crate::codes::{Authorization, Challenge};
use crate::entropy;
use crate::tenant::{NationalCloud, Tenant};

/// The query of an authorize request.
pub(super) type Parameters = HashMap<String, String>;

/// Shows the form.
pub(super) async fn show(
    State(cloud): State<Arc<Cloud>>,
    Extension(national): Extension<NationalCloud>,
    Path(tenant): Path<String>,
    Query(query): Query<Parameters>,
) -> Response {
    cloud.counters.authorize_requests.increment();
    let place = Place { cloud: national, tenant };
    let tenant = cloud.tenant().clone();
    match Asked::read(&tenant, &place, &query) {
        Ok(_) if query.get("prompt").is_some_and(|prompt| prompt == "none") => {
            Fault::told(&query, &Refusal::new(50_058)).into_response()
        }
        Ok(asked) => asked.form(None).into_response(),
        Err(fault) => fault.into_response(),
    }
}

/// Takes the form back.
pub(super) async fn submit(
    State(cloud): State<Arc<Cloud>>,
    Extension(national): Extension<NationalCloud>,
    Path(tenant): Path<String>,
    Query(query): Query<Parameters>,
    Form(attempt): Form<Attempt>,
) -> Response {
    cloud.counters.authorize_requests.increment();
    let place = Place { cloud: national, tenant };
    let tenant = cloud.tenant().clone();
    let asked = match Asked::read(&tenant, &place, &query) {
        Ok(asked) => asked,
        Err(fault) => return fault.into_response(),
    };
    match attempt.judge(&cloud, &tenant, asked.directory) {
        Verdict::SignedIn(address) => asked.answer(&cloud, address),
        Verdict::Declined => Fault::told(&query, &Refusal::new(65_004)).into_response(),
        Verdict::Wrong(problem) => {
            SignIn { account: &attempt.login, ..asked.form(Some(&problem)) }.into_response()
        }
    }
}

/// A request that can be answered.
struct Asked<'q> {
    directory: Directory,
    client_id: &'q str,
    redirect_uri: &'q str,
    scope: &'q str,
    challenge: Option<Challenge>,
    query: &'q Parameters,
}

impl<'q> Asked<'q> {
    fn read(tenant: &Tenant, place: &Place, query: &'q Parameters) -> Result<Self, Fault> {
        let directory = place.directory(tenant).map_err(Fault::Shown)?;
        let client_id = required(query, "client_id").map_err(Fault::Shown)?;
        let app = client::registered(tenant, client_id).map_err(Fault::Shown)?;
        let redirect_uri = required(query, "redirect_uri").map_err(Fault::Shown)?;
        if !app.redirect_uris.iter().any(|registered| redirect::allows(registered, redirect_uri)) {
            let text = format!(
                "The redirect URI '{redirect_uri}' specified in the request does not match the redirect URIs configured for the application '{client_id}'."
            );
            return Err(Fault::Shown(Refusal::with_text(50_011, text)));
        }
        let (scope, challenge) =
            wishes(place, query).map_err(|refusal| Fault::told(query, &refusal))?;
        Ok(Self { directory, client_id, redirect_uri, scope, challenge, query })
    }

    fn form<'p>(&'p self, problem: Option<&'p str>) -> SignIn<'p> {
        SignIn {
            app: self.client_id,
            account: self.query.get("login_hint").map_or("", String::as_str),
            problem,
            user_code: None,
            yes: ("sign_in", "Sign in"),
            no: ("cancel", "Cancel"),
        }
    }

    fn answer(self, cloud: &Cloud, address: String) -> Response {
        let lifetime = cloud.knobs().authorization_code_lifetime;
        let authorization = Authorization {
            client_id: self.client_id.into(),
            redirect_uri: self.redirect_uri.into(),
            scope: self.scope.into(),
            nonce: self.query.get("nonce").cloned(),
            challenge: self.challenge,
            address,
        };
        let code = cloud.codes.authorize(authorization, lifetime);
        let session = entropy::guid();
        let mut parameters = vec![("code", code.as_str())];
        if let Some(state) = self.query.get("state") {
            parameters.push(("state", state));
        }
        parameters.push(("session_state", &session));
        found(&redirect::with_query(self.redirect_uri, &parameters))
    }
}

/// A request that can't be answered with a code.
pub(super) enum Fault {
    /// The page says so: nobody knows where else the browser could safely go.
    Shown(Refusal),
    /// The application is told, at this address.
    Told(String),
}

impl Fault {
    /// Tells the application, whose redirect URI was looked at before.
    fn told(query: &Parameters, refusal: &Refusal) -> Self {
        let (error, sentence) = (refusal.error(), refusal.sentence());
        let mut parameters = vec![("error", error), ("error_description", sentence.as_str())];
        if refusal.code() == 65_004 {
            parameters.push(("error_subcode", "cancel"));
        }
        if let Some(state) = query.get("state") {
            parameters.push(("state", state));
        }
        let redirect_uri = query.get("redirect_uri").map_or("", String::as_str);
        Self::Told(redirect::with_query(redirect_uri, &parameters))
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Self::Shown(refusal) => page::notice(
                StatusCode::BAD_REQUEST,
                "Sorry, but we’re having trouble signing you in.",
                &refusal.sentence(),
            ),
            Self::Told(address) => found(&address),
        }
    }
}

/// `302 Found`, which browsers follow with GET.
pub(super) fn found(address: &str) -> Response {
    (StatusCode::FOUND, [(LOCATION, address.to_owned())]).into_response()
}

/// What the application wants, as far as it may be told of its mistakes.
fn wishes<'q>(
    place: &Place,
    query: &'q Parameters,
) -> Result<(&'q str, Option<Challenge>), Refusal> {
    if required(query, "response_type")? != "code" {
        return Err(Refusal::new(700_054));
    }
    if query.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(Refusal::new(70_007));
    }
    let scope = required(query, "scope")?;
    scope::consentable(place.cloud, scope)?;
    Ok((scope, challenge(query)?))
}

/// RFC 7636 section 4.3.
pub(super) fn challenge(query: &Parameters) -> Result<Option<Challenge>, Refusal> {
    let Some(challenge) = query.get("code_challenge") else {
        return Ok(None);
    };
    if !(43..=128).contains(&challenge.len()) {
        return Err(Refusal::new(501_491));
    }
    match query.get("code_challenge_method").map(String::as_str) {
        Some("S256") => Ok(Some(Challenge::S256(challenge.clone()))),
        Some("plain") | None => Ok(Some(Challenge::Plain(challenge.clone()))),
        Some(_) => Err(Refusal::new(50_147)),
    }
}

fn required<'q>(query: &'q Parameters, name: &str) -> Result<&'q str, Refusal> {
    let value = query.get(name).filter(|value| !value.is_empty());
    value.map(String::as_str).ok_or_else(|| Refusal::missing(name))
}
