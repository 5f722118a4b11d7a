//! One connection, from accept to splice, in nine steps.

mod admission;
mod bounds;
mod client;
mod entrance;
mod failures;
mod memory;
mod outcome;
mod places;
mod source;
mod submission;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Span, debug};

use crate::mailbox::{Directory, Mailbox, Service};
use crate::proto::smtp::{self, submission::Mode};
use crate::proto::{
    Cause, Clearance, DownstreamTerms, Offer, Privacy, Probe, Protocol, Ready, Refusal,
    UpstreamTerms,
};
use crate::sasl::Login;
use crate::tls::Trust;
use crate::tokens::{Again, Bearer, Tokens};
use crate::wire::{Halt, Handshake, Patience, Proxy, Socket, Wire, dial, splice};
use client::{Client, report};
use failures::Failures;
use memory::Memory;
pub(crate) use outcome::upstream_refusal;
use outcome::{journal, no_service};
use submission::Lines;

pub use bounds::{Limits, Timeouts};
pub use entrance::{Arrival, Entrance, Opening};
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
    lines: Arc<Lines>,
}

/// What a client whose connection ends is given to take the last word.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Where a login leads.
enum Admitted {
    /// To an open mailbox, to be spliced with.
    Opened(Opened),
    /// To a mailbox that is opened for each message.
    Submission(Arc<Mailbox>),
}

/// What a client that has logged in goes on with.
enum Passage {
    Splice(Wire, Wire, Clearance),
    Submission(Wire, Arc<Mailbox>),
}

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
            lines: Arc::default(),
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
            lines: Arc::clone(&self.lines),
            ..Self::new(name, shared, timeouts, limits)
        }
    }

    /// Serves a client until its connection has ended. `stop` turns it away if it hasn't logged in yet.
    pub async fn serve(&self, entrance: &Entrance, arrival: Arrival, stop: &CancellationToken) {
        let start = Instant::now();
        let Arrival { socket, source, mut place } = arrival;
        // Boxed: what the login needs is given back before the connection's long idle life.
        let through = Box::pin(self.through(entrance, socket, (source, &mut place), stop)).await;
        let (downstream, upstream, clearance) = match through {
            None => return,
            Some(Passage::Splice(downstream, upstream, clearance)) => {
                (downstream, upstream, clearance)
            }
            Some(Passage::Submission(wire, mailbox)) => {
                return Box::pin(self.submit(wire, mailbox, stop)).await;
            }
        };
        let patience =
            Patience { idle: self.timeouts.session_idle, half_closed: self.timeouts.half_closed };
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
    ) -> Option<Passage> {
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
            Ok(Some(Admitted::Opened(Opened { wire, ready }))) => {
                let (downstream, clearance) =
                    client.accept(ready, self.timeouts.session_idle).await?;
                Some(Passage::Splice(downstream, wire, clearance))
            }
            Ok(Some(Admitted::Submission(mailbox))) => {
                Some(Passage::Submission(client.into_wire(), mailbox))
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
    ) -> Result<Option<Admitted>, Halt> {
        client.start_tls(self.timeouts.login_idle).await?;
        for _ in 0..self.limits.failed_logins {
            let Offer::Login(login) = client.offer(self.timeouts.login_idle).await? else {
                return Ok(None);
            };
            // Boxed: a client that hasn't offered a login shouldn't carry the room for one.
            match Box::pin(self.open(client.protocol(), login, (source, place))).await {
                Ok(admitted) => return Ok(Some(admitted)),
                // No room at the mailbox, which is the connection's end in any protocol.
                Err(refusal) if refusal.cause == Cause::TooManyConnections => {
                    return Err(refusal.into());
                }
                Err(refusal) => {
                    client.refuse(&refusal, self.timeouts.login_idle).await?;
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
    ) -> Result<Admitted, Refusal> {
        Span::current().record("user", &login.authcid);
        let mailbox = self.admit(protocol, login, source).await?;
        Span::current().record("mailbox", &mailbox.address);
        place.log_in(&mailbox.address, &self.limits)?;
        if protocol.name == smtp::PROTOCOL.name && mailbox.submission.mode == Mode::Submission {
            let foreseen = self.foresee(protocol, &mailbox).await;
            foreseen.map_err(|refusal| refusal.about(&mailbox.address))?;
            return Ok(Admitted::Submission(mailbox));
        }
        let service = mailbox
            .provider
            .service(protocol.name)
            .ok_or_else(|| no_service(protocol, &mailbox))?;
        let opened = self.reach(protocol, &mailbox, service).await;
        opened.map(Admitted::Opened).map_err(|refusal| refusal.about(&mailbox.address))
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
