//! The authority over HTTPS: the token endpoints and sign-in pages of an Entra tenant and of Google, and what else a mail
//! server may ask them.

mod aadsts;
mod assertion;
mod authorize;
mod client;
mod device;
mod directory;
mod discovery;
mod disturbance;
mod google;
mod grants;
mod introspection;
mod page;
mod redirect;
mod request;
mod scope;
mod sign_in;
mod version1;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, Path, Request as HttpRequest, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, DATE};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::calendar::{Utc, unix};
use crate::cloud::Cloud;
use crate::http;
use crate::tenant::NationalCloud;
use aadsts::Refusal;
use directory::Place;
use request::Request;

pub(crate) use grants::lifetime;
pub(crate) use scope::known as resource;

/// The HTTP side of the stand-in.
#[derive(Clone)]
pub(crate) struct Authority(Router);

impl Authority {
    pub(crate) fn new(cloud: &Arc<Cloud>) -> Self {
        let router = Router::new()
            .merge(entra(NationalCloud::Global))
            .nest(NationalCloud::UsGovernment.prefix(), entra(NationalCloud::UsGovernment))
            .nest(NationalCloud::China.prefix(), entra(NationalCloud::China))
            .nest("/google", google::router())
            .route("/introspect", post(introspection::introspect))
            .route("/tokeninfo", get(introspection::token_info))
            .layer(middleware::from_fn_with_state(Arc::clone(cloud), dated))
            .with_state(Arc::clone(cloud));
        Self(router)
    }

    /// Serves one connection until it ends.
    pub(crate) async fn serve<S>(&self, stream: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        http::serve(self.0.clone(), stream).await
    }
}

/// The authority of one national cloud.
fn entra(cloud: NationalCloud) -> Router<Arc<Cloud>> {
    Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(token).get(token_by_get))
        .route("/{tenant}/oauth2/token", post(token_of_version_1).get(token_by_get))
        .route("/{tenant}/oauth2/v2.0/authorize", get(authorize::show).post(authorize::submit))
        .route("/{tenant}/oauth2/v2.0/devicecode", post(device::ask))
        .route("/device", get(device::show).post(device::submit))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(discovery::entra))
        .layer(Extension(cloud))
}

/// Puts the authority's own time into every answer.
async fn dated(State(cloud): State<Arc<Cloud>>, request: HttpRequest, next: Next) -> Response {
    let mut response = next.run(request).await;
    let date = Utc::at(unix(cloud.knobs().authority_clock_skew)).http();
    if let Ok(date) = date.parse() {
        response.headers_mut().insert(DATE, date);
    }
    response
}

async fn token(
    State(cloud): State<Arc<Cloud>>,
    Extension(national): Extension<NationalCloud>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    form: Result<Form<request::Fields>, FormRejection>,
) -> Response {
    let place = Place { cloud: national, tenant };
    answer(&cloud, place, &headers, form, |request| match request.field("resource") {
        Some(_) => Err(Refusal::new(901_002)),
        None => grants::grant(&cloud, &request),
    })
    .await
}

async fn token_of_version_1(
    State(cloud): State<Arc<Cloud>>,
    Extension(national): Extension<NationalCloud>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    form: Result<Form<request::Fields>, FormRejection>,
) -> Response {
    let place = Place { cloud: national, tenant };
    answer(&cloud, place, &headers, form, |request| version1::grant(&cloud, request)).await
}

async fn answer(
    cloud: &Cloud,
    place: Place,
    headers: &HeaderMap,
    form: Result<Form<request::Fields>, FormRejection>,
    grant: impl FnOnce(Request) -> Result<Value, Refusal>,
) -> Response {
    cloud.counters.token_requests.increment();
    if let Some(response) = disturbance::strike(cloud).await {
        return response;
    }
    let answer = form
        .map_err(|_| Refusal::missing("grant_type"))
        .and_then(|Form(fields)| Request::read(place, headers, fields))
        .and_then(grant);
    match answer {
        Ok(answer) => ([(CACHE_CONTROL, "no-store, no-cache")], Json(answer)).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn token_by_get() -> Refusal {
    Refusal::new(900_561)
}
