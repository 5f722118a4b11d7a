//! An IMAP client that says what the test says and understands no more than tags and literals.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_standin::{Claims, Standin};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const APP: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub(crate) const BOB: &str = "bob@contoso.example";

pub(crate) struct Client {
    stream: BufReader<TlsStream<TcpStream>>,
    pub(crate) greeting: String,
    tags: u32,
}

/// The answer to one command.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) untagged: Vec<String>,
    /// The tagged line without its tag.
    pub(crate) verdict: String,
}

impl Answer {
    /// The untagged response that contains `part`.
    #[track_caller]
    pub(crate) fn with(&self, part: &str) -> &str {
        let found = self.untagged.iter().find(|response| response.contains(part));
        found.unwrap_or_else(|| panic!("no {part:?} in {self:?}"))
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.verdict.starts_with("OK"), "{self:?}");
        self
    }
}

impl Client {
    pub(crate) async fn connect(standin: &Standin) -> Self {
        let mut client = Self::connect_silently(standin).await;
        client.greeting = client.line().await;
        client
    }

    pub(crate) async fn connect_silently(standin: &Standin) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(standin.ca_pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(standin.imap()).await.unwrap();
        let name = ServerName::try_from("outlook.office365.com").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        Self { stream: BufReader::new(stream), greeting: String::new(), tags: 0 }
    }

    /// Connected and logged in to bob's mailbox.
    pub(crate) async fn bob(standin: &Standin) -> Self {
        let mut client = Self::connect(standin).await;
        let initial = bearer(BOB, &token(standin));
        client.command(&format!("AUTHENTICATE XOAUTH2 {initial}")).await.ok();
        client
    }

    /// Connected, logged in and INBOX selected.
    pub(crate) async fn inbox(standin: &Standin) -> Self {
        let mut client = Self::bob(standin).await;
        client.command("SELECT INBOX").await.ok();
        client
    }

    pub(crate) async fn command(&mut self, command: &str) -> Answer {
        let tag = self.send_tagged(command).await;
        self.answer(&tag).await
    }

    /// Sends a command and gives its tag.
    pub(crate) async fn send_tagged(&mut self, command: &str) -> String {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(format!("{tag} {command}\r\n").as_bytes()).await;
        tag
    }

    pub(crate) async fn answer(&mut self, tag: &str) -> Answer {
        let mut untagged = Vec::new();
        loop {
            let response = self.response().await;
            match response.strip_prefix(&format!("{tag} ")) {
                Some(verdict) => return Answer { untagged, verdict: verdict.to_owned() },
                None => untagged.push(response),
            }
        }
    }

    pub(crate) async fn send(&mut self, octets: &[u8]) {
        let stream = self.stream.get_mut();
        timeout(PATIENCE, stream.write_all(octets)).await.unwrap().unwrap();
        stream.flush().await.unwrap();
    }

    /// One line without its CRLF.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.stream.read_line(&mut line)).await.unwrap().unwrap();
        assert!(line.ends_with("\r\n"), "not a line: {line:?}");
        line.truncate(line.len() - 2);
        line
    }

    /// One response with the literals in it.
    pub(crate) async fn response(&mut self) -> String {
        let mut response = self.line().await;
        while let Some(length) = announced(&response) {
            let mut literal = vec![0; length];
            timeout(PATIENCE, self.stream.read_exact(&mut literal)).await.unwrap().unwrap();
            response.push_str("\r\n");
            response.push_str(&String::from_utf8_lossy(&literal));
            response.push_str(&self.line().await);
        }
        response
    }

    /// Whether the server has ended the connection without another word.
    pub(crate) async fn is_over(&mut self) -> bool {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.unwrap().unwrap();
        rest.is_empty()
    }
}

/// An access token of the confidential application.
pub(crate) fn token(standin: &Standin) -> String {
    standin.issue_token(Claims::app(APP, &["IMAP.AccessAsApp"]))
}

pub(crate) fn bearer(user: &str, token: &str) -> String {
    STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"))
}

fn announced(line: &str) -> Option<usize> {
    line.strip_suffix('}')?.rsplit_once('{')?.1.parse().ok()
}
