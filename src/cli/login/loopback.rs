//! The port that a browser returns to (RFC 8252 section 7.3), on both loopback addresses: `localhost`
//! may be either.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::{Url, form_urlencoded};

use super::page::{self, Page};
use crate::secret::Secret;

/// Connections at once. A browser makes two or three; whoever else knocks must not keep it out for long.
const CONNECTIONS: usize = 32;

/// Visits that wait to be looked at.
const WAITING: usize = 8;

/// How long a connection may take to say what it wants. Browsers open some on suspicion.
const SPEAK_UP: Duration = Duration::from_secs(10);

/// The longest request. Entra's codes are some 1.5 KiB.
const LONGEST_REQUEST: usize = 16 * 1024;

/// How long the last page may take to its browser.
const LAST_PAGE: Duration = Duration::from_secs(5);

/// The open port.
pub(super) struct Loopback {
    port: u16,
    visits: mpsc::Receiver<Visit>,
    connections: TaskTracker,
    stop: CancellationToken,
}

/// A browser that came back with something that may be the answer, and waits for a page.
pub(super) struct Visit {
    /// Path and query.
    pub(super) place: Secret<String>,
    answer: oneshot::Sender<Page>,
}

impl Visit {
    /// Gives the browser its page.
    pub(super) fn answer(self, page: Page) {
        // It may have gone.
        let _ = self.answer.send(page);
    }
}

impl Loopback {
    /// Listens on the port of `redirect_uri`, or on one that the system picks.
    pub(super) async fn open(redirect_uri: Option<&str>) -> io::Result<Self> {
        let url = redirect_uri.and_then(|uri| Url::parse(uri).ok());
        let wanted = url.and_then(|url| url.port_or_known_default()).unwrap_or(0);
        let (sockets, port) = bind(wanted).await?;
        let (sender, visits) = mpsc::channel(WAITING);
        let (connections, stop) = (TaskTracker::new(), CancellationToken::new());
        let reception = Reception {
            visits: sender,
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
            connections: connections.clone(),
            stop: stop.clone(),
        };
        for socket in sockets {
            tokio::spawn(reception.clone().accept(socket));
        }
        Ok(Self { port, visits, connections, stop })
    }

    /// Where a browser has to be sent back to. Entra lets any port follow this name, and no other.
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The next browser that may have the answer.
    pub(super) async fn visit(&mut self) -> Visit {
        match self.visits.recv().await {
            Some(visit) => visit,
            // Its senders live as long as the port.
            None => std::future::pending().await,
        }
    }

    /// Closes the port once what was answered is sent.
    pub(super) async fn close(mut self) {
        self.visits.close();
        while let Ok(late) = self.visits.try_recv() {
            late.answer(page::stray());
        }
        self.stop.cancel();
        self.connections.close();
        let _ = timeout(LAST_PAGE, self.connections.wait()).await;
    }
}

/// Both loopback addresses at one port; IPv4 alone where there is no IPv6. A port that somebody else has
/// at `::1` is left to them, as a browser might go there with the code.
async fn bind(wanted: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    const TRIES: usize = 16;
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let first = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, wanted))).await?;
        let port = first.local_addr()?.port();
        match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await {
            Ok(second) => return Ok((vec![first, second], port)),
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                return Ok((vec![first], port));
            }
            Err(error) => last = error,
        }
        if wanted != 0 {
            break;
        }
    }
    Err(last)
}

/// Who takes the connections in.
#[derive(Clone)]
struct Reception {
    visits: mpsc::Sender<Visit>,
    permits: Arc<Semaphore>,
    connections: TaskTracker,
    stop: CancellationToken,
}

impl Reception {
    async fn accept(self, socket: TcpListener) {
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            let Ok((stream, _)) = accepted else {
                continue;
            };
            let this = self.clone();
            self.connections.spawn(async move {
                let _permit = permit;
                this.converse(stream).await;
            });
        }
    }

    async fn converse(self, stream: TcpStream) {
        let stop = self.stop.clone();
        let service = service_fn(move |request| {
            let this = self.clone();
            async move { Ok::<_, Infallible>(this.respond(&request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(SPEAK_UP)
            .max_buf_size(LONGEST_REQUEST)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        // Whoever it was has what it could be given.
        let _ = ended;
    }

    /// The page for a request: kept back, where it may be the answer, until that is known.
    async fn respond(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET || !may_be_answer(request.uri().query()) {
            return response(page::nothing());
        }
        let (answer, page) = oneshot::channel();
        let place = Secret::new(request.uri().to_string());
        if self.visits.send(Visit { place, answer }).await.is_err() {
            return response(page::stray());
        }
        response(page.await.unwrap_or_else(|_| page::stray()))
    }
}

/// Whether a query has what every answer has (RFC 6749 sections 4.1.2 and 4.1.2.1): no favicon or
/// probe gets any further.
fn may_be_answer(query: Option<&str>) -> bool {
    let has = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        pairs.any(|(key, _)| key == name)
    };
    has("state") && (has("code") || has("error"))
}

fn response(page: Page) -> Response<Full<Bytes>> {
    let built = Response::builder()
        .status(page.status)
        .header(CONTENT_TYPE, "text/html; charset=utf-8")
        .header(CACHE_CONTROL, "no-store")
        .header(REFERRER_POLICY, "no-referrer")
        .header(CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'")
        .body(Full::new(Bytes::from(page.html)));
    // Every part of it is a constant or a body.
    built.unwrap_or_default()
}
