//! One connection, from accept to splice, in nine steps.

mod admission;
mod bounds;
mod client;
mod devices;
mod ending;
mod entrance;
mod explanation;
mod extensions;
mod failures;
mod memory;
mod places;
mod reach;
mod source;
mod submission;
mod turns;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Span, debug};

use crate::graph::Graph;
use crate::mailbox::{Admitted, Directory, Mailbox, Visit};
use crate::proto::smtp::submission::Mode;
use crate::proto::{Cause, Clearance, DownstreamTerms, Offer, Privacy, Protocol, Ready, Refusal};
use crate::tls::Trust;
use crate::tokens::Tokens;
use crate::wire::{Halt, Patience, Proxy, Socket, Wire, splice};
use client::{Client, report};
use devices::Badge;
use ending::journal;
use explanation::no_service;
use extensions::mode;
use failures::Failures;
use memory::Memory;
use submission::Lines;
use turns::Turns;

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
    /// The way out of mailboxes with `smtp_via = "graph"`; there where any has it.
    pub graph: Option<Graph>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How much to take.
    pub limits: Limits,
    /// The connections that are open.
    pub places: Places,
    turns: Turns,
    memory: Arc<Memory>,
    failures: Arc<Failures>,
    lines: Arc<Lines>,
}

/// What a client whose connection ends is given to take the last word.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Where a login leads.
enum Destination {
    /// To an open mailbox, to be spliced with.
    Open(Opened),
    /// To a mailbox that is opened for each message.
    Submission(Arc<Mailbox>, Option<Badge>),
}

/// An open mailbox: what steps 4 to 7 come to.
struct Opened {
    wire: Wire,
    ready: Ready,
    badge: Option<Badge>,
}

/// What a client that has logged in goes on with.
enum Passage {
    Splice(Spliced),
    Submission(Wire, Arc<Mailbox>, Option<Badge>),
}

/// A connection whose mailbox is open, and the client knows.
struct Spliced {
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
        let turns = Turns::new(limits.password_checks);
        Self {
            name,
            directory,
            devices: Arc::default(),
            tokens,
            trust,
            proxy: None,
            graph: None,
            timeouts,
            limits,
            places: Places::default(),
            turns,
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
            devices: Arc::clone(&self.devices),
            places: self.places.clone(),
            memory: Arc::clone(&self.memory),
            failures: Arc::clone(&self.failures),
            lines: Arc::clone(&self.lines),
            ..Self::new(name, shared, timeouts, limits)
        }
    }

    /// Serves a client until its connection has ended. `stop` turns it away if it hasn't logged in yet.
    pub async fn serve(
        &self,
        entrance: &Entrance,
        Arrival { socket, source, mut place }: Arrival,
        stop: &CancellationToken,
    ) {
        let start = Instant::now();
        // Boxed, both: what the login needs is given back before the connection's long idle life, and a
        // stranger doesn't carry the room for that.
        let through = Box::pin(self.through(entrance, socket, (source, &mut place), stop)).await;
        if let Some(passage) = through {
            Box::pin(self.go_on(entrance, passage, start, stop)).await;
        }
    }

    /// Step 9, or what stands in its place.
    async fn go_on(
        &self,
        entrance: &Entrance,
        passage: Box<Passage>,
        start: Instant,
        stop: &CancellationToken,
    ) {
        let Spliced { downstream, upstream, clearance, badge } = match *passage {
            Passage::Splice(spliced) => spliced,
            Passage::Submission(wire, mailbox, badge) => {
                return Box::pin(self.submit(wire, (mailbox, badge), stop)).await;
            }
        };
        let Timeouts { session_idle: idle, half_closed, .. } = entrance.silence.over(self.timeouts);
        let mut splice =
            pin!(splice(downstream, upstream, clearance, Patience { idle, half_closed }));
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
        let client = Client::new(socket, entrance, self.terms(privacy, Arc::default()));
        client.part(Halt::Refused(refusal), LAST_WORD).await;
    }

    async fn through(
        &self,
        entrance: &Entrance,
        socket: Socket,
        (source, place): (Source, &mut Place),
        stop: &CancellationToken,
    ) -> Option<Box<Passage>> {
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
        // Boxed, all that is still to come: a stranger may never get there.
        match outcome {
            Ok(Some(Destination::Open(opened))) => Box::pin(self.accept(client, opened)).await,
            Ok(Some(Destination::Submission(mailbox, badge))) => {
                Some(Box::new(Passage::Submission(client.into_wire(), mailbox, badge)))
            }
            Ok(None) => {
                debug!("the client left without a login");
                None
            }
            Err(halt) => {
                Box::pin(client.part(halt, LAST_WORD)).await;
                None
            }
        }
    }

    /// Step 8.
    async fn accept(
        &self,
        client: Client<'_>,
        Opened { wire: upstream, ready, badge }: Opened,
    ) -> Option<Box<Passage>> {
        // It may wait for the client's first command, as long as a splice may for a later one.
        let patience = client.silence().over(self.timeouts).session_idle;
        let (downstream, clearance) = tokio::select! {
            accepted = client.accept(ready, patience) => accepted?,
            () = self.devices.cut(badge.as_ref()) => return None,
        };
        Some(Box::new(Passage::Splice(Spliced { downstream, upstream, clearance, badge })))
    }

    /// Steps 2 to 7, again after a login that led nowhere.
    async fn log_in(
        &self,
        client: &mut Client<'_>,
        source: Source,
        place: &mut Place,
    ) -> Result<Option<Destination>, Halt> {
        let patience = client.silence().over(self.timeouts).login_idle;
        client.start_tls(patience).await?;
        for _ in 0..self.limits.failed_logins {
            let offer = client.offer(patience).await?;
            // Boxed: a client that hasn't offered a login shouldn't carry the room for one.
            let refusal = match Box::pin(self.follow(client.entrance(), offer, source, place)).await
            {
                Ok(destination) => return Ok(destination),
                // No room at the mailbox, which is the connection's end in any protocol.
                Err(refusal) if refusal.cause == Cause::TooManyConnections => {
                    return Err(refusal.into());
                }
                Err(refusal) => refusal,
            };
            client.refuse(&refusal, patience).await?;
            if refusal.ends_talk() {
                return Ok(None);
            }
        }
        Err(Refusal::new(Cause::TooManyFailedLogins, "`failed_logins` under [limits] is reached")
            .into())
    }

    /// Where an offer leads; `None` for a farewell.
    async fn follow(
        &self,
        entrance: &Entrance,
        offer: Offer,
        source: Source,
        place: &mut Place,
    ) -> Result<Option<Destination>, Refusal> {
        let (protocol, now) = (entrance.protocol, SystemTime::now());
        let visit = Visit { protocol: protocol.name, peer: source.ip(), now };
        let (mode, admitted) = match offer {
            Offer::Login(login) => {
                let admitted = self.admit(login, visit, source).await?;
                (mode(entrance, &admitted.mailbox), admitted)
            }
            // Its MAIL is unread still, as a splice passes it on.
            Offer::Sender(sender) => (Mode::Splice, self.admit_sender(&sender, visit, source)?),
            Offer::Farewell => return Ok(None),
        };
        self.open((protocol, mode), (admitted, visit), place).await.map(Some)
    }

    async fn open(
        &self,
        (protocol, mode): (&'static Protocol, Mode),
        (Admitted { mailbox, device }, visit): (Admitted, Visit),
        place: &mut Place,
    ) -> Result<Destination, Refusal> {
        Span::current().record("mailbox", &mailbox.address);
        if let Some(device) = &device {
            Span::current().record("device", device.name.as_str());
            self.devices.used(device, visit.now);
        }
        place.log_in(&mailbox.address, &self.limits)?;
        let badge = device.map(|device| Badge { device, since: visit.now });
        if mode == Mode::Submission {
            let foreseen = self.foresee(protocol, &mailbox).await;
            foreseen.map_err(|refusal| refusal.about(&mailbox.address))?;
            return Ok(Destination::Submission(mailbox, badge));
        }
        let service = mailbox
            .provider
            .service(protocol.name)
            .ok_or_else(|| no_service(protocol, &mailbox))?;
        let reached = self.reach(protocol, &mailbox, service).await;
        let (wire, ready) = reached.map_err(|refusal| refusal.about(&mailbox.address))?;
        Ok(Destination::Open(Opened { wire, ready, badge }))
    }

    fn terms(&self, privacy: Privacy, honoured: Arc<Vec<String>>) -> DownstreamTerms {
        DownstreamTerms { name: self.name.clone(), privacy, honoured, limits: self.limits.session }
    }
}
