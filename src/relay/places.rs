//! How many connections there may be: overall, of an address, of a mailbox, and before login.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Limits, Source};
use crate::proto::{Cause, Refusal};

/// The connections that are open. Clones count the same ones.
#[derive(Clone, Default)]
pub struct Places(Arc<Mutex<Count>>);

/// Bounded by `connections` under `[limits]`: no entry without a connection.
#[derive(Default)]
struct Count {
    all: Crowd,
    of_address: HashMap<IpAddr, Crowd>,
    of_mailbox: HashMap<String, usize>,
}

#[derive(Clone, Copy, Default)]
struct Crowd {
    open: usize,
    strangers: usize,
}

/// A connection's place, given back when dropped.
pub struct Place {
    places: Places,
    address: Option<IpAddr>,
    standing: Standing,
}

enum Standing {
    Stranger,
    Guest { mailbox: String },
}

impl Places {
    /// A place for a client that hasn't logged in.
    ///
    /// # Errors
    /// Names the limit that is reached.
    pub fn take(&self, source: Source, limits: &Limits) -> Result<Place, Refusal> {
        let address = source.neighbourhood();
        let mut count = self.count();
        let near = address.and_then(|address| count.of_address.get(&address));
        let near = near.copied().unwrap_or_default();
        let bounds = [
            (count.all.open, limits.connections, "connections"),
            (count.all.strangers, limits.strangers, "strangers"),
            (near.open, limits.connections_per_address, "connections_per_address"),
            (near.strangers, limits.strangers_per_address, "strangers_per_address"),
        ];
        if let Some((_, _, name)) = bounds.iter().find(|(there, most, _)| there >= most) {
            return Err(full(name));
        }
        count.all.enter();
        if let Some(address) = address {
            count.of_address.entry(address).or_default().enter();
        }
        drop(count);
        Ok(Place { places: self.clone(), address, standing: Standing::Stranger })
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The client has logged in to the mailbox at `address`.
    ///
    /// # Errors
    /// The mailbox has as many connections as it may.
    pub(super) fn log_in(&mut self, address: &str, limits: &Limits) -> Result<(), Refusal> {
        let mailbox = address.to_lowercase();
        let mut count = self.places.count();
        count.leave_standing(self.address, &self.standing);
        let open = count.of_mailbox.entry(mailbox.clone()).or_default();
        *open += 1;
        let fits = *open <= limits.connections_per_mailbox;
        drop(count);
        self.standing = Standing::Guest { mailbox };
        if fits { Ok(()) } else { Err(full("connections_per_mailbox").about(address)) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut count = self.places.count();
        count.leave_standing(self.address, &self.standing);
        count.all.open -= 1;
        let Some(address) = self.address else {
            return;
        };
        let near = count.of_address.entry(address).or_default();
        near.open = near.open.saturating_sub(1);
        if near.open == 0 {
            count.of_address.remove(&address);
        }
    }
}

impl Count {
    /// Whatever the connection was until now, it is no longer.
    fn leave_standing(&mut self, address: Option<IpAddr>, standing: &Standing) {
        match standing {
            Standing::Stranger => {
                self.all.strangers -= 1;
                let near = address.and_then(|address| self.of_address.get_mut(&address));
                if let Some(near) = near {
                    near.strangers = near.strangers.saturating_sub(1);
                }
            }
            Standing::Guest { mailbox } => subtract(&mut self.of_mailbox, mailbox),
        }
    }
}

impl Crowd {
    fn enter(&mut self) {
        self.open += 1;
        self.strangers += 1;
    }
}

fn subtract<K: Hash + Eq + Clone>(counts: &mut HashMap<K, usize>, key: &K) {
    let Some(count) = counts.get_mut(key) else {
        return;
    };
    *count = count.saturating_sub(1);
    if *count == 0 {
        counts.remove(key);
    }
}

fn full(limit: &str) -> Refusal {
    Refusal::new(Cause::TooManyConnections, format!("`{limit}` under [limits] is reached"))
}
