//! An authority that answers by itself: a rotated refresh token and an hour, or a no to those called
//! `dead` and `blocked`.

use std::collections::HashMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Authority {
    address: SocketAddr,
    arrived: watch::Receiver<usize>,
    behaviour: watch::Sender<Behaviour>,
}

#[derive(Clone, Copy)]
struct Behaviour {
    held: bool,
    rotates: bool,
}

impl Authority {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, arrived) = watch::channel(0);
        let (behaviour, behaves) = watch::channel(Behaviour { held: false, rotates: true });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, count.clone(), behaves.clone()));
            }
        });
        Self { address, arrived, behaviour }
    }

    pub(crate) fn token_endpoint(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// How many requests have come.
    pub(crate) fn requests(&self) -> usize {
        *self.arrived.borrow()
    }

    /// Waits until so many have.
    pub(crate) async fn arrived(&self, count: usize) {
        self.arrived.clone().wait_for(|arrived| *arrived >= count).await.unwrap();
    }

    /// Has requests wait for their answers.
    pub(crate) fn hold(&self) {
        self.behaviour.send_modify(|behaviour| behaviour.held = true);
    }

    /// Ends their wait.
    pub(crate) fn release(&self) {
        self.behaviour.send_modify(|behaviour| behaviour.held = false);
    }

    /// Gives no new refresh tokens any more.
    pub(crate) fn keep_refresh_tokens(&self) {
        self.behaviour.send_modify(|behaviour| behaviour.rotates = false);
    }
}

async fn serve(
    mut stream: TcpStream,
    count: watch::Sender<usize>,
    mut behaves: watch::Receiver<Behaviour>,
) {
    let mut request = Vec::new();
    let form = loop {
        if let Some(form) = form(&request) {
            break form;
        }
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let mut number = 0;
    count.send_modify(|count| {
        *count += 1;
        number = *count;
    });
    let Ok(behaviour) = behaves.wait_for(|behaviour| !behaviour.held).await.map(|now| *now) else {
        return;
    };
    let (status, body) = answer(&form["refresh_token"], number, behaviour);
    let length = body.len();
    let reply = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let _ = stream.write_all(reply.as_bytes()).await;
}

fn answer(refresh_token: &str, number: usize, behaviour: Behaviour) -> (u16, String) {
    match refresh_token {
        "dead" => (400, r#"{"error":"invalid_grant","error_codes":[700082]}"#.to_owned()),
        "blocked" => (400, r#"{"error":"interaction_required","error_codes":[50076]}"#.to_owned()),
        _ if behaviour.rotates => (
            200,
            format!(
                r#"{{"expires_in":3600,"access_token":"a{number}","refresh_token":"r{number}"}}"#
            ),
        ),
        _ => (200, format!(r#"{{"expires_in":3600,"access_token":"a{number}"}}"#)),
    }
}

fn form(request: &[u8]) -> Option<HashMap<String, String>> {
    let text = std::str::from_utf8(request).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let (_, length) = head.split_once("content-length: ")?;
    let length: usize = length.lines().next()?.parse().unwrap();
    (body.len() == length)
        .then(|| url::form_urlencoded::parse(body.as_bytes()).into_owned().collect())
}
