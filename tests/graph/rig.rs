//! A way out through Graph, in front of the stand-in or of a server that a test plays itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use gatepost::config::Config;
use gatepost::graph::{Graph, LIMITS, Verdict};
use gatepost::mailbox::Mailbox;
use gatepost::store::Store;
use gatepost::tls::Trust;
use gatepost::tokens::{Limits, Tokens, http_client};
use gatepost_standin::Standin;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const SCANNER: &str = "scanner@contoso.example";
pub(crate) const ERP: &str = "erp@contoso.example";
pub(crate) const ALICE: &str = "alice@contoso.example";
const APP: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const PUBLIC_APP: &str = "aaaaaaaa-0000-4000-8000-000000000002";

pub(crate) struct Rig {
    pub(crate) standin: Standin,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) graph: Graph,
    /// Seconds that gatepost's clock is ahead.
    pub(crate) ahead: Arc<AtomicU64>,
    _folder: TempDir,
}

impl Rig {
    /// An application's way out through the stand-in's Graph.
    pub(crate) async fn start() -> Self {
        Self::with_keys("").await
    }

    /// The same, with these keys of its mailbox.
    pub(crate) async fn with_keys(keys: &str) -> Self {
        let standin = tenant().await;
        let endpoint = standin.graph();
        Self::with(standin, &endpoint, &app(), keys)
    }

    /// The same, by drafts where a message is large, with the permission for them.
    pub(crate) async fn large() -> Self {
        let standin = tenant().await;
        grant(&standin, "Mail.ReadWrite");
        let endpoint = format!("{}\"\nlarge = true #", standin.graph());
        Self::with(standin, &endpoint, &app(), "")
    }

    /// The same through the Graph at `endpoint`.
    pub(crate) async fn towards(endpoint: &str) -> Self {
        let standin = Standin::start().await.unwrap();
        Self::with(standin, endpoint, &app(), "")
    }

    /// The way out of a person who has signed in.
    pub(crate) async fn person() -> Self {
        let standin = Standin::start().await.unwrap();
        let (endpoint, token) = (standin.graph(), standin.mint_refresh_token(PUBLIC_APP, SCANNER));
        let grant = format!("client_id = \"{PUBLIC_APP}\"\ngrant = \"refresh_token\"");
        Self::with(standin, &endpoint, &grant, &format!("refresh_token = \"{token}\""))
    }

    fn with(standin: Standin, endpoint: &str, grant: &str, keys: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let provider = provider(folder.path(), &standin, endpoint, grant);
        let mailbox = format!("smtp_via = \"graph\"\n{keys}\n");
        let config = configure(folder.path(), &provider, &mailbox).unwrap();
        let trust = Trust::load(&config.ca_files).unwrap();
        let client = |limits: &Limits| http_client(trust.client_config(), limits, None).unwrap();
        let store = Store::open(&config.state_directory).unwrap();
        let ahead = Arc::new(AtomicU64::new(0));
        let hand = Arc::clone(&ahead);
        let clock = move || SystemTime::now() + Duration::from_secs(hand.load(Ordering::SeqCst));
        let (http, limits) = (client(&Limits::default()), Limits::default());
        let tokens = Tokens::with_clock(http, store, limits, Arc::new(clock));
        let graph = Graph::new(client(&LIMITS).usual(), tokens);
        let mailbox = mailbox_of(&config);
        Self { standin, mailbox, graph, ahead, _folder: folder }
    }

    /// Sends a message, in pieces of that many octets.
    pub(crate) async fn send(&self, to: &[&str], message: &[u8], piece: usize) -> Verdict {
        let to: Vec<String> = to.iter().map(|one| (*one).to_owned()).collect();
        let mut letter = match self.graph.begin(Arc::clone(&self.mailbox), &to).await {
            Ok(letter) => letter,
            Err(verdict) => return verdict,
        };
        for octets in message.chunks(piece) {
            letter.write(octets).await;
        }
        letter.send().await
    }

    /// The messages in a folder of the stand-in's.
    pub(crate) fn messages(&self, mailbox: &str, folder: &str) -> Vec<Vec<u8>> {
        let messages = self.standin.store().messages(mailbox, folder);
        messages.iter().map(|message| message.raw.to_vec()).collect()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.standin.counters().graph_requests.count()
    }
}

/// A stand-in whose application has Graph's permission to send.
pub(crate) async fn tenant() -> Standin {
    let standin = Standin::start().await.unwrap();
    grant(&standin, "Mail.Send");
    standin
}

pub(crate) fn grant(standin: &Standin, role: &str) {
    let mut tenant = standin.tenant();
    let app = tenant.apps.iter_mut().find(|app| app.client_id == APP).unwrap();
    app.roles.push(role.to_owned());
}

/// The keys of the provider, and the tables that it and its certificate need.
pub(crate) fn provider(folder: &Path, standin: &Standin, endpoint: &str, grant: &str) -> String {
    std::fs::write(folder.join("ca.pem"), standin.ca_pem()).unwrap();
    let token_endpoint = standin.token_endpoint();
    format!(
        "preset = \"microsoft\"\ntoken_endpoint = \"{token_endpoint}\"\n{grant}\n\
         [provider.contoso.graph]\nendpoint = \"{endpoint}\"\n[tls]\nca_file = \"ca.pem\"\n"
    )
}

pub(crate) fn app() -> String {
    format!(
        "client_id = \"{APP}\"\ngrant = \"client_credentials\"\nclient_secret = \"standin-secret-value\""
    )
}

/// A configuration with these keys of its provider and of its mailbox.
pub(crate) fn configure(folder: &Path, provider: &str, mailbox: &str) -> Result<Config, String> {
    let text = format!(
        "state_directory = \"state\"\n\
         [[listener]]\nprotocol = \"smtp\"\naddress = \"127.0.0.1:0\"\ntls = \"none\"\n\
         [[mailbox]]\naddress = \"{SCANNER}\"\nprovider = \"contoso\"\npassword = \"x\"\n{mailbox}\n\
         [provider.contoso]\n{provider}\n"
    );
    let path = folder.join("config.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path).map_err(|error| error.to_string())
}

pub(crate) fn mailbox_of(config: &Config) -> Arc<Mailbox> {
    let (_, mailbox) = config.directory.mailboxes().next().unwrap();
    Arc::clone(mailbox)
}

/// A server whose every word is the test's.
pub(crate) struct Played(TcpListener);

impl Played {
    pub(crate) async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        (Self(listener), endpoint)
    }

    pub(crate) async fn accept(&self) -> TcpStream {
        self.0.accept().await.unwrap().0
    }
}

/// Reads a request's head, and as much of the body as its length says.
pub(crate) async fn request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let (head, mut body) = head(stream).await;
    let length = head.split_once("content-length: ").unwrap().1;
    let length: usize = length.lines().next().unwrap().parse().unwrap();
    while body.len() < length {
        assert_ne!(stream.read_buf(&mut body).await.unwrap(), 0, "the body breaks off");
    }
    assert_eq!(body.len(), length);
    (head, body)
}

/// Reads a request's head, and what came of the body with it.
pub(crate) async fn head(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut octets = Vec::new();
    loop {
        if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = octets.split_off(end + 4);
            return (String::from_utf8(octets).unwrap().to_lowercase(), body);
        }
        assert_ne!(stream.read_buf(&mut octets).await.unwrap(), 0, "the head breaks off");
    }
}

pub(crate) async fn answer(stream: &mut TcpStream, status: u16, headers: &str, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    stream.write_all(text.as_bytes()).await.unwrap();
}
