//! Step 4: whom a client is, and the mailbox that leads to.

use std::sync::Arc;

use tracing::Span;

use super::Relay;
use crate::mailbox::{Admitted, Visit};
use crate::proto::{Cause, Refusal};
use crate::sasl::Login;

impl Relay {
    /// Admits a login. A password that wasn't seen before is checked on another thread, so many at a
    /// time.
    pub(super) async fn admit(&self, login: Login, visit: Visit) -> Result<Admitted, Refusal> {
        Span::current().record("user", &login.authcid);
        let live = self.devices.now().await;
        let admitted = match self.directory.recall(&login, &visit, &live) {
            Some(admitted) => admitted,
            None => {
                let directory = Arc::clone(&self.directory);
                let permit = Arc::clone(&self.password_checks).acquire_owned().await;
                let check = move || {
                    let _permit = permit;
                    directory.verify(&login, &visit, &live)
                };
                let unchecked = |_| {
                    Refusal::new(Cause::AuthorityUnavailable, "the password check didn't finish")
                };
                tokio::task::spawn_blocking(check).await.map_err(unchecked)??
            }
        };
        Span::current().record("mailbox", &admitted.mailbox.address);
        if let Some(device) = &admitted.device {
            Span::current().record("device", device.name.as_str());
            self.devices.used(device, visit.now);
        }
        Ok(admitted)
    }

    /// Admits a sender who needs no login.
    pub(super) fn admit_sender(&self, sender: &str, visit: Visit) -> Result<Admitted, Refusal> {
        let Some(mailbox) = self.directory.sender(visit.peer, sender) else {
            let peer = visit.peer.to_canonical();
            return Err(Refusal::new(
                Cause::NotAuthorized,
                format!(
                    "{peer} may not send from {sender:?}; if it shall, put that into `mail_from` under its [[allow]]"
                ),
            ));
        };
        Span::current().record("mailbox", &mailbox.address);
        Ok(Admitted { mailbox, device: None })
    }
}
