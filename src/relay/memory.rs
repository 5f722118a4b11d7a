//! What earlier logins showed of the upstreams. Lost at a restart without harm.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::mailbox::{Mailbox, Service};
use crate::proto::Announced;

/// Bounded by the configuration: an entry for each service, and for each mailbox and protocol.
#[derive(Default)]
pub(super) struct Memory {
    announced: Mutex<HashMap<Address, Announced>>,
    open: Mutex<HashSet<(String, &'static str)>>,
}

type Address = (String, u16);

impl Memory {
    /// What the service announced the last time.
    pub(super) fn announced(&self, service: &Service) -> Option<Announced> {
        lock(&self.announced).get(&address(service)).cloned()
    }

    /// Whether the mailbox opened there the last time.
    pub(super) fn is_open(&self, mailbox: &Mailbox, service: &Service) -> bool {
        lock(&self.open).contains(&(mailbox.address.clone(), service.protocol))
    }

    pub(super) fn opened(&self, mailbox: &Mailbox, service: &Service, announced: &Announced) {
        lock(&self.open).insert((mailbox.address.clone(), service.protocol));
        lock(&self.announced).insert(address(service), announced.clone());
    }

    /// Something failed: the next login asks again.
    pub(super) fn doubt(&self, mailbox: &Mailbox, service: &Service) {
        lock(&self.open).remove(&(mailbox.address.clone(), service.protocol));
        lock(&self.announced).remove(&address(service));
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
}

fn address(service: &Service) -> Address {
    (service.host.clone(), service.port)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
