//! A client that says what it is told, over TCP or TLS.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatepost_standin::{Claims, Standin};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::tls;

pub(crate) const APP: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub(crate) const PUBLIC_APP: &str = "aaaaaaaa-0000-4000-8000-000000000002";
pub(crate) const SCANNER: &str = "scanner@contoso.example";
pub(crate) const ERP: &str = "erp@contoso.example";

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub(crate) struct Client {
    stream: BufReader<Box<dyn Stream>>,
    pub(crate) greeting: String,
}

impl Client {
    /// Connects without TLS and reads the greeting.
    pub(crate) async fn plain(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(Box::new(stream)).await
    }

    /// Connects with implicit TLS and reads the greeting.
    pub(crate) async fn tls(standin: &Standin, address: SocketAddr) -> Self {
        Self::over(Box::new(tls::dial(standin, address).await)).await
    }

    async fn over(stream: Box<dyn Stream>) -> Self {
        let mut client = Self { stream: BufReader::new(stream), greeting: String::new() };
        client.greeting = client.reply().await;
        client
    }

    /// Logged in as the mailbox, on the port without TLS.
    pub(crate) async fn logged_in(standin: &Standin, mailbox: &str) -> Self {
        let mut client = Self::plain(standin.smtp_plain()).await;
        client.ask("EHLO gatepost.contoso.example").await;
        let reply = client.ask(&format!("AUTH XOAUTH2 {}", app_response(standin, mailbox))).await;
        assert_eq!(reply, "235 2.7.0 Authentication successful");
        client
    }

    pub(crate) async fn starttls(mut self, standin: &Standin) -> Self {
        assert_eq!(self.ask("STARTTLS").await, "220 2.0.0 SMTP server ready");
        assert!(self.stream.buffer().is_empty());
        let stream = tls::wrap(standin, "localhost", self.stream.into_inner()).await;
        Self { stream: BufReader::new(Box::new(stream)), greeting: self.greeting }
    }

    pub(crate) async fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Says a line and gives the reply.
    pub(crate) async fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.reply().await
    }

    /// One whole reply, its lines joined by a line feed; empty at the end of the stream.
    pub(crate) async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return reply;
            }
            let line = line.strip_suffix("\r\n").expect("a line ends in CRLF");
            reply.push_str(line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
            reply.push('\n');
        }
    }

    /// Sends a message to its last reply.
    pub(crate) async fn submit(&mut self, sender: &str, recipient: &str, message: &str) -> String {
        assert_eq!(self.ask(&format!("MAIL FROM:<{sender}>")).await, "250 2.1.0 Sender OK");
        assert_eq!(self.ask(&format!("RCPT TO:<{recipient}>")).await, "250 2.1.5 Recipient OK");
        assert_eq!(self.ask("DATA").await, "354 Start mail input; end with <CRLF>.<CRLF>");
        self.ask(&format!("{message}\r\n.")).await
    }

    /// Whether nothing comes but a close, with the goodbye of TLS if there is any.
    pub(crate) async fn ended_properly(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]).await, Ok(0))
    }

    /// What else comes before the other side closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // Closed without a goodbye of TLS, or by a reset, is closed as well.
        let _ = self.stream.read_to_end(&mut rest).await;
        rest
    }
}

/// The initial response of XOAUTH2 in base64.
pub(crate) fn response(mailbox: &str, token: &str) -> String {
    STANDARD.encode(format!("user={mailbox}\x01auth=Bearer {token}\x01\x01"))
}

/// The same with a good app-only token.
pub(crate) fn app_response(standin: &Standin, mailbox: &str) -> String {
    response(mailbox, &standin.issue_token(Claims::app(APP, &["SMTP.SendAsApp"])))
}
