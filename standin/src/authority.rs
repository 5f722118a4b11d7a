//! The authority: the token endpoint of an Entra tenant over HTTPS, and what else a mail server may ask it.

mod aadsts;
mod disturbance;
mod grants;
mod introspection;
mod request;
mod scope;

use std::future;
use std::io;
use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::{Router, serve::Listener};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, copy_bidirectional, duplex};

use crate::cloud::Cloud;
use aadsts::Refusal;
use request::Request;

/// Octets between the TLS stream and the HTTP server: no request of the protocol is larger.
const BUFFER: usize = 64 << 10;

/// The HTTP side of the stand-in.
#[derive(Clone)]
pub(crate) struct Authority(Router);

impl Authority {
    pub(crate) fn new(cloud: &Arc<Cloud>) -> Self {
        let router = Router::new()
            .route("/{tenant}/oauth2/v2.0/token", post(token).get(token_by_get))
            .route("/{tenant}/v2.0/.well-known/openid-configuration", get(configuration))
            .route("/introspect", post(introspection::introspect))
            .route("/tokeninfo", get(introspection::token_info))
            .with_state(Arc::clone(cloud));
        Self(router)
    }

    /// Serves one connection until it ends. The HTTP server gets one end of a pipe, so that the connection belongs to the
    /// caller's task and ends with it.
    pub(crate) async fn serve<S>(&self, mut stream: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let (mut near, far) = duplex(BUFFER);
        let server = axum::serve(Once(Some(far)), self.0.clone()).into_future();
        tokio::select! {
            copied = copy_bidirectional(&mut stream, &mut near) => copied.map(drop),
            ended = server => ended,
        }
    }
}

/// A listener that accepts one connection.
struct Once(Option<DuplexStream>);

impl Listener for Once {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.take() {
            Some(stream) => (stream, ()),
            None => future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

async fn token(
    State(cloud): State<Arc<Cloud>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    form: Result<Form<request::Fields>, FormRejection>,
) -> Response {
    cloud.counters.token_requests.increment();
    if let Some(response) = disturbance::strike(&cloud).await {
        return response;
    }
    let answer = form
        .map_err(|_| Refusal::missing("grant_type"))
        .and_then(|Form(fields)| Request::read(&tenant, &headers, fields))
        .and_then(|request| grants::grant(&cloud, &request));
    match answer {
        Ok(answer) => ([(CACHE_CONTROL, "no-store, no-cache")], Json(answer)).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn token_by_get() -> Refusal {
    Refusal::new(900_561)
}

/// OpenID Connect Discovery 1.0, as far as a client of the mail protocols reads it.
async fn configuration(Path(tenant): Path<String>, headers: HeaderMap, uri: Uri) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host
        .or_else(|| uri.authority().map(axum::http::uri::Authority::as_str))
        .unwrap_or("localhost");
    let base = format!("https://{host}/{tenant}");
    let document = json!({
        "issuer": format!("{base}/v2.0"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "introspection_endpoint": format!("https://{host}/introspect"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    Json(document).into_response()
}
