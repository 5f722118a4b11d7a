//! Whose password is checked next: each check takes a core and the memory of its hash.
//!
//! Checks stand in a queue in which no address has more than one place, however many logins it sends.
//! Logins that offer the same pair of user and password at once are checked once for all of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Queue, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::Source;

/// The queue, and the pairs that are in it.
pub(super) struct Turns {
    slots: Arc<Semaphore>,
    lanes: Keyed<Lane, ()>,
    flights: Keyed<[u8; 32], Outcome>,
}

/// Those who share a place in the queue.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    Address(IpAddr),
    /// The programs of this machine, which have one address for all of them, by the user.
    User(String),
}

/// What came of the check of a pair, as far as it concerns those who wait with the same.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing yet, or nothing that concerns them.
    #[default]
    Open,
    /// It is wrong.
    Rejected,
}

/// The first of those who offer a pair at once; the others wait.
pub(super) struct Flight<'a> {
    flights: &'a Keyed<[u8; 32], Outcome>,
    key: [u8; 32],
    outcome: OwnedMutexGuard<Outcome>,
}

/// The front of a lane.
pub(super) type Front = OwnedMutexGuard<()>;

impl Turns {
    /// Checks at once: `slots`.
    pub(super) fn new(slots: usize) -> Self {
        let slots = Arc::new(Semaphore::new(slots));
        Self { slots, lanes: Keyed::default(), flights: Keyed::default() }
    }

    /// Waits for those who offered the same pair before; `pair` is a keyed digest of it.
    pub(super) async fn flight(&self, pair: [u8; 32]) -> Flight<'_> {
        let outcome = self.flights.at(pair).lock_owned().await;
        Flight { flights: &self.flights, key: pair, outcome }
    }

    /// Waits for those of the same lane who came before.
    pub(super) async fn front(&self, lane: &Lane) -> Front {
        self.lanes.at(lane.clone()).lock_owned().await
    }

    /// Waits for a core; `None` never comes, for nobody closes the semaphore.
    pub(super) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }
}

impl Lane {
    pub(super) fn of(source: Source, guessed: &str) -> Self {
        source.neighbourhood().map_or_else(|| Self::User(guessed.to_owned()), Self::Address)
    }
}

impl Flight<'_> {
    /// What came of it for the one before.
    pub(super) fn outcome(&self) -> Outcome {
        *self.outcome
    }

    /// Tells those who wait. Who comes later has a check of his own.
    pub(super) fn land(mut self, outcome: Outcome) {
        *self.outcome = outcome;
        self.flights.forget(&self.key);
    }
}

/// A queue for each key that someone waits or works under.
struct Keyed<K, T>(Mutex<HashMap<K, Weak<Queue<T>>>>);

/// Below, it isn't worth looking for queues that nobody stands in.
const FEW: usize = 64;

impl<K: Eq + Hash, T: Default> Keyed<K, T> {
    fn at(&self, key: K) -> Arc<Queue<T>> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(&key).and_then(Weak::upgrade) {
            return queue;
        }
        // Before the map would grow, so that all of it costs no more than its growth does.
        if queues.len() >= FEW && queues.len() == queues.capacity() {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = Arc::default();
        queues.insert(key, Arc::downgrade(&queue));
        queue
    }

    fn forget(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl<K, T> Default for Keyed<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// What `future` has come to without waiting.
    fn now<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn an_address_has_one_place_however_many_it_sends() {
        let turns = Turns::new(1);
        let [guesser, other] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(|ip| Lane::Address(ip.into()));
        let front = now(pin!(turns.front(&guesser))).unwrap();
        let slot = now(pin!(turns.slot())).unwrap();
        let mut second = pin!(turns.front(&guesser));
        assert!(now(second.as_mut()).is_none());
        let _others = now(pin!(turns.front(&other))).expect("another address waits for nobody");
        let mut others = pin!(turns.slot());
        assert!(now(others.as_mut()).is_none());
        drop((front, slot));
        let _second = now(second.as_mut()).unwrap();
        assert!(now(pin!(turns.slot())).is_none(), "it comes behind the other address");
        assert!(now(others.as_mut()).is_some());
    }

    #[test]
    fn who_offers_the_same_at_once_hears_what_came_of_it_and_later_ones_do_not() {
        let turns = Turns::new(1);
        let first = now(pin!(turns.flight([1; 32]))).unwrap();
        let (mut second, mut third) = (pin!(turns.flight([1; 32])), pin!(turns.flight([1; 32])));
        assert!(now(second.as_mut()).is_none() && now(third.as_mut()).is_none());
        assert!(now(pin!(turns.flight([2; 32]))).is_some());
        first.land(Outcome::Rejected);
        let later = now(pin!(turns.flight([1; 32]))).unwrap();
        assert!(later.outcome() == Outcome::Open);
        let second = now(second.as_mut()).unwrap();
        assert!(second.outcome() == Outcome::Rejected);
        drop(second);
        assert!(now(third.as_mut()).unwrap().outcome() == Outcome::Rejected);
    }

    #[test]
    fn whoever_gives_up_leaves_the_check_to_the_next() {
        let turns = Turns::new(1);
        let first = now(pin!(turns.flight([1; 32]))).unwrap();
        let mut second = pin!(turns.flight([1; 32]));
        assert!(now(second.as_mut()).is_none());
        drop(first);
        assert!(now(second.as_mut()).unwrap().outcome() == Outcome::Open);
    }

    #[test]
    fn keys_that_nobody_stands_at_are_forgotten() {
        let keyed: Keyed<usize, ()> = Keyed::default();
        let held = keyed.at(0);
        for key in 1..100_000 {
            drop(keyed.at(key));
        }
        assert!(keyed.0.lock().unwrap().capacity() < 1000);
        assert!(Arc::ptr_eq(&held, &keyed.at(0)));
    }
}
