//! Step 4: whether a login is let in, and how fast it may be tried.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::sleep;
use tracing::{Span, info};

use super::{Relay, Source};
use crate::mailbox::{Admitted, Devices, Visit};
use crate::proto::{Cause, Refusal};
use crate::sasl::Login;

impl Relay {
    /// Admits a login. A password that hasn't proven right before waits for the failures before it.
    pub(super) async fn admit(
        &self,
        login: Login,
        visit: Visit,
        source: Source,
    ) -> Result<Admitted, Refusal> {
        Span::current().record("user", &login.authcid);
        let live = self.devices.now().await;
        if let Some(admitted) = self.directory.recall(&login, &visit, &live) {
            return Ok(admitted);
        }
        let user = login.authcid.clone();
        let guessed = self.directory.guessed(&user);
        let attempt =
            self.failures.attempt((source, &guessed), self.timeouts.login_delay, Instant::now());
        sleep(attempt.wait).await;
        let verdict = self.verify(login, visit, live).await;
        match &verdict {
            Err(refusal) if refusal.cause == Cause::LoginRejected => {
                report_failure(visit, source, &user, refusal);
            }
            _ => attempt.forgive(Instant::now()),
        }
        verdict
    }

    /// Checks a password on another thread, so many at a time.
    async fn verify(
        &self,
        login: Login,
        visit: Visit,
        live: Arc<Devices>,
    ) -> Result<Admitted, Refusal> {
        let permit = Arc::clone(&self.password_checks).acquire_owned().await;
        let directory = Arc::clone(&self.directory);
        let check = move || {
            let _permit = permit;
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
