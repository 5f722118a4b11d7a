//! Where connections come in: who is let through, and where that leads.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, debug, field, info, info_span, warn};

use super::bound::Bound;
use super::proxy;
use crate::config::{Listener, Proxies};
use crate::relay::{Arrival, Entrance, Relay, Source};
use crate::wire::Socket;

/// What holds for the connections of a listener. A reload puts another in its place.
pub(super) struct Door {
    pub(super) entrance: Entrance,
    from: Option<Vec<IpNet>>,
    proxies: Proxies,
    sent_away: SentAway,
}

/// What all gates lead to.
pub(super) struct Hall {
    pub(super) relay: RwLock<Arc<Relay>>,
    /// For those who are told that there is no room; more are just closed.
    told: Arc<Semaphore>,
    /// For connections whose proxy hasn't said yet where the client is.
    announced: Arc<Semaphore>,
    pub(super) connections: TaskTracker,
    /// Turns away who hasn't logged in.
    pub(super) stop: CancellationToken,
    /// Cuts who is left.
    pub(super) over: CancellationToken,
}

/// How many clients at once are told that there is no room; further ones are just closed.
const TOLD_AT_ONCE: usize = 64;

/// A proxy's header comes with the connection: so many wait for one only where something is wrong.
const ANNOUNCED_AT_ONCE: usize = 1024;

/// After a failed accept, mostly for want of file descriptors: long enough not to spin, short enough
/// for a client not to notice.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Hall {
    pub(super) fn new(relay: Relay, stop: CancellationToken) -> Self {
        Self {
            relay: RwLock::new(Arc::new(relay)),
            told: Arc::new(Semaphore::new(TOLD_AT_ONCE)),
            announced: Arc::new(Semaphore::new(ANNOUNCED_AT_ONCE)),
            connections: TaskTracker::new(),
            stop,
            over: CancellationToken::new(),
        }
    }

    pub(super) fn relay(&self) -> Arc<Relay> {
        Arc::clone(&self.relay.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the connections at `bound` until `closed`.
    pub(super) async fn attend(
        self: Arc<Self>,
        bound: Bound,
        door: watch::Receiver<Arc<Door>>,
        closed: CancellationToken,
    ) {
        loop {
            let accepted = tokio::select! {
                accepted = bound.accept() => accepted,
                () = closed.cancelled() => return,
            };
            let door = Arc::clone(&door.borrow());
            match accepted {
                Ok((socket, source)) if door.proxies == Proxies::None => {
                    self.admit(door, socket, source);
                }
                Ok((socket, proxy)) => self.hear(door, socket, proxy),
                Err(error) => {
                    warn!(%error, "can't accept a connection; if it says too many open files, raise LimitNOFILE");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Hears from a proxy where the client is.
    fn hear(self: &Arc<Self>, door: Arc<Door>, mut socket: Socket, proxy: Source) {
        if !door.proxies.include(proxy.ip()) {
            door.sent_away.note(proxy, "`proxy_from`");
            return;
        }
        let Ok(permit) = Arc::clone(&self.announced).try_acquire_owned() else {
            warn!(%proxy, "too many connections of proxies are without a PROXY header");
            return;
        };
        let hall = Arc::clone(self);
        self.connections.spawn(async move {
            let heard = tokio::select! {
                heard = proxy::read(&mut socket) => heard,
                () = hall.stop.cancelled() => return,
            };
            drop(permit);
            match heard {
                Ok(client) => hall.admit(door, socket, client.map_or(proxy, Source::from)),
                // What a load balancer does to see whether anyone listens.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    debug!(%proxy, "the proxy left without a PROXY header");
                }
                Err(error) => {
                    info!(%proxy, %error, "no PROXY header, which proxy_protocol = true demands");
                }
            }
        });
    }

    fn admit(self: &Arc<Self>, door: Arc<Door>, socket: Socket, source: Source) {
        if !door.lets_in(source) {
            door.sent_away.note(source, "`from`");
            return;
        }
        let (hall, relay, span) = (Arc::clone(self), self.relay(), span(&door.entrance, source));
        match relay.places.take(source, &relay.limits) {
            Ok(place) => {
                let arrival = Arrival { socket, source, place };
                let served = async move {
                    // Pinned: `select!` has room for what it is given twice over.
                    let mut served = pin!(relay.serve(&door.entrance, arrival, &hall.stop));
                    tokio::select! {
                        () = &mut served => {}
                        () = hall.over.cancelled() => {}
                    }
                };
                self.connections.spawn(served.instrument(span));
            }
            Err(refusal) => {
                let Ok(permit) = Arc::clone(&self.told).try_acquire_owned() else {
                    return;
                };
                let told = async move {
                    relay.turn_away(&door.entrance, socket, refusal).await;
                    drop(permit);
                };
                self.connections.spawn(told.instrument(span));
            }
        }
    }
}

impl Door {
    pub(super) fn new(listener: &Listener) -> Self {
        Self {
            entrance: listener.entrance(),
            from: listener.from.clone(),
            proxies: listener.proxies.clone(),
            sent_away: SentAway::default(),
        }
    }

    /// Whether `from` has a place for the client. This machine's sockets have permissions instead.
    fn lets_in(&self, source: Source) -> bool {
        let (Some(networks), Some(ip)) = (&self.from, source.ip()) else {
            return true;
        };
        networks.iter().any(|network| network.contains(&ip))
    }
}

/// Connections closed for where they came from. Anyone can cause them, so the journal hears of them
/// once in a while only.
#[derive(Default)]
struct SentAway(Mutex<(u64, Option<Instant>)>);

/// Often enough to notice a device whose network is missing, rare enough for a journal under a scan.
const ONCE_IN: Duration = Duration::from_secs(60);

impl SentAway {
    fn note(&self, source: Source, setting: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = &mut *state;
        *count += 1;
        if last.is_some_and(|last| last.elapsed() < ONCE_IN) {
            return;
        }
        *last = Some(Instant::now());
        let from = source.ip().map_or_else(|| source.to_string(), |ip: IpAddr| ip.to_string());
        info!(%from, connections = std::mem::take(count), "connection closed: not in {setting} of the listener");
    }
}

/// The span of a connection; what its login shows is recorded later.
fn span(entrance: &Entrance, peer: Source) -> Span {
    static CONNECTIONS: AtomicU64 = AtomicU64::new(1);
    let session = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let protocol = entrance.protocol.name;
    info_span!("session", session, protocol, %peer, user = field::Empty, device = field::Empty, mailbox = field::Empty)
}
