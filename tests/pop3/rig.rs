//! gatepost with a POP3 listener in front of the stand-in, and a program that fetches mail.

use std::net::SocketAddr;

use gatepost::config::Config;
use gatepost::daemon::Daemon;
use gatepost_standin::Standin;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const USER: &str = "scanner";
pub(crate) const PASSWORD: &str = "correct horse ";
pub(crate) const MAILBOX: &str = "scanner@contoso.example";

/// A running gatepost in front of a running stand-in.
pub(crate) struct Rig {
    pub(crate) standin: Standin,
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _state: TempDir,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        let standin = Standin::start().await.unwrap();
        let state = TempDir::new().unwrap();
        std::fs::write(state.path().join("ca.pem"), standin.ca_pem()).unwrap();
        let path = state.path().join("config.toml");
        std::fs::write(&path, configuration(&standin)).unwrap();
        let config = Config::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let daemon = Daemon::bind(config).await.unwrap();
        let address = daemon.addresses().next().unwrap().1;
        let stop = CancellationToken::new();
        let task = tokio::spawn(daemon.run(stop.clone()));
        Self { standin, address, stop, task, _state: state }
    }

    /// A client that has read the greeting.
    pub(crate) async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let mut client = Client(BufReader::new(stream));
        assert_eq!(client.line().await, "+OK gatepost.contoso.example gatepost ready");
        client
    }

    /// What the stand-in was told on its POP3 connections.
    pub(crate) fn told(&self) -> Vec<String> {
        let lines = self.standin.dialogue().into_iter();
        lines
            .filter(|line| line.side == gatepost_standin::Side::Client && line.protocol == "pop3")
            .map(|line| line.text)
            .collect()
    }

    /// Stops gatepost and returns once it has.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn configuration(standin: &Standin) -> String {
    let (endpoint, port) = (standin.token_endpoint(), standin.pop3().port());
    format!(
        r#"
        name = "gatepost.contoso.example"
        state_directory = "state"
        [tls]
        ca_file = "ca.pem"
        [timeouts]
        drain = "1s"
        [[listener]]
        protocol = "pop3"
        address = "127.0.0.1:0"
        [provider.contoso]
        preset = "microsoft"
        token_endpoint = "{endpoint}"
        client_id = "aaaaaaaa-0000-4000-8000-000000000001"
        grant = "client_credentials"
        client_secret = "standin-secret-value"
        [provider.contoso.pop3]
        host = "localhost"
        port = {port}
        [[mailbox]]
        address = "{MAILBOX}"
        provider = "contoso"
        user = "{USER}"
        password = "{PASSWORD}"
        "#
    )
}

/// A program that speaks lines.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Says `line`; the first line of the reply.
    pub(crate) async fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.line().await
    }

    /// The next line without its ending; empty at the end of the connection.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// The lines up to the dot, as they are on the wire.
    pub(crate) async fn lines(&mut self) -> Vec<u8> {
        let mut lines = Vec::new();
        loop {
            let start = lines.len();
            assert_ne!(self.0.read_until(b'\n', &mut lines).await.unwrap(), 0);
            if &lines[start..] == b".\r\n" {
                lines.truncate(start);
                return lines;
            }
        }
    }

    /// Logs in with USER and PASS; the answer to the latter.
    pub(crate) async fn log_in(&mut self) -> String {
        assert_eq!(self.ask(&format!("USER {USER}")).await, "+OK Send the password");
        self.ask(&format!("PASS {PASSWORD}")).await
    }

    /// Whatever comes until the connection ends.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.unwrap();
        rest
    }
}
