//! One connection, from accept to splice, in nine steps.

mod client;
mod extensions;
mod memory;
mod outcome;
mod submission;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Span, debug};

use crate::graph::Graph;
use crate::mailbox::{Directory, Mailbox, Service};
use crate::proto::smtp;
use crate::proto::{
    self, Cause, Clearance, DownstreamTerms, Offer, Privacy, Probe, Protocol, Ready, Refusal,
    UpstreamTerms,
};
use crate::sasl::Login;
use crate::tls::{Identity, Trust};
use crate::tokens::{Again, Bearer, Tokens};
use crate::wire::{Halt, Handshake, Patience, Proxy, Wire, dial, splice};
use client::{Client, report};
use memory::Memory;
use outcome::{journal, no_service};
use submission::Lines;

pub(crate) use outcome::upstream_refusal;

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
    /// The way out to upstreams, where it leads through a proxy.
    pub proxy: Option<Proxy>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How much to take.
    pub limits: Limits,
    password_checks: Arc<Semaphore>,
    /// The way out of mailboxes with `smtp_via = "graph"`; there where any has it.
    pub graph: Option<Graph>,
    memory: Memory,
    lines: Lines,
}

/// Where a connection came in.
pub struct Entrance {
    /// The protocol spoken there.
    pub protocol: &'static Protocol,
    /// How private a connection is as it starts; [`Privacy::Tls`] for implicit TLS.
    pub privacy: Privacy,
    /// What to show in a TLS handshake; there wherever TLS is or is offered.
    pub identity: Option<Identity>,
}

/// How long to wait for each thing that may never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection to a mail host or authority, all its addresses together, TLS included.
    pub connect: Duration,
    /// For each reply of an upstream until the mailbox is open.
    pub upstream_reply: Duration,
    /// For an access token: one request to the authority from connect to the last octet.
    pub token_request: Duration,
    /// For a client's next octet before its login.
    pub login_idle: Duration,
    /// For all that a client does before its login succeeds.
    pub login_total: Duration,
    /// For the next octet in either direction once the mailbox is open.
    pub session_idle: Duration,
    /// The same, once one side has said all it had.
    pub half_closed: Duration,
    /// For open connections to end by themselves when gatepost stops.
    pub drain: Duration,
}

/// How much to take before saying no.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// What sessions take.
    pub session: proto::Limits,
    /// Connections open at once, all listeners together.
    pub connections: usize,
    /// Failed logins on one connection.
    pub failed_logins: u32,
    /// Octets of an authority's answer.
    pub token_response: usize,
    /// Passwords being checked at once; each check takes a core and the memory of its hash.
    pub password_checks: usize,
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
            graph: None,
            timeouts,
            limits,
            password_checks,
            memory: Memory::default(),
            lines: Lines::default(),
        }
    }

    /// Serves the client behind `stream` until its connection has ended. `stop` turns away a client
    /// that hasn't logged in yet.
    pub async fn serve(&self, entrance: &Entrance, stream: TcpStream, stop: &CancellationToken) {
        let start = Instant::now();
        // Boxed: what the login needs is given back before the connection's long idle life.
        let through = Box::pin(self.through(entrance, stream, stop)).await;
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
        let (traffic, end) = splice(downstream, upstream, clearance, patience).await;
        journal(traffic, &end, start.elapsed());
    }

    /// Tells a client in its protocol that there is no room, and closes.
    pub async fn turn_away(&self, entrance: &Entrance, stream: TcpStream) {
        let refusal =
            Refusal::new(Cause::TooManyConnections, "`connections` under [limits] is reached");
        if entrance.privacy == Privacy::Tls {
            // Words in clear don't reach a client that waits for TLS.
            return report(&refusal);
        }
        let client = Client::new(stream, entrance, self.terms(entrance, Vec::new()));
        client.part(Halt::Refused(refusal), LAST_WORD).await;
    }

    async fn through(
        &self,
        entrance: &Entrance,
        stream: TcpStream,
        stop: &CancellationToken,
    ) -> Option<Passage> {
        let mut client =
            Client::new(stream, entrance, self.terms(entrance, self.honoured(entrance)));
        let login = timeout(self.timeouts.login_total, self.log_in(&mut client));
        let outcome = tokio::select! {
            outcome = login => outcome.unwrap_or(Err(Halt::TimedOut)),
            () = stop.cancelled() => Err(Refusal::new(Cause::Stopping, "gatepost stops").into()),
        };
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
    async fn log_in(&self, client: &mut Client<'_>) -> Result<Option<Admitted>, Halt> {
        client.start_tls(self.timeouts.login_idle).await?;
        for _ in 0..self.limits.failed_logins {
            let Offer::Login(login) = client.offer(self.timeouts.login_idle).await? else {
                return Ok(None);
            };
            match self.open(client.protocol(), login).await {
                Ok(admitted) => return Ok(Some(admitted)),
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

    async fn open(&self, protocol: &'static Protocol, login: Login) -> Result<Admitted, Refusal> {
        Span::current().record("user", &login.authcid);
        let mailbox = self.admit(login).await?;
        Span::current().record("mailbox", &mailbox.address);
        if protocol.name == smtp::PROTOCOL.name && extensions::is_followed(&mailbox) {
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

    /// Step 4. A password that wasn't seen before is checked on another thread, so many at a time.
    async fn admit(&self, login: Login) -> Result<Arc<Mailbox>, Refusal> {
        if let Some(mailbox) = self.directory.recall(&login) {
            return Ok(mailbox);
        }
        let permit = Arc::clone(&self.password_checks).acquire_owned().await;
        let directory = Arc::clone(&self.directory);
        let check = move || {
            let _permit = permit;
            directory.verify(&login)
        };
        let unchecked =
            |_| Refusal::new(Cause::AuthorityUnavailable, "the password check didn't finish");
        tokio::task::spawn_blocking(check).await.map_err(unchecked)?
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
        let bearer = self.tokens.bearer(
            &mailbox.provider,
            &mailbox.address,
            mailbox.seed(),
            &service.scope,
            service.margin(),
        );
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
        let dialled = dial(address, service.security, trust, proxy, self.timeouts.connect);
        dialled.await.map_err(|why| {
            Refusal::new(
                Cause::UpstreamUnreachable,
                format!("{}:{} can't be reached: {why}", service.host, service.port),
            )
        })
    }

    fn terms(&self, entrance: &Entrance, honoured: Vec<String>) -> DownstreamTerms {
        DownstreamTerms {
            name: self.name.clone(),
            privacy: entrance.privacy,
            honoured,
            limits: self.limits.session,
        }
    }
}
