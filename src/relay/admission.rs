//! Step 4: whether a login is let in, and how fast it may be tried.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::sleep;
use tracing::info;

use super::{Relay, Source};
use crate::mailbox::Mailbox;
use crate::proto::{Cause, Protocol, Refusal};
use crate::sasl::Login;

impl Relay {
    /// The mailbox of a login. A password that hasn't proven right before waits for the failures before it.
    pub(super) async fn admit(
        &self,
        protocol: &'static Protocol,
        login: Login,
        source: Source,
    ) -> Result<Arc<Mailbox>, Refusal> {
        if let Some(mailbox) = self.directory.recall(&login) {
            return Ok(mailbox);
        }
        let user = login.authcid.clone();
        let attempt =
            self.failures.attempt((source, &user), self.timeouts.login_delay, Instant::now());
        sleep(attempt.wait).await;
        let verdict = self.verify(login).await;
        match &verdict {
            Err(refusal) if refusal.cause == Cause::LoginRejected => {
                report_failure(protocol, source, &user, refusal);
            }
            _ => attempt.forgive(Instant::now()),
        }
        verdict
    }

    /// Checks a password on another thread, so many at a time.
    async fn verify(&self, login: Login) -> Result<Arc<Mailbox>, Refusal> {
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
}

/// The line that contrib/fail2ban reads: its words and the order of its fields are kept. Outside of the
/// connection's span, whose fields come first and hold what the client chose.
fn report_failure(protocol: &Protocol, source: Source, user: &str, refusal: &Refusal) {
    let from = source.ip().map_or_else(|| source.to_string(), |ip| ip.to_string());
    let (protocol, reason) = (protocol.name, refusal.explain());
    info!(parent: None, %from, protocol, user, reason, "login failed");
}
