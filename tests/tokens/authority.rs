//! An authority whose every answer is the test's: a request arrives, the test looks at it and says
//! what comes back, and when.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

pub(crate) struct Authority {
    pub(crate) address: SocketAddr,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
}

/// A request that waits for its answer.
pub(crate) struct Arrival {
    pub(crate) form: HashMap<String, String>,
    answer: oneshot::Sender<Vec<u8>>,
}

impl Authority {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, arrivals) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sender.clone()));
            }
        });
        Self { address, arrivals }
    }

    pub(crate) fn token_endpoint(&self) -> String {
        format!("http://{}/tenant/oauth2/v2.0/token", self.address)
    }

    /// The next request. One that never comes fails the test rather than hanging it.
    pub(crate) async fn next(&mut self) -> Arrival {
        let arrival = timeout(Duration::from_secs(10), self.arrivals.recv());
        arrival.await.expect("no request came").unwrap()
    }

    /// Whether no request waits to be looked at.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.arrivals.try_recv().is_err()
    }
}

impl Arrival {
    pub(crate) fn grant(self, body: &str) {
        self.answer(200, "", body);
    }

    pub(crate) fn answer(self, status: u16, headers: &str, body: &str) {
        let length = body.len();
        self.raw(&format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
        ));
    }

    /// Sends these bytes and closes the connection.
    pub(crate) fn raw(self, bytes: &str) {
        self.answer.send(bytes.as_bytes().to_vec()).unwrap();
    }
}

async fn serve(mut stream: TcpStream, arrivals: mpsc::UnboundedSender<Arrival>) {
    let mut request = Vec::new();
    let form = loop {
        if let Some(form) = body(&request) {
            break form;
        }
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let (answer, answered) = oneshot::channel();
    if arrivals.send(Arrival { form, answer }).is_err() {
        return;
    }
    if let Ok(bytes) = answered.await {
        let _ = stream.write_all(&bytes).await;
    }
}

fn body(request: &[u8]) -> Option<HashMap<String, String>> {
    let text = String::from_utf8(request.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post "));
    assert!(head.contains("content-type: application/x-www-form-urlencoded"));
    let (_, length) = head.split_once("content-length: ")?;
    let length: usize = length.lines().next()?.parse().unwrap();
    (body.len() == length).then(|| {
        let pairs = url::form_urlencoded::parse(body.as_bytes());
        pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    })
}
