//! What a service does of its own accord: keep unused sign-ins alive, announce what expires.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;
use tracing::info;

use crate::config::Config;
use crate::mailbox::Mailbox;
use crate::notice::Notices;
use crate::notice::expiry::Expiries;
use crate::store::Announced;
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
    said: (Arc<Announced>, Notices),
}

/// The upkeep as it goes on, until the end or another configuration.
pub(super) struct Watch {
    upkeep: Arc<Upkeep>,
    rounds: JoinHandle<()>,
}

impl Watch {
    pub(super) fn over(upkeep: Upkeep) -> Self {
        let upkeep = Arc::new(upkeep);
        let rounds = tokio::spawn(Arc::clone(&upkeep).run());
        Self { upkeep, rounds }
    }

    /// Goes on by `config`. A renewal under way comes to its end.
    pub(super) fn change(&mut self, config: &Config) {
        let Upkeep { tokens, said, .. } = &*self.upkeep;
        let next = Self::over(Upkeep::new(tokens.clone(), config, said.clone()));
        std::mem::replace(self, next).end();
    }

    pub(super) fn end(&self) {
        self.rounds.abort();
    }
}

impl Upkeep {
    pub(super) fn new(
        tokens: Tokens,
        config: &Config,
        (announced, notices): (Arc<Announced>, Notices),
    ) -> Self {
        let mailboxes = config.directory.mailboxes();
        let expiries =
            Expiries::new(config.expiries.clone(), Arc::clone(&announced), notices.clone());
        Self {
            tokens,
            mailboxes: mailboxes.map(|(_, mailbox)| Arc::clone(mailbox)).collect(),
            expiries: Arc::new(expiries),
            said: (announced, notices),
        }
    }

    /// Goes round for ever.
    pub(super) async fn run(self: Arc<Self>) {
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
