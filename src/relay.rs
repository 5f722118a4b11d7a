//! One connection, from accept to splice, in nine steps.

mod admission;
mod bounds;
mod client;
mod devices;
mod ending;
mod entrance;
mod explanation;
mod failures;
mod memory;
mod places;
mod source;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Span, debug};

use crate::mailbox::{Admitted, Directory, Mailbox, Service, Visit};
use crate::proto::{
    Cause, Clearance, DownstreamTerms, Offer, Privacy, Probe, Protocol, Ready, Refusal,
    UpstreamTerms,
};
use crate::tls::Trust;
use crate::tokens::{Again, Bearer, Tokens};
use crate::wire::{Halt, Handshake, Patience, Proxy, Socket, Wire, dial, splice};
use client::{Client, report};
use devices::Badge;
use ending::journal;
use explanation::no_service;
use failures::Failures;
use memory::Memory;

pub use bounds::{Limits, Timeouts};
pub use devices::LiveDevices;
pub use entrance::{Arrival, Entrance, Opening, Silence};
pub(crate) use explanation::upstream_refusal;
pub use places::{Place, Places};
pub use source::Source;

/// What all connections share.
pub struct Relay {
    /// What gatepost calls itself, to clients and upstreams: a domain name or an address literal.
    pub name: String,
    /// Who may log in, and where that leads.
    pub directory: Arc<Directory>,
    /// The device passwords beside those of the directory; none unless set.
    pub devices: Arc<LiveDevices>,
    /// Where access tokens come from.
    pub tokens: Tokens,
    /// Which upstreams are believed.
    pub trust: Trust,
    /// What upstreams are reached through, if anything.
    pub proxy: Option<Proxy>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How much to take.
    pub limits: Limits,
    /// The connections that are open.
    pub places: Places,
    password_checks: Arc<Semaphore>,
    memory: Arc<Memory>,
    failures: Arc<Failures>,
}

/// What a client whose connection ends is given to take the last word.
const LAST_WORD: Duration = Duration::from_secs(2);

/// An open mailbox: what steps 4 to 7 come to.
struct Opened {
    wire: Wire,
    ready: Ready,
    badge: Option<Badge>,
}

/// A connection whose mailbox is open, and the client knows.
struct Passage {
    downstream: Wire,
    upstream: Wire,
    clearance: Clearance,
    badge: Option<Badge>,
}

impl Relay {
    /// A relay that has no connections yet.
    pub fn new(
        name: String,
        (directory, tokens, trust): (Arc<Directory>, Tokens, Trust),
        timeouts: Timeouts,
        limits: Limits,
    ) -> Self {
        let password_checks = Arc::new(Semaphore::new(limits.password_checks));
        Self {
            name,
            directory,
            devices: Arc::default(),
            tokens,
            trust,
            proxy: None,
            timeouts,
            limits,
            places: Places::default(),
            password_checks,
            memory: Arc::default(),
            failures: Arc::default(),
        }
    }

    /// The same relay for another configuration: what it holds and has learned stays.
    #[must_use]
    pub fn reconfigured(
        &self,
        name: String,
        (directory, trust): (Arc<Directory>, Trust),
        timeouts: Timeouts,
        limits: Limits,
    ) -> Self {
        let shared = (directory, self.tokens.clone(), trust);
        Self {
            devices: Arc::clone(&self.devices),
            places: self.places.clone(),
            memory: Arc::clone(&self.memory),
            failures: Arc::clone(&self.failures),
            ..Self::new(name, shared, timeouts, limits)
        }
    }

    /// Serves a client until its connection has ended. `stop` turns it away if it hasn't logged in yet.
    pub async fn serve(&self, entrance: &Entrance, arrival: Arrival, stop: &CancellationToken) {
        let start = Instant::now();
        let Arrival { socket, source, mut place } = arrival;
        // Boxed: what the login needs is given back before the connection's long idle life.
        let through = Box::pin(self.through(entrance, socket, (source, &mut place), stop)).await;
        let Some(Passage { downstream, upstream, clearance, badge }) = through else {
            return;
        };
        let Timeouts { session_idle: idle, half_closed, .. } = entrance.silence.over(self.timeouts);
        let patience = Patience { idle, half_closed };
        // Boxed too: a stranger shouldn't carry the room for it.
        let mut splice = Box::pin(splice(downstream, upstream, clearance, patience));
        tokio::select! {
            (traffic, end) = &mut splice => journal(traffic, &end, start.elapsed()),
            () = self.devices.cut(badge.as_ref()) => {}
        }
    }

    /// Tells a client in its protocol why there is no room, and closes.
    pub async fn turn_away(&self, entrance: &Entrance, socket: Socket, refusal: Refusal) {
        let privacy = entrance.opening.at_first();
        if privacy == Privacy::Tls {
            // Words in clear don't reach a client that waits for TLS.
            return report(&refusal);
        }
        let client = Client::new(socket, entrance, self.terms(privacy, Vec::new()));
        client.part(Halt::Refused(refusal), LAST_WORD).await;
    }

    async fn through(
        &self,
        entrance: &Entrance,
        socket: Socket,
        (source, place): (Source, &mut Place),
        stop: &CancellationToken,
    ) -> Option<Passage> {
        let privacy = entrance.opening.privacy(&socket, self.timeouts.first_byte).await;
        let terms = self.terms(privacy, self.honoured(entrance));
        let mut client = Client::new(socket, entrance, terms);
        if self.directory.allows(source.ip()) {
            client.waive_login();
        }
        // Pinned: `select!` has room for what it is given twice over.
        let mut login =
            Box::pin(timeout(self.timeouts.login_total, self.log_in(&mut client, source, place)));
        let outcome = tokio::select! {
            outcome = &mut login => outcome.unwrap_or(Err(Halt::TimedOut)),
            () = stop.cancelled() => Err(Refusal::new(Cause::Stopping, "gatepost stops").into()),
        };
        drop(login);
        match outcome {
            Ok(Some(Opened { wire: upstream, ready, badge })) => {
                // It may wait for the client's first command, as long as a splice may for a later one.
                let patience = entrance.silence.over(self.timeouts).session_idle;
                let accepted = client.accept(ready, patience);
                let (downstream, clearance) = tokio::select! {
                    accepted = accepted => accepted?,
                    () = self.devices.cut(badge.as_ref()) => return None,
                };
                Some(Passage { downstream, upstream, clearance, badge })
            }
            Ok(None) => {
                debug!("the client left without a login");
                None
            }
            Err(halt) => {
                client.part(halt, LAST_WORD).await;
                None
            }
        }
    }

    /// Steps 2 to 7, again after a login that led nowhere.
    async fn log_in(
        &self,
        client: &mut Client<'_>,
        source: Source,
        place: &mut Place,
    ) -> Result<Option<Opened>, Halt> {
        let patience = client.silence().over(self.timeouts).login_idle;
        client.start_tls(patience).await?;
        for _ in 0..self.limits.failed_logins {
            let offer = client.offer(patience).await?;
            let (protocol, now) = (client.protocol(), SystemTime::now());
            let visit = Visit { protocol: protocol.name, peer: source.ip(), now };
            // Boxed, both: a client that hasn't offered a login shouldn't carry the room for one.
            let admitted = match offer {
                Offer::Login(login) => Box::pin(self.admit(login, visit, source)).await,
                Offer::Sender(sender) => self.admit_sender(&sender, visit, source),
                Offer::Farewell => return Ok(None),
            };
            let opened = match admitted {
                Ok(admitted) => Box::pin(self.open(protocol, (admitted, visit), place)).await,
                Err(refusal) => Err(refusal),
            };
            match opened {
                Ok(opened) => return Ok(Some(opened)),
                // No room at the mailbox, which is the connection's end in any protocol.
                Err(refusal) if refusal.cause == Cause::TooManyConnections => {
                    return Err(refusal.into());
                }
                Err(refusal) => {
                    client.refuse(&refusal, patience).await?;
                    if refusal.ends_talk() {
                        return Ok(None);
                    }
                }
            }
        }
        Err(Refusal::new(Cause::TooManyFailedLogins, "`failed_logins` under [limits] is reached")
            .into())
    }

    async fn open(
        &self,
        protocol: &'static Protocol,
        (Admitted { mailbox, device }, visit): (Admitted, Visit),
        place: &mut Place,
    ) -> Result<Opened, Refusal> {
        Span::current().record("mailbox", &mailbox.address);
        if let Some(device) = &device {
            Span::current().record("device", device.name.as_str());
            self.devices.used(device, visit.now);
        }
        place.log_in(&mailbox.address, &self.limits)?;
        let service = mailbox
            .provider
            .service(protocol.name)
            .ok_or_else(|| no_service(protocol, &mailbox))?;
        let reached = self.reach(protocol, &mailbox, service).await;
        let (wire, ready) = reached.map_err(|refusal| refusal.about(&mailbox.address))?;
        let badge = device.map(|device| Badge { device, since: visit.now });
        Ok(Opened { wire, ready, badge })
    }

    /// Steps 5 to 7, and once more with another token where the upstream refuses one that was at hand.
    async fn reach(
        &self,
        protocol: &'static Protocol,
        mailbox: &Mailbox,
        service: &Service,
    ) -> Result<(Wire, Ready), Refusal> {
        let (refusal, bearer) = match self.attempt(protocol, mailbox, service).await {
            Ok(opened) => return Ok(opened),
            Err((refusal, bearer)) => (refusal, bearer),
        };
        self.memory.doubt(mailbox, service);
        let refused = bearer.filter(|_| refusal.cause == Cause::TokenRefused);
        if refused.is_none_or(|bearer| self.tokens.refused(&bearer) == Again::Pointless) {
            return Err(refusal);
        }
        debug!(
            reason = refusal.explain(),
            "the upstream refused a token that was at hand; trying a new one"
        );
        self.attempt(protocol, mailbox, service).await.map_err(|(refusal, _)| refusal)
    }

    async fn attempt(
        &self,
        protocol: &'static Protocol,
        mailbox: &Mailbox,
        service: &Service,
    ) -> Result<(Wire, Ready), (Refusal, Option<Bearer>)> {
        let owner = mailbox.owner();
        let (provider, address) = (&mailbox.provider, &owner.address);
        let (seed, margin) = (owner.seed(), service.margin());
        let bearer = self.tokens.bearer(provider, address, seed, &service.scope, margin);
        let (bearer, mut wire) =
            tokio::try_join!(bearer, self.dial(service)).map_err(|refusal| (refusal, None))?;
        let terms = UpstreamTerms {
            name: self.name.clone(),
            security: service.security,
            identity: mailbox.identity(protocol.name).to_owned(),
            token: bearer.token.clone(),
            remembered: self.memory.announced(service),
            probe: if self.memory.is_open(mailbox, service) { Probe::Skip } else { Probe::Mailbox },
            limits: self.limits.session,
        };
        let mut session = (protocol.upstream)(terms);
        let handshake = Handshake::Connect(&self.trust, &service.host);
        let driven = wire.drive(&mut *session, &handshake, self.timeouts.upstream_reply).await;
        let ready = driven.map_err(|halt| (upstream_refusal(halt, service), Some(bearer)))?;
        self.memory.opened(mailbox, service, ready.announced());
        debug!(host = service.host, "the mailbox is open");
        Ok((wire, ready))
    }

    async fn dial(&self, service: &Service) -> Result<Wire, Refusal> {
        let address = (service.host.as_str(), service.port);
        let (trust, proxy) = (&self.trust, self.proxy.as_ref());
        let limit = self.timeouts.connect;
        dial(address, service.security, trust, proxy, limit).await.map_err(|why| {
            Refusal::new(
                Cause::UpstreamUnreachable,
                format!("{}:{} can't be reached: {why}", service.host, service.port),
            )
        })
    }

    fn terms(&self, privacy: Privacy, honoured: Vec<String>) -> DownstreamTerms {
        DownstreamTerms { name: self.name.clone(), privacy, honoured, limits: self.limits.session }
    }

    /// What every upstream behind the entrance honours, once all of them have been asked.
    fn honoured(&self, entrance: &Entrance) -> Vec<String> {
        self.memory.honoured(self.directory.services(entrance.protocol.name))
    }
}
