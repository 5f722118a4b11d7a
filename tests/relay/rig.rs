//! gatepost and the stand-in, started for one test.

use std::fmt::Write as _;
use std::net::SocketAddr;

use gatepost::config::Config;
use gatepost::daemon::Daemon;
use gatepost_standin::Standin;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The local user of every mailbox but those a test adds, and its password.
pub(crate) const USER: &str = "scanner";
pub(crate) const PASSWORD: &str = "correct horse";

/// A running gatepost in front of a running stand-in.
pub(crate) struct Rig {
    pub(crate) standin: Standin,
    addresses: Vec<(&'static str, SocketAddr)>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _state: TempDir,
}

/// What a test's configuration differs in.
#[derive(Default)]
pub(crate) struct Difference<'a> {
    /// More keys of both `[[listener]]`s.
    pub(crate) listener: &'a str,
    /// More keys of `[provider.contoso]`.
    pub(crate) provider: &'a str,
    /// Keys in place of the client credentials grant of `[provider.contoso]`.
    pub(crate) grant: Option<String>,
    /// More keys of the `[[mailbox]]`.
    pub(crate) mailbox: String,
    /// More tables.
    pub(crate) tables: &'a str,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::with(Standin::start().await.unwrap(), &Difference::default()).await
    }

    /// gatepost in front of `standin`, by a configuration with `difference`.
    pub(crate) async fn with(standin: Standin, difference: &Difference<'_>) -> Self {
        let state = TempDir::new().unwrap();
        std::fs::write(state.path().join("ca.pem"), standin.ca_pem()).unwrap();
        let path = state.path().join("config.toml");
        std::fs::write(&path, configuration(&standin, difference)).unwrap();
        let config = Config::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let daemon = Daemon::bind(config).await.unwrap();
        let addresses = daemon.addresses().collect();
        let stop = CancellationToken::new();
        let task = tokio::spawn(daemon.run(stop.clone()));
        Self { standin, addresses, stop, task, _state: state }
    }

    pub(crate) fn address(&self, protocol: &str) -> SocketAddr {
        self.addresses.iter().find(|(name, _)| *name == protocol).unwrap().1
    }

    /// A client of the listener for `protocol`, its greeting still unread.
    pub(crate) async fn client(&self, protocol: &str) -> Client {
        Client::new(TcpStream::connect(self.address(protocol)).await.unwrap())
    }

    /// Stops gatepost and returns once it has.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn configuration(standin: &Standin, difference: &Difference<'_>) -> String {
    let mut text = "name = \"gatepost.contoso.example\"\nstate_directory = \"state\"\n[tls]\nca_file = \"ca.pem\"\n".to_owned();
    for protocol in ["imap", "smtp"] {
        let keys = difference.listener;
        writeln!(
            text,
            "[[listener]]\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:0\"\n{keys}"
        )
        .unwrap();
    }
    let grant = difference.grant.clone().unwrap_or_else(|| {
        "client_id = \"aaaaaaaa-0000-4000-8000-000000000001\"\ngrant = \"client_credentials\"\nclient_secret = \"standin-secret-value\"".to_owned()
    });
    let (endpoint, provider) = (standin.token_endpoint(), difference.provider);
    writeln!(text, "[provider.contoso]\npreset = \"microsoft\"\ntoken_endpoint = \"{endpoint}\"\n{grant}\n{provider}").unwrap();
    for (protocol, address) in [("imap", standin.imap()), ("smtp", standin.smtp())] {
        writeln!(
            text,
            "[provider.contoso.{protocol}]\nhost = \"localhost\"\nport = {}",
            address.port()
        )
        .unwrap();
    }
    let mailbox = &difference.mailbox;
    writeln!(text, "[[mailbox]]\naddress = \"scanner@contoso.example\"\nprovider = \"contoso\"\nuser = \"{USER}\"\npassword = \"{PASSWORD}\"\n{mailbox}").unwrap();
    text.push_str(if difference.tables.contains("[timeouts]") {
        ""
    } else {
        "[timeouts]\ndrain = \"1s\"\n"
    });
    text.push_str(difference.tables);
    text
}

/// A program that speaks lines.
pub(crate) struct Client<S = TcpStream> {
    stream: BufReader<S>,
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Sends `line` with its ending.
    pub(crate) async fn say(&mut self, line: &str) {
        self.send(format!("{line}\r\n").as_bytes()).await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next line without its ending; empty at the end of the connection.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// The lines up to the first that starts with `start`, that one included.
    pub(crate) async fn until(&mut self, start: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            assert!(!line.is_empty(), "the connection ended before {start:?}; so far: {lines:?}");
            lines.push(line);
            if lines.last().unwrap().starts_with(start) {
                return lines;
            }
        }
    }

    /// Says `line`; the lines up to the first that starts with `start`.
    pub(crate) async fn ask(&mut self, line: &str, start: &str) -> Vec<String> {
        self.say(line).await;
        self.until(start).await
    }

    /// Whatever comes until the connection ends.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        rest
    }
}
