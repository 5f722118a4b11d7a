//! Step 4: whether a login is let in, and how fast it may be tried.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::sleep;
use tracing::{Span, info};

use super::turns::{Front, Lane, Outcome};
use super::{Relay, Source};
use crate::mailbox::{Admitted, Visit, rejected};
use crate::proto::{Cause, Refusal};
use crate::sasl::Login;

impl Relay {
    /// Admits a login. A password that has proven right before waits for nobody.
    pub(super) async fn admit(
        &self,
        login: Login,
        visit: Visit,
        source: Source,
    ) -> Result<Admitted, Refusal> {
        Span::current().record("user", &login.authcid);
        if let Some(admitted) = self.recall(&login, &visit).await {
            return Ok(admitted);
        }
        let user = login.authcid.clone();
        let flight = self.turns.flight(self.directory.pair(&login)).await;
        // Somebody may have proven it meanwhile, or come to a no.
        let verdict = match self.recall(&login, &visit).await {
            Some(admitted) => return Ok(admitted),
            None if flight.outcome() == Outcome::Rejected => Err(rejected(&login)),
            None => {
                let verdict = self.examine(login, visit, source).await;
                flight.land(match &verdict {
                    Err(refusal) if refusal.cause == Cause::LoginRejected => Outcome::Rejected,
                    _ => Outcome::Open,
                });
                verdict
            }
        };
        if let Err(refusal) = &verdict
            && refusal.cause == Cause::LoginRejected
        {
            report_failure(visit, source, &user, refusal);
        }
        verdict
    }

    async fn recall(&self, login: &Login, visit: &Visit) -> Option<Admitted> {
        let live = self.devices.now().await;
        self.directory.recall(login, visit, &live)
    }

    /// Checks a password that isn't known, in its turn, and behind the wait for the failures before it.
    async fn examine(
        &self,
        login: Login,
        visit: Visit,
        source: Source,
    ) -> Result<Admitted, Refusal> {
        let guessed = self.directory.guessed(&login.authcid);
        let lane = Lane::of(source, &guessed);
        // Counted at the front of the lane alone: what the ones before came to is known there, so that
        // right passwords which come at once don't pass for failures.
        let mut front = self.turns.front(&lane).await;
        let longest = self.timeouts.login_delay;
        let attempt = self.failures.attempt((source, &guessed), longest, Instant::now());
        if !attempt.wait.is_zero() {
            drop(front);
            sleep(attempt.wait).await;
            front = self.turns.front(&lane).await;
        }
        let verdict = self.verify(login, visit, front).await;
        if !matches!(&verdict, Err(refusal) if refusal.cause == Cause::LoginRejected) {
            attempt.forgive(Instant::now());
        }
        verdict
    }

    /// Checks a password on another thread, so many at a time.
    async fn verify(&self, login: Login, visit: Visit, front: Front) -> Result<Admitted, Refusal> {
        let slot = self.turns.slot().await;
        // As they are by now: one of them may have been revoked while this login waited.
        let live = self.devices.now().await;
        let directory = Arc::clone(&self.directory);
        let check = move || {
            // Given back when the core is free, also where nobody waits for the verdict any more.
            let _turn = (front, slot);
            directory.verify(&login, &visit, &live)
        };
        let unchecked =
            |_| Refusal::new(Cause::AuthorityUnavailable, "the password check didn't finish");
        tokio::task::spawn_blocking(check).await.map_err(unchecked)?
    }

    /// Admits a sender who needs no login.
    pub(super) fn admit_sender(
        &self,
        sender: &str,
        visit: Visit,
        source: Source,
    ) -> Result<Admitted, Refusal> {
        let Some(mailbox) = self.directory.sender(visit.peer, sender) else {
            let from = place(source);
            return Err(Refusal::new(
                Cause::NotAuthorized,
                format!(
                    "{from} may not send from {sender:?}; if it shall, put that into `mail_from` under its [[allow]]"
                ),
            ));
        };
        Ok(Admitted { mailbox, device: None })
    }
}

/// The line that contrib/fail2ban reads: its words and the order of its fields are kept. Outside of the
/// connection's span, whose fields come first and hold what the client chose.
fn report_failure(visit: Visit, source: Source, user: &str, refusal: &Refusal) {
    let (from, protocol, reason) = (place(source), visit.protocol, refusal.explain());
    info!(parent: None, %from, protocol, user, reason, "login failed");
}

/// The address without the port, where there is one.
fn place(source: Source) -> String {
    source.ip().map_or_else(|| source.to_string(), |ip| ip.to_string())
}
