//! The client's side of a connection until its mailbox is open.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::{Entrance, Silence};
use crate::proto::{Cause, Clearance, Downstream, DownstreamTerms, Offer, Privacy, Ready, Refusal};
use crate::wire::{Halt, Handshake, Socket, Wire};

/// A client that has no mailbox yet.
pub(super) struct Client<'a> {
    wire: Wire,
    session: Box<dyn Downstream>,
    entrance: &'a Entrance,
    privacy: Privacy,
}

impl<'a> Client<'a> {
    pub(super) fn new(socket: Socket, entrance: &'a Entrance, terms: DownstreamTerms) -> Self {
        let privacy = terms.privacy;
        let session = (entrance.protocol.downstream)(terms);
        Self { wire: Wire::new(socket), session, entrance, privacy }
    }

    pub(super) fn entrance(&self) -> &'a Entrance {
        self.entrance
    }

    pub(super) fn silence(&self) -> Silence {
        self.entrance.silence
    }

    /// Asks no login of the client.
    pub(super) fn waive_login(&mut self) {
        self.session.waive_login();
    }

    /// Step 2.
    pub(super) async fn start_tls(&mut self, patience: Duration) -> Result<(), Halt> {
        if self.privacy != Privacy::Tls {
            return Ok(());
        }
        let handshake = Handshake::Accept(self.entrance.identity.as_ref());
        tokio::time::timeout(patience, Box::pin(self.wire.start_tls(&handshake)))
            .await
            .unwrap_or(Err(Halt::TimedOut))
    }

    /// Step 3.
    pub(super) async fn offer(&mut self, patience: Duration) -> Result<Offer, Halt> {
        let handshake = Handshake::Accept(self.entrance.identity.as_ref());
        self.wire.drive(&mut *self.session, &handshake, patience).await
    }

    /// Answers a login that leads nowhere.
    pub(super) async fn refuse(
        &mut self,
        refusal: &Refusal,
        patience: Duration,
    ) -> Result<(), Halt> {
        report(refusal);
        let words = self.session.refuse(refusal);
        tokio::time::timeout(patience, self.wire.write(&words)).await.unwrap_or(Err(Halt::TimedOut))
    }

    /// The client itself, to be answered elsewhere.
    pub(super) fn into_wire(self) -> Wire {
        self.wire
    }

    /// Step 8. `None` where the client left meanwhile.
    pub(super) async fn accept(
        mut self,
        ready: Ready,
        patience: Duration,
    ) -> Option<(Wire, Clearance)> {
        let mut doorway = self.session.accept(ready);
        match self.wire.drive(&mut *doorway, &Handshake::Accept(None), patience).await {
            Ok(clearance) => Some((self.wire, clearance)),
            Err(halt) => {
                debug!(?halt, "the client left after its login");
                None
            }
        }
    }

    /// The end of a talk without a mailbox: what there is to say to the client, and to the journal.
    pub(super) async fn part(mut self, halt: Halt, patience: Duration) {
        let refusal = match halt {
            Halt::Refused(refusal) => refusal,
            Halt::TimedOut => Refusal::new(
                Cause::TimedOut,
                "no login was done in the time of `login_idle` (of the listener, or under [timeouts]) and `login_total`; the client is slow, or the service behind its login",
            ),
            Halt::Injected => Refusal::new(
                Cause::StartTlsInjection,
                "bytes in clear behind STARTTLS, which only an attacker on the way has use for",
            ),
            Halt::Tls(error) => {
                info!(%error, "TLS with the client failed; it may speak only TLS 1.1 or older, no TLS at all, or not trust the listener's certificate");
                return;
            }
            Halt::Closed => return debug!("the client left before a login"),
            Halt::Broken(error) => {
                return debug!(%error, "the client's connection broke before a login");
            }
        };
        report(&refusal);
        let words = self.session.refuse(&refusal);
        self.wire.farewell(&words, patience).await;
    }
}

/// One line for the operator. What someone must act on is a warning.
pub(super) fn report(refusal: &Refusal) {
    let reason = refusal.explain();
    match refusal.cause {
        Cause::SignInNeeded
        | Cause::Misconfigured
        | Cause::ForbiddenByPolicy
        | Cause::TokenRefused
        | Cause::MailboxNotOpened
        | Cause::UpstreamUnreachable
        | Cause::UpstreamProtocol
        | Cause::AuthorityUnavailable
        | Cause::StartTlsInjection => warn!(cause = ?refusal.cause, reason, "refused"),
        // It has a line of its own.
        Cause::LoginRejected => debug!(cause = ?refusal.cause, reason, "refused"),
        Cause::NotAuthorized
        | Cause::UpstreamUnavailable
        | Cause::TooManyConnections
        | Cause::TooManyBadCommands
        | Cause::TooManyFailedLogins
        | Cause::TimedOut
        | Cause::Stopping => info!(cause = ?refusal.cause, reason, "refused"),
    }
}
