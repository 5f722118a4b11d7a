//! gatepost and the stand-in, started for one test.
// Several suites share it, and none needs all of it.
#![allow(dead_code)]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use gatepost::config::Config;
use gatepost::daemon::{Daemon, Error, Reloader};
use gatepost::relay::{Arrival, Entrance, Relay};
use gatepost::store::Store;
use gatepost::tls::Trust;
use gatepost::tokens::{Limits, Tokens, http_client};
use gatepost_standin::{Side, Standin};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::subscriber::DefaultGuard;

use super::client::Client;
use super::journal::Journal;

/// The local user of every mailbox but those a test adds, its password, and the address behind them.
pub(crate) const USER: &str = "scanner";
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const ADDRESS: &str = "scanner@contoso.example";
/// The stand-in's confidential application, and its public one.
pub(crate) const APP: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub(crate) const PUBLIC_APP: &str = "aaaaaaaa-0000-4000-8000-000000000002";

/// `AUTH PLAIN` of that user.
pub(crate) const AUTH_PLAIN: &str = "AUTH PLAIN AHNjYW5uZXIAY29ycmVjdCBob3JzZQ==";

/// A running gatepost in front of a running stand-in.
pub(crate) struct Rig {
    pub(crate) standin: Standin,
    pub(crate) journal: Journal,
    addresses: Vec<(&'static str, SocketAddr)>,
    reloader: Option<Reloader>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    state: TempDir,
    _guard: DefaultGuard,
}

/// What a test's configuration differs in.
#[derive(Default)]
pub(crate) struct Difference<'a> {
    /// More keys of both `[[listener]]`s.
    pub(crate) listener: &'a str,
    /// More keys of the `[[listener]]` for SMTP.
    pub(crate) smtp_listener: &'a str,
    /// More keys of `[provider.contoso]`.
    pub(crate) provider: &'a str,
    /// Keys in place of the client credentials grant of `[provider.contoso]`.
    pub(crate) grant: Option<String>,
    /// The keys of `[provider.contoso.imap]` and `[provider.contoso.smtp]`.
    pub(crate) services: Option<[String; 2]>,
    /// More keys of the `[[mailbox]]`.
    pub(crate) mailbox: String,
    /// More tables.
    pub(crate) tables: &'a str,
}

impl Difference<'_> {
    /// Messages are followed on their way, by more `keys` of the `[[mailbox]]`.
    pub(crate) fn submission(keys: &str) -> Self {
        Self { mailbox: format!("smtp_mode = \"submission\"\n{keys}"), ..Self::default() }
    }
}

/// A clock that a test can put forward.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::with(Standin::start().await.unwrap(), &Difference::default()).await
    }

    /// gatepost with one more table.
    pub(crate) async fn tables(tables: &str) -> Self {
        let difference = Difference { tables, ..Difference::default() };
        Self::with(Standin::start().await.unwrap(), &difference).await
    }

    /// gatepost in front of `standin`, by a configuration with `difference`.
    pub(crate) async fn with(standin: Standin, difference: &Difference<'_>) -> Self {
        Self::on(TempDir::new().unwrap(), standin, difference).await
    }

    async fn on(state: TempDir, standin: Standin, difference: &Difference<'_>) -> Self {
        let (journal, guard) = Journal::here();
        let daemon = Daemon::bind(configure(state.path(), &standin, difference)).await.unwrap();
        let addresses = daemon.addresses().collect();
        let (stop, reloader) = (CancellationToken::new(), Some(daemon.reloader()));
        let task = tokio::spawn(daemon.run(stop.clone()));
        Self { standin, journal, addresses, reloader, stop, task, state, _guard: guard }
    }

    /// A relay without the daemon around it, whose token engine goes by `clock`.
    pub(crate) async fn with_clock(difference: &Difference<'_>, clock: &Clock) -> Self {
        let (journal, guard) = Journal::here();
        let (state, standin) = (TempDir::new().unwrap(), Standin::start().await.unwrap());
        let config = configure(state.path(), &standin, difference);
        let relay = Arc::new(relay(&config, clock.clone()));
        let (mut addresses, stop) = (Vec::new(), CancellationToken::new());
        for listener in &config.listeners {
            let entrance = Arc::new(listener.entrance());
            let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.push((listener.protocol.name, socket.local_addr().unwrap()));
            tokio::spawn(accept(socket, entrance, Arc::clone(&relay), stop.clone()));
        }
        let task = tokio::spawn(stop.clone().cancelled_owned());
        Self { standin, journal, addresses, reloader: None, stop, task, state, _guard: guard }
    }

    /// Gives the running gatepost a configuration with `difference`.
    pub(crate) async fn reload(&self, difference: &Difference<'_>) -> Result<(), Error> {
        let config = configure(self.state.path(), &self.standin, difference);
        self.reloader.as_ref().unwrap().apply(config).await
    }

    /// Stops gatepost and starts it with the same state, by another configuration.
    pub(crate) async fn restart(self, difference: &Difference<'_>) -> Self {
        self.stop.cancel();
        self.task.await.unwrap();
        drop(self._guard);
        Self::on(self.state, self.standin, difference).await
    }

    pub(crate) fn address(&self, protocol: &str) -> SocketAddr {
        self.addresses.iter().find(|(name, _)| *name == protocol).unwrap().1
    }

    /// Where gatepost keeps what survives it.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// A client of the listener for `protocol`, its greeting still unread.
    pub(crate) async fn client(&self, protocol: &str) -> Client {
        Client::new(TcpStream::connect(self.address(protocol)).await.unwrap())
    }

    /// An IMAP client that was greeted, and the answer to its login.
    pub(crate) async fn imap(&self) -> (Client, Vec<String>) {
        let mut client = self.client("imap").await;
        client.until("* OK").await;
        let answer = client.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a ").await;
        (client, answer)
    }

    /// An SMTP client that said EHLO, and the answer to its login.
    pub(crate) async fn smtp(&self) -> (Client, Vec<String>) {
        let mut client = self.client("smtp").await;
        client.until("220 ").await;
        client.ask("EHLO scanner..local", "250 ").await;
        client.say(AUTH_PLAIN).await;
        let answer = client.reply().await;
        (client, answer)
    }

    /// What gatepost has said to the stand-in's mail servers.
    pub(crate) fn said_upstream(&self) -> Vec<String> {
        let lines = self.standin.dialogue();
        lines.into_iter().filter(|line| line.side == Side::Client).map(|line| line.text).collect()
    }

    /// Tells gatepost to stop, and doesn't wait until it has.
    pub(crate) fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Stops gatepost and returns once it has.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn accept(
    socket: TcpListener,
    entrance: Arc<Entrance>,
    relay: Arc<Relay>,
    stop: CancellationToken,
) {
    while let Ok((stream, peer)) = socket.accept().await {
        let (entrance, relay, stop) = (Arc::clone(&entrance), Arc::clone(&relay), stop.clone());
        let place = relay.places.take(peer.into(), &relay.limits).unwrap();
        let arrival = Arrival { socket: stream.into(), source: peer.into(), place };
        tokio::spawn(async move { relay.serve(&entrance, arrival, &stop).await });
    }
}

fn relay(config: &Config, clock: Clock) -> Relay {
    let (trust, limits) = (Trust::load(&config.ca_files).unwrap(), Limits::default());
    let http = http_client(trust.client_config(), &limits, None).unwrap();
    let store = Store::open(&config.state_directory).unwrap();
    let tokens = Tokens::with_clock(http, store, limits, Arc::new(move || clock.now()));
    let shared = (Arc::clone(&config.directory), tokens, trust);
    Relay::new(config.name.clone(), shared, config.timeouts, config.limits)
}

fn configure(folder: &Path, standin: &Standin, difference: &Difference<'_>) -> Config {
    std::fs::write(folder.join("ca.pem"), standin.ca_pem()).unwrap();
    super::certificate::write_certificate(folder);
    let path = folder.join("config.toml");
    std::fs::write(&path, configuration(standin, difference)).unwrap();
    Config::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

fn configuration(standin: &Standin, difference: &Difference<'_>) -> String {
    let mut text = "name = \"gatepost.contoso.example\"\nstate_directory = \"state\"\n[tls]\nca_file = \"ca.pem\"\n".to_owned();
    for protocol in ["imap", "smtp"] {
        let (keys, smtp) = (difference.listener, difference.smtp_listener);
        let more = if protocol == "smtp" { smtp } else { "" };
        writeln!(
            text,
            "[[listener]]\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:0\"\n{keys}\n{more}"
        )
        .unwrap();
    }
    let grant = difference.grant.clone().unwrap_or_else(|| {
        format!("client_id = \"{APP}\"\ngrant = \"client_credentials\"\nclient_secret = \"standin-secret-value\"")
    });
    let (endpoint, provider) = (standin.token_endpoint(), difference.provider);
    writeln!(text, "[provider.contoso]\npreset = \"microsoft\"\ntoken_endpoint = \"{endpoint}\"\n{grant}\n{provider}").unwrap();
    let services = difference.services.clone().unwrap_or_else(|| {
        [standin.imap(), standin.smtp()]
            .map(|address| format!("host = \"localhost\"\nport = {}", address.port()))
    });
    for (protocol, keys) in ["imap", "smtp"].iter().zip(services) {
        writeln!(text, "[provider.contoso.{protocol}]\n{keys}").unwrap();
    }
    text += &mailbox(ADDRESS, USER, &difference.mailbox);
    text.push_str(if difference.tables.contains("[timeouts]") {
        ""
    } else {
        "[timeouts]\ndrain = \"1s\"\n"
    });
    text.push_str(difference.tables);
    text
}

/// A mailbox with the usual password.
pub(crate) fn mailbox(address: &str, user: &str, keys: &str) -> String {
    format!(
        "[[mailbox]]\naddress = \"{address}\"\nprovider = \"contoso\"\nuser = \"{user}\"\npassword = \"{PASSWORD}\"\n{keys}\n"
    )
}

/// A sign-in of the mailbox's owner by the public application, as keys of [`Difference::grant`] and
/// [`Difference::mailbox`].
pub(crate) fn signed_in(refresh_token: &str) -> Difference<'static> {
    let scope = "https://outlook.office365.com/IMAP.AccessAsUser.All https://outlook.office365.com/SMTP.Send offline_access";
    Difference {
        grant: Some(format!(
            "client_id = \"{PUBLIC_APP}\"\ngrant = \"refresh_token\"\nscope = \"{scope}\""
        )),
        mailbox: format!("refresh_token = \"{refresh_token}\""),
        ..Difference::default()
    }
}
