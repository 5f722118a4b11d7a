//! The service: listeners, permits, a span for each connection, a graceful stop.

mod upkeep;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, field, info, info_span, warn};

use crate::config::{Config, Listener};
use crate::graph::{self, Graph};
use crate::mailbox::Via;
use crate::notice::Notices;
use crate::notice::expiry::Expiries;
use crate::relay::{Entrance, Relay};
use crate::store::{self, Announced, Store};
use crate::tls::{self, Trust};
use crate::tokens::{self, Http, Tokens, http_client};
use upkeep::Upkeep;

/// A service whose listeners are bound, so that clients can connect.
pub struct Daemon {
    relay: Arc<Relay>,
    gates: Vec<Gate>,
    permits: Arc<Semaphore>,
    connections: TaskTracker,
    upkeep: Upkeep,
}

struct Gate {
    entrance: Arc<Entrance>,
    socket: TcpListener,
    address: SocketAddr,
}

/// Why the service doesn't start.
#[derive(Debug)]
pub enum Error {
    /// A trust root is of no use.
    Tls(tls::Error),
    /// The state directory is of no use.
    Store(store::Trouble),
    /// No HTTP client for the authorities.
    Http(reqwest::Error),
    /// An address can't be listened on.
    Bind(SocketAddr, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => error.fmt(f),
            Self::Store(trouble) => trouble.fmt(f),
            Self::Http(error) => write!(f, "no HTTP client: {error}"),
            Self::Bind(address, error) => {
                let advice = match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        "; another program listens there: stop it or choose another port"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "; ports below 1024 need the capability CAP_NET_BIND_SERVICE or root"
                    }
                    io::ErrorKind::AddrNotAvailable => "; this machine doesn't have the address",
                    _ => "",
                };
                write!(f, "can't listen on {address}: {error}{advice}")
            }
        }
    }
}

impl std::error::Error for Error {}

/// How many clients at once are told that there is no room; further ones are just closed.
const TURNED_AWAY_AT_ONCE: usize = 64;

/// After a failed accept, mostly for want of file descriptors: long enough not to spin, short enough
/// for a client not to notice.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Daemon {
    /// Opens the state directory and binds its listeners.
    ///
    /// # Errors
    /// The first thing that is of no use.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        let entrances = entrances(&config.listeners);
        let (relay, upkeep) = relay(&config)?;
        let relay = Arc::new(relay);
        let mut gates = Vec::new();
        for (listener, entrance) in config.listeners.iter().zip(entrances) {
            for address in &listener.addresses {
                let socket = TcpListener::bind(address)
                    .await
                    .map_err(|error| Error::Bind(*address, error))?;
                let address = socket.local_addr().map_err(|error| Error::Bind(*address, error))?;
                gates.push(Gate { entrance: Arc::clone(&entrance), socket, address });
            }
        }
        let permits = Arc::new(Semaphore::new(config.limits.connections));
        Ok(Self { relay, gates, permits, connections: TaskTracker::new(), upkeep })
    }

    /// Where it listens: protocol and address, in the configuration's order.
    pub fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        self.gates.iter().map(|gate| (gate.entrance.protocol.name, gate.address))
    }

    /// Serves until `stop`, then takes no more connections, turns away clients that haven't logged in
    /// and gives the others the time of `drain` to end by themselves.
    pub async fn run(self, stop: CancellationToken) {
        let over = CancellationToken::new();
        let accepting = TaskTracker::new();
        let drain = self.relay.timeouts.drain;
        let post = Post {
            relay: self.relay,
            permits: self.permits,
            turned_away: Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE)),
            connections: self.connections,
            stop: stop.clone(),
            over: over.clone(),
        };
        for gate in self.gates {
            info!(protocol = gate.entrance.protocol.name, address = %gate.address, "listening");
            accepting.spawn(post.clone().accept(gate));
        }
        tokio::select! {
            () = self.upkeep.run() => {}
            () = stop.cancelled() => {}
        }
        accepting.close();
        accepting.wait().await;
        post.connections.close();
        let open = post.connections.len();
        info!(open, "stopping");
        if timeout(drain, post.connections.wait()).await.is_err() {
            warn!(open = post.connections.len(), "cutting the connections that are still open");
            over.cancel();
            post.connections.wait().await;
        }
        post.relay.tokens.finish().await;
    }
}

/// What a connection of each listener has to know of it.
pub fn entrances(listeners: &[Listener]) -> Vec<Arc<Entrance>> {
    let entrance = |listener: &Listener| Entrance {
        protocol: listener.protocol,
        privacy: listener.privacy,
        identity: listener.certificate.as_ref().map(|certificate| certificate.identity.clone()),
    };
    listeners.iter().map(|listener| Arc::new(entrance(listener))).collect()
}

fn relay(config: &Config) -> Result<(Relay, Upkeep), Error> {
    let Way { http, store, limits, trust } = Way::prepare(config)?;
    let announced = Arc::new(Announced::open(&config.state_directory));
    let notices = Notices::start(config.hooks.clone(), Arc::clone(&announced), http.usual());
    let clock: tokens::Clock = Arc::new(SystemTime::now);
    let tokens = Tokens::with_notices(http, store, limits, (clock, notices.clone()));
    let expiries = Expiries::new(config.expiries.clone(), announced, notices);
    let upkeep = Upkeep::new(tokens.clone(), &config.directory, expiries);
    let graph = graph(config, &trust, &tokens)?;
    let shared = (Arc::clone(&config.directory), tokens, trust);
    let mut relay = Relay::new(config.name.clone(), shared, config.timeouts, config.limits);
    relay.proxy.clone_from(&config.proxy);
    relay.graph = graph;
    Ok((relay, upkeep))
}

/// The way to Graph, where a mailbox needs it.
fn graph(config: &Config, trust: &Trust, tokens: &Tokens) -> Result<Option<Graph>, Error> {
    if !config.directory.ways().contains(&Via::Graph) {
        return Ok(None);
    }
    let http = http_client(trust.client_config(), &graph::LIMITS, config.proxy.as_ref());
    Ok(Some(Graph::new(http.map_err(Error::Http)?.usual(), tokens.clone())))
}

/// The token engine of a configuration, for a command that ends soon, and the certificates that it
/// believes.
///
/// # Errors
/// Trust roots or a state directory that are of no use.
pub fn engine(config: &Config) -> Result<(Tokens, Trust), Error> {
    let Way { http, store, limits, trust } = Way::prepare(config)?;
    Ok((Tokens::new(http, store, limits), trust))
}

/// The way to authorities and sign-ins, as a configuration has it.
struct Way {
    http: Http,
    store: Store,
    limits: tokens::Limits,
    trust: Trust,
}

impl Way {
    fn prepare(config: &Config) -> Result<Self, Error> {
        let trust = Trust::load(&config.ca_files).map_err(Error::Tls)?;
        let limits = tokens::Limits {
            connect: config.timeouts.connect,
            total: config.timeouts.token_request,
            body: config.limits.token_response,
            ..tokens::Limits::default()
        };
        let http = http_client(trust.client_config(), &limits, config.proxy.as_ref())
            .map_err(Error::Http)?;
        let store =
            Store::open_with(config.sign_ins(), config.store_key.clone()).map_err(Error::Store)?;
        Ok(Self { http, store, limits, trust })
    }
}

/// What an accept loop needs.
#[derive(Clone)]
struct Post {
    relay: Arc<Relay>,
    permits: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
    connections: TaskTracker,
    stop: CancellationToken,
    over: CancellationToken,
}

impl Post {
    async fn accept(self, gate: Gate) {
        loop {
            let accepted = tokio::select! {
                accepted = gate.socket.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(&gate, stream, peer),
                Err(error) => {
                    warn!(%error, "can't accept a connection; if it says too many open files, raise LimitNOFILE");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, gate: &Gate, stream: TcpStream, peer: SocketAddr) {
        let (relay, entrance) = (Arc::clone(&self.relay), Arc::clone(&gate.entrance));
        let span = span(&entrance, peer);
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            let (stop, over) = (self.stop.clone(), self.over.clone());
            let served = async move {
                let _permit = permit;
                tokio::select! {
                    () = relay.serve(&entrance, stream, &stop) => {}
                    () = over.cancelled() => {}
                }
            };
            self.connections.spawn(served.instrument(span));
        } else if let Ok(permit) = Arc::clone(&self.turned_away).try_acquire_owned() {
            let told = async move {
                let _permit = permit;
                relay.turn_away(&entrance, stream).await;
            };
            self.connections.spawn(told.instrument(span));
        }
    }
}

/// The span of a connection; what its login shows is recorded later.
fn span(entrance: &Entrance, peer: SocketAddr) -> Span {
    static CONNECTIONS: AtomicU64 = AtomicU64::new(1);
    let session = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let protocol = entrance.protocol.name;
    info_span!("session", session, protocol, %peer, user = field::Empty, mailbox = field::Empty)
}
