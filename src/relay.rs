//! One connection, from accept to splice, in nine steps.

mod admission;
mod bounds;
mod client;
mod entrance;
mod failures;
mod memory;
mod places;
mod source;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Span, debug, info, warn};

use crate::mailbox::{Directory, Mailbox, Service};
use crate::proto::{
    Cause, Clearance, DownstreamTerms, Offer, Privacy, Probe, Protocol, Ready, Refusal,
    UpstreamTerms,
};
use crate::sasl::Login;
use crate::tls::Trust;
use crate::tokens::{Again, Bearer, Tokens};
use crate::wire::{End, Halt, Handshake, Patience, Proxy, Socket, Traffic, Wire, dial, splice};
use client::{Client, report};
use failures::Failures;
use memory::Memory;

pub use bounds::{Limits, Timeouts};
pub use entrance::{Arrival, Entrance, Opening, Silence};
pub use places::{Place, Places};
pub use source::Source;

/// What all connections share.
pub struct Relay {
    /// What gatepost calls itself, to clients and upstreams: a domain name or an address literal.
    pub name: String,
    /// Who may log in, and where that leads.
    pub directory: Arc<Directory>,
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
        let Some((downstream, upstream, clearance)) = through else {
            return;
        };
        let Timeouts { session_idle: idle, half_closed, .. } = entrance.silence.over(self.timeouts);
        let patience = Patience { idle, half_closed };
        // Boxed too: a stranger shouldn't carry the room for it.
        let splice = Box::pin(splice(downstream, upstream, clearance, patience));
        let (traffic, end) = splice.await;
        journal(traffic, &end, start.elapsed());
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
    ) -> Option<(Wire, Wire, Clearance)> {
        let privacy = entrance.opening.privacy(&socket, self.timeouts.first_byte).await;
        let terms = self.terms(privacy, self.honoured(entrance));
        let mut client = Client::new(socket, entrance, terms);
        // Pinned: `select!` has room for what it is given twice over.
        let mut login =
            Box::pin(timeout(self.timeouts.login_total, self.log_in(&mut client, source, place)));
        let outcome = tokio::select! {
            outcome = &mut login => outcome.unwrap_or(Err(Halt::TimedOut)),
            () = stop.cancelled() => Err(Refusal::new(Cause::Stopping, "gatepost stops").into()),
        };
        drop(login);
        match outcome {
            Ok(Some(Opened { wire, ready })) => {
                let patience = entrance.silence.over(self.timeouts).session_idle;
                let (downstream, clearance) = client.accept(ready, patience).await?;
                Some((downstream, wire, clearance))
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
            let Offer::Login(login) = client.offer(patience).await? else {
                return Ok(None);
            };
            // Boxed: a client that hasn't offered a login shouldn't carry the room for one.
            match Box::pin(self.open(client.protocol(), login, (source, place))).await {
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
        login: Login,
        (source, place): (Source, &mut Place),
    ) -> Result<Opened, Refusal> {
        Span::current().record("user", &login.authcid);
        let mailbox = self.admit(protocol, login, source).await?;
        Span::current().record("mailbox", &mailbox.address);
        place.log_in(&mailbox.address, &self.limits)?;
        let service = mailbox
            .provider
            .service(protocol.name)
            .ok_or_else(|| no_service(protocol, &mailbox))?;
        let opened = self.reach(protocol, &mailbox, service).await;
        opened.map_err(|refusal| refusal.about(&mailbox.address))
    }

    /// Steps 5 to 7, and once more with another token where the upstream refuses one that was at hand.
    async fn reach(
        &self,
        protocol: &'static Protocol,
        mailbox: &Mailbox,
        service: &Service,
    ) -> Result<Opened, Refusal> {
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
    ) -> Result<Opened, (Refusal, Option<Bearer>)> {
        let (provider, address) = (&mailbox.provider, &mailbox.address);
        let (seed, margin) = (mailbox.seed(), service.margin());
        let bearer = self.tokens.bearer(provider, address, seed, &service.scope, margin);
        let (bearer, mut wire) =
            tokio::try_join!(bearer, self.dial(service)).map_err(|refusal| (refusal, None))?;
        let terms = UpstreamTerms {
            name: self.name.clone(),
            security: service.security,
            identity: mailbox.address.clone(),
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
        Ok(Opened { wire, ready })
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

fn no_service(protocol: &Protocol, mailbox: &Mailbox) -> Refusal {
    let provider = &mailbox.provider.name;
    let explanation =
        format!("the provider {provider:?} has no [provider.{provider}.{}]", protocol.name);
    Refusal::new(Cause::Misconfigured, explanation).about(&mailbox.address)
}

/// What went wrong between gatepost and the mail host, as far as the session didn't say it itself.
pub(crate) fn upstream_refusal(halt: Halt, service: &Service) -> Refusal {
    let Service { host, port, .. } = service;
    let unreachable =
        |what: String| Refusal::new(Cause::UpstreamUnreachable, format!("{host}:{port} {what}"));
    match halt {
        Halt::Refused(refusal) => refusal,
        Halt::Closed => unreachable("closed the connection during the login; it may be overloaded, or the port isn't the protocol's".into()),
        Halt::TimedOut => unreachable("doesn't answer; check that port and security fit, or raise `upstream_reply` under [timeouts]".into()),
        Halt::Tls(error) => unreachable(format!("fails in TLS: {error}; if something on the way replaces certificates, name its root in `ca_file`")),
        Halt::Broken(error) => unreachable(format!("broke the connection: {error}")),
        Halt::Injected => {
            warn!(host, port, "someone between here and the mail host may be injecting commands");
            Refusal::new(Cause::UpstreamProtocol, format!("{host}:{port} sent bytes in clear behind STARTTLS, which only an attacker on the way has use for"))
        }
    }
}

fn journal(traffic: Traffic, end: &End, time: Duration) {
    let Traffic { sent, received } = traffic;
    let seconds = time.as_secs();
    match end {
        End::Finished => info!(sent, received, seconds, "ended"),
        End::Idle => info!(sent, received, seconds, "ended: nothing moved for too long"),
        End::DownstreamBroke(error) => {
            info!(sent, received, seconds, %error, "ended: the client's side broke");
        }
        End::UpstreamBroke(error) => {
            info!(sent, received, seconds, %error, "ended: the service's side broke");
        }
    }
}
