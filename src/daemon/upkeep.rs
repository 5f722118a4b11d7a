//! What a service does of its own accord: keep unused sign-ins alive, announce what expires.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::info;

use crate::mailbox::{Directory, Mailbox};
use crate::notice::expiry::Expiries;
use crate::tokens::Tokens;

/// The time between two looks at what is due, which comes in days.
const ROUND: Duration = Duration::from_secs(3600);

/// The first round comes so late: a service that can't start for good, and is started over and over,
/// asks no authority.
const SETTLED: Duration = Duration::from_secs(5 * 60);

/// The upkeep of a service.
pub(super) struct Upkeep {
    tokens: Tokens,
    mailboxes: Vec<Arc<Mailbox>>,
    expiries: Arc<Expiries>,
}

impl Upkeep {
    pub(super) fn new(tokens: Tokens, directory: &Directory, expiries: Expiries) -> Self {
        let mailboxes = directory.mailboxes().map(|(_, mailbox)| Arc::clone(mailbox)).collect();
        Self { tokens, mailboxes, expiries: Arc::new(expiries) }
    }

    /// Goes round for ever.
    pub(super) async fn run(self) {
        self.announce().await;
        sleep(SETTLED).await;
        loop {
            let renewed = self.tokens.keep_alive(&self.mailboxes, ROUND / 2).await;
            if renewed > 0 {
                info!(renewed, "renewed sign-ins that nobody used for a week");
            }
            sleep(ROUND / 2).await;
            self.announce().await;
        }
    }

    async fn announce(&self) {
        let expiries = Arc::clone(&self.expiries);
        // Its panic would be a bug, and the next round's task is another one.
        let _ = spawn_blocking(move || expiries.announce(SystemTime::now())).await;
    }
}
