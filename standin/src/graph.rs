//! Microsoft Graph, as far as it sends mail: `sendMail`, drafts, and upload sessions for large attachments.

mod caller;
mod draft;
mod drafts;
mod fields;
mod pace;
mod refusal;
mod send;
mod upload;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post, put};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use crate::cloud::Cloud;
use crate::entropy;
use crate::http;
use refusal::Refusal;

pub(crate) use drafts::Drafts;
pub(crate) use pace::Pace;

/// Serves one connection until it ends.
pub(crate) async fn serve<S>(stream: S, cloud: Arc<Cloud>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let router = Router::new()
        .nest("/v1.0/me", mailbox())
        .nest("/v1.0/users/{user}", mailbox())
        .route("/upload/{session}", put(upload::range))
        .fallback(|| async { Refusal::unknown_segment() })
        .layer(middleware::from_fn_with_state(Arc::clone(&cloud), disturbed))
        .with_state(cloud);
    http::serve(router, stream).await
}

/// What can be done with one mailbox.
fn mailbox() -> Router<Arc<Cloud>> {
    Router::new()
        .route("/sendMail", post(send::send_mail))
        .route("/messages", post(send::create_draft))
        .route("/messages/{message}", delete(send::delete_draft))
        .route("/messages/{message}/send", post(send::send_draft))
        .route("/messages/{message}/attachments", post(upload::attach))
        .route("/messages/{message}/attachments/createUploadSession", post(upload::create))
}

/// Counts the request, and answers it as the knobs say, if they do. The answer has a name.
async fn disturbed(State(cloud): State<Arc<Cloud>>, request: Request, next: Next) -> Response {
    cloud.counters.graph_requests.increment();
    let (delay, rate, failure) = {
        let mut knobs = cloud.knobs();
        (knobs.graph_delay, knobs.graph_rate, knobs.take_graph_failure())
    };
    if !delay.is_zero() {
        sleep(delay).await;
    }
    let failure = failure.or_else(|| cloud.pace.throttle(rate?));
    let mut response = match failure {
        Some(failure) => failure.into_response(),
        None => next.run(request).await,
    };
    if let Ok(id) = HeaderValue::from_str(&entropy::guid()) {
        response.headers_mut().insert("request-id", id);
    }
    response
}
