//! The service: listeners, a span for each connection, reload, a graceful stop.

mod bound;
mod certificates;
mod gate;
pub mod proxy;
mod reload;
mod upkeep;
mod way;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::config::{Address, Config};
use crate::relay::Relay;
use crate::store;
use crate::tls;
use bound::Bound;
use gate::{Door, Hall};
use reload::{Fixed, Requests};
use upkeep::{Upkeep, Watch};

pub use bound::{Handed, Spot};
pub use reload::Reloader;
pub use way::engine;

/// A service whose listeners are bound, so that clients can connect.
pub struct Daemon {
    relay: Relay,
    gates: Vec<Gate>,
    upkeep: Upkeep,
    handed: Handed,
    requests: Requests,
    fixed: Fixed,
}

/// The sockets of one address of a listener.
struct Gate {
    address: Address,
    spots: Vec<Spot>,
    /// Until someone attends to them.
    sockets: Vec<Bound>,
    door: watch::Sender<Arc<Door>>,
    closed: CancellationToken,
}

/// Why the service doesn't start, or doesn't take another configuration.
#[derive(Debug)]
pub enum Error {
    /// A trust root is of no use.
    Tls(tls::Error),
    /// The state directory is of no use.
    Store(store::Trouble),
    /// No HTTP client for the authorities.
    Http(reqwest::Error),
    /// An address can't be listened on.
    Bind(Address, io::Error),
    /// The service is stopping.
    Stopping,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => error.fmt(f),
            Self::Store(trouble) => trouble.fmt(f),
            Self::Http(error) => write!(f, "no HTTP client: {error}"),
            Self::Stopping => f.write_str("gatepost is stopping"),
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

/// How often the files of certificates are looked at: before whoever renews one has typed the line that shows
/// it, for two system calls a listener.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(2);

impl Daemon {
    /// Opens the state directory and binds its listeners.
    ///
    /// # Errors
    /// The first thing that is of no use.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        Self::bind_with(config, Handed::default()).await
    }

    /// The same, with the sockets that the service manager has opened.
    ///
    /// # Errors
    /// The first thing that is of no use.
    pub async fn bind_with(config: Config, handed: Handed) -> Result<Self, Error> {
        let (relay, upkeep) = way::relay(&config)?;
        let mut gates = Vec::new();
        for listener in &config.listeners {
            let (door, mode) = (Arc::new(Door::new(listener)), listener.mode);
            for address in &listener.addresses {
                gates.push(Gate::open(address, mode, Arc::clone(&door), &handed).await?);
            }
        }
        let fixed = Fixed::of(&config);
        Ok(Self { relay, gates, upkeep, handed, requests: Requests::default(), fixed })
    }

    /// Where it listens on networks: protocol and address, in the configuration's order.
    pub fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        self.spots().filter_map(|(protocol, spot)| match spot {
            Spot::Network(address) => Some((protocol, *address)),
            Spot::Path(_) => None,
        })
    }

    /// Where it listens: protocol and place, in the configuration's order.
    pub fn spots(&self) -> impl Iterator<Item = (&'static str, &Spot)> {
        self.gates.iter().flat_map(|gate| {
            let protocol = gate.door.borrow().entrance.protocol.name;
            gate.spots.iter().map(move |spot| (protocol, spot))
        })
    }

    /// What gives it other configurations while it runs.
    pub fn reloader(&self) -> Reloader {
        self.requests.reloader()
    }

    /// Serves until `stop`, then takes no more connections, turns away clients that haven't logged in
    /// and gives the others the time of `drain` to end by themselves.
    pub async fn run(self, stop: CancellationToken) {
        let hall = Arc::new(Hall::new(self.relay, stop.clone()));
        let mut service = Service {
            hall,
            gates: self.gates,
            handed: self.handed,
            accepting: TaskTracker::new(),
            upkeep: Watch::over(self.upkeep),
            fixed: self.fixed,
        };
        service.attend();
        service.serve(self.requests, &stop).await;
        service.finish().await;
    }
}

/// A service that runs.
struct Service {
    hall: Arc<Hall>,
    gates: Vec<Gate>,
    handed: Handed,
    accepting: TaskTracker,
    upkeep: Watch,
    fixed: Fixed,
}

impl Service {
    /// Takes connections at the gates where nobody does yet.
    fn attend(&mut self) {
        for gate in &mut self.gates {
            for bound in gate.sockets.drain(..) {
                let door = gate.door.subscribe();
                let protocol = door.borrow().entrance.protocol.name;
                info!(protocol, address = %bound.spot, "listening");
                let (hall, closed) = (Arc::clone(&self.hall), gate.closed.clone());
                self.accepting.spawn(hall.attend(bound, door, closed));
            }
        }
    }

    async fn serve(&mut self, mut requests: Requests, stop: &CancellationToken) {
        let mut look = interval(CERTIFICATES_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The same ones in every configuration.
        let devices = Arc::clone(&self.hall.relay().devices);
        let mut following = pin!(devices.follow());
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = &mut following => {}
                request = requests.next() => self.answer(request).await,
                _ = look.tick() => certificates::refresh(&self.gates).await,
            }
        }
    }

    async fn finish(self) {
        self.upkeep.end();
        for gate in &self.gates {
            gate.close();
        }
        self.accepting.close();
        self.accepting.wait().await;
        let (hall, relay) = (&self.hall, self.hall.relay());
        hall.connections.close();
        info!(open = hall.connections.len(), "stopping");
        if timeout(relay.timeouts.drain, hall.connections.wait()).await.is_err() {
            let open = hall.connections.len();
            warn!(open, "cutting the connections that are still open");
            hall.over.cancel();
            hall.connections.wait().await;
        }
        relay.devices.write_down();
        relay.tokens.finish().await;
    }
}

impl Gate {
    async fn open(
        address: &Address,
        mode: u32,
        door: Arc<Door>,
        handed: &Handed,
    ) -> Result<Self, Error> {
        let sockets = bound::open(address, mode, handed)
            .await
            .map_err(|error| Error::Bind(address.clone(), error))?;
        let spots = sockets.iter().map(|socket| socket.spot.clone()).collect();
        let (door, _) = watch::channel(door);
        Ok(Self {
            address: address.clone(),
            spots,
            sockets,
            door,
            closed: CancellationToken::new(),
        })
    }

    /// Takes no more connections. What is in the file system by us goes with it.
    fn close(&self) {
        self.closed.cancel();
        if let Address::Path(path) = &self.address {
            let _ = std::fs::remove_file(path);
        }
    }
}
