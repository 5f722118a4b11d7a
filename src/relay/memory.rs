//! What earlier logins showed of the upstreams. Lost at a restart without harm.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::mailbox::{Mailbox, Service};
use crate::proto::{Announced, Cause, Refusal};

/// Bounded by the configuration: an entry for each service, and for each mailbox and protocol.
#[derive(Default)]
pub(super) struct Memory {
    announced: Mutex<HashMap<Address, Announced>>,
    open: Mutex<HashMap<(String, Address), Instant>>,
    /// What clients of each protocol were told the last time.
    told: Mutex<HashMap<&'static str, Arc<Vec<String>>>>,
}

/// How long an opened mailbox is taken for one that opens. A grant that is withdrawn shows in a clear no within
/// this time, and the question costs a round trip as seldom.
const OPEN_FOR: Duration = Duration::from_secs(60 * 60);

type Address = (String, u16);

impl Memory {
    /// What the service announced the last time.
    pub(super) fn announced(&self, service: &Service) -> Option<Announced> {
        lock(&self.announced).get(&address(service)).cloned()
    }

    /// Whether the mailbox opened there the last time, not long ago.
    pub(super) fn is_open(&self, mailbox: &Mailbox, service: &Service) -> bool {
        let open = lock(&self.open);
        let seen = open.get(&place(mailbox, service));
        seen.is_some_and(|seen| seen.elapsed() < OPEN_FOR)
    }

    pub(super) fn opened(&self, mailbox: &Mailbox, service: &Service, announced: &Announced) {
        let mut open = lock(&self.open);
        let seen = open.entry(place(mailbox, service)).or_insert_with(Instant::now);
        if seen.elapsed() >= OPEN_FOR {
            *seen = Instant::now();
        }
        drop(open);
        lock(&self.announced).insert(address(service), announced.clone());
    }

    /// A login failed: the mailbox's next one looks whether it opens. What the service announced, which
    /// others go by, is forgotten only where the dialogue itself went wrong.
    pub(super) fn doubt(&self, mailbox: &Mailbox, service: &Service, refusal: &Refusal) {
        lock(&self.open).remove(&place(mailbox, service));
        if matches!(refusal.cause, Cause::UpstreamProtocol | Cause::Misconfigured) {
            lock(&self.announced).remove(&address(service));
        }
    }

    /// What all of `services` announced; nothing until each of them has been asked, since a client may
    /// rely on it whichever it is led to.
    pub(super) fn honoured<'a>(
        &self,
        services: impl IntoIterator<Item = &'a Service>,
    ) -> Vec<String> {
        let announced = lock(&self.announced);
        let known = |service| announced.get(&address(service)).map(|known| &known.after_login);
        let Some(lists) = services.into_iter().map(known).collect::<Option<Vec<_>>>() else {
            return Vec::new();
        };
        let Some((first, others)) = lists.split_first() else {
            return Vec::new();
        };
        let everywhere = |line: &&String| others.iter().all(|list| list.contains(line));
        first.iter().filter(everywhere).cloned().collect()
    }

    /// `lines` in the copy that the other clients of `protocol` have.
    pub(super) fn shared(&self, protocol: &'static str, lines: Vec<String>) -> Arc<Vec<String>> {
        let mut told = lock(&self.told);
        let known = told.entry(protocol).or_default();
        if **known != lines {
            *known = Arc::new(lines);
        }
        Arc::clone(known)
    }
}

fn place(mailbox: &Mailbox, service: &Service) -> (String, Address) {
    (mailbox.address.clone(), address(service))
}

fn address(service: &Service) -> Address {
    (service.host.clone(), service.port)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
