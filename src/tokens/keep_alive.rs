//! Sign-ins that nobody uses: Entra ends a refresh token after 90 days without use.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use tokio::time::sleep;
use tracing::{debug, warn};

use super::sign_in::choose;
use super::{Errand, Tokens};
use crate::mailbox::{Mailbox, Margin};
use crate::oauth::Owner;

/// The age at which an unused sign-in is renewed. A twelfth of what Entra grants: weeks of outage and
/// holidays fit into the rest.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// By up to so much earlier, each mailbox by a time of its own, so that those signed in together don't
/// stay together.
const SPREAD: u64 = 24 * 3600;

/// The longest time between two renewals: a few mailboxes needn't take all the time there is.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Tokens {
    /// Renews the sign-ins of `mailboxes` that weren't used for a week, the oldest first, with pauses
    /// that spread them over no more than `within`; how many were renewed.
    ///
    /// When each was used last stands in the store, so that restarts don't matter. What fails is left
    /// to the next call.
    pub async fn keep_alive(&self, mailboxes: &[Arc<Mailbox>], within: Duration) -> usize {
        let mut due = self.due(mailboxes).await;
        due.sort_by_key(|(refreshed_at, _)| *refreshed_at);
        let count = u32::try_from(due.len()).unwrap_or(u32::MAX).max(1);
        let pause = (within / count).min(LONGEST_PAUSE);
        let mut renewed = 0;
        for (at, (_, mailbox)) in due.into_iter().enumerate() {
            if at > 0 {
                sleep(pause).await;
            }
            match self.renew(mailbox).await {
                Ok(()) => renewed += 1,
                Err(reason) => debug!(mailbox = mailbox.address, "not kept alive: {reason}"),
            }
        }
        renewed
    }

    async fn renew(&self, mailbox: &Mailbox) -> Result<(), String> {
        let service = mailbox.provider.services.first().ok_or("its provider has no service")?;
        let (provider, seed) = (&mailbox.provider, mailbox.refresh_token.as_ref());
        let bearer = self.bearer(provider, &mailbox.address, seed, &service.scope, Margin::Half);
        bearer.await.map(|_| ()).map_err(|refusal| refusal.explain().to_owned())
    }

    /// The mailboxes to renew, each with the time of its last use.
    async fn due<'m>(&self, mailboxes: &'m [Arc<Mailbox>]) -> Vec<(SystemTime, &'m Mailbox)> {
        let now = (self.0.clock)();
        let mut seen = HashSet::new();
        let mut due = Vec::new();
        for mailbox in mailboxes {
            let address = mailbox.address.to_lowercase();
            let personal = mailbox.provider.grant.owner == Owner::Mailbox;
            if !personal || !seen.insert(address.clone()) {
                continue;
            }
            if let Some(refreshed_at) = self.refreshed_at(mailbox).await
                && now.duration_since(refreshed_at).is_ok_and(|age| age >= WEEK - early(&address))
            {
                due.push((refreshed_at, &**mailbox));
            }
        }
        due
    }

    /// When the mailbox's refresh token was used last, as far as anyone knows; `None` without one.
    async fn refreshed_at(&self, mailbox: &Mailbox) -> Option<SystemTime> {
        let seed = mailbox.refresh_token.as_ref();
        let errand = Errand::new(&mailbox.provider, &mailbox.address, seed, "");
        let record = match self.0.sign_ins.load(&mailbox.address).await {
            Ok(record) => record,
            Err(trouble) => {
                warn!(mailbox = mailbox.address, "its sign-in isn't kept alive: {trouble}");
                return None;
            }
        };
        let token = choose(record.as_ref(), &errand)?;
        let record = record.filter(|record| record.refresh_token == token);
        Some(record.map_or(SystemTime::UNIX_EPOCH, |record| record.refreshed_at))
    }
}

fn early(address: &str) -> Duration {
    let digest = Sha256::digest(address.as_bytes());
    let number = digest.iter().take(4).fold(0_u64, |number, octet| number << 8 | u64::from(*octet));
    Duration::from_secs(number % SPREAD)
}
