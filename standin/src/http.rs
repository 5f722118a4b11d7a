//! HTTP/1.1 on one connection that the caller owns.

use std::future;
use std::io;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::{Router, serve::Listener};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, copy_bidirectional, duplex};

use crate::knobs::AuthorityFailure;

/// Octets between the stream and the HTTP server: no request of the protocols is larger.
const BUFFER: usize = 64 << 10;

/// Serves one connection until it ends. The HTTP server gets one end of a pipe, so that the connection belongs to the
/// caller's task and ends with it.
pub(crate) async fn serve<S>(router: Router, mut stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (mut near, far) = duplex(BUFFER);
    let server = axum::serve(Once(Some(far)), router).into_future();
    tokio::select! {
        copied = copy_bidirectional(&mut stream, &mut near) => copied.map(drop),
        ended = server => ended,
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

impl IntoResponse for AuthorityFailure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response =
            (status, [(CONTENT_TYPE, "application/json")], self.body).into_response();
        if let Some(wait) = self.retry_after.and_then(|wait| wait.parse().ok()) {
            response.headers_mut().insert(RETRY_AFTER, wait);
        }
        response
    }
}
