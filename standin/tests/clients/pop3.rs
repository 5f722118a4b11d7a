//! A POP3 client that says what it is told, over TCP or TLS.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatepost_standin::{Claims, Standin};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::tls;

pub(crate) const APP: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub(crate) const PUBLIC_APP: &str = "aaaaaaaa-0000-4000-8000-000000000002";
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
        Self::over(Box::new(TcpStream::connect(address).await.unwrap())).await
    }

    /// Connects with implicit TLS and reads the greeting.
    pub(crate) async fn tls(standin: &Standin, address: SocketAddr) -> Self {
        Self::over(Box::new(tls::dial(standin, address).await)).await
    }

    async fn over(stream: Box<dyn Stream>) -> Self {
        let stream = BufReader::with_capacity(64 << 10, stream);
        let mut client = Self { stream, greeting: String::new() };
        client.greeting = client.line().await;
        client
    }

    /// Logged in as the mailbox, on the port without TLS.
    pub(crate) async fn logged_in(standin: &Standin, mailbox: &str) -> Self {
        let mut client = Self::plain(standin.pop3_plain()).await;
        let reply = client.log_in(&app_response(standin, mailbox)).await;
        assert_eq!(reply, "+OK User successfully authenticated.");
        client
    }

    /// The two steps of XOAUTH2, and what comes of them.
    pub(crate) async fn log_in(&mut self, response: &str) -> String {
        assert_eq!(self.ask("AUTH XOAUTH2").await, "+ ");
        self.ask(response).await
    }

    /// Says a line and gives the first line of the reply.
    pub(crate) async fn ask(&mut self, line: &str) -> String {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
        self.line().await
    }

    /// Says a line and gives what stands between the status and the dot, as it is on the wire.
    pub(crate) async fn ask_for_lines(&mut self, line: &str) -> Vec<u8> {
        let status = self.ask(line).await;
        assert!(status.starts_with("+OK"), "{status}");
        let mut lines = Vec::new();
        loop {
            let start = lines.len();
            assert_ne!(self.stream.read_until(b'\n', &mut lines).await.unwrap(), 0);
            if &lines[start..] == b".\r\n" {
                lines.truncate(start);
                return lines;
            }
        }
    }

    /// The next line without its end; empty at the end of the stream.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return line;
        }
        line.strip_suffix("\r\n").expect("a line ends in CRLF").to_owned()
    }

    /// Whether nothing comes but a close, with the goodbye of TLS if there is any.
    pub(crate) async fn ended_properly(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]).await, Ok(0))
    }
}

/// The initial response of XOAUTH2 in base64.
pub(crate) fn response(mailbox: &str, token: &str) -> String {
    STANDARD.encode(format!("user={mailbox}\x01auth=Bearer {token}\x01\x01"))
}

/// The same with a good app-only token.
pub(crate) fn app_response(standin: &Standin, mailbox: &str) -> String {
    response(mailbox, &standin.issue_token(Claims::app(APP, &["POP.AccessAsApp"])))
}
