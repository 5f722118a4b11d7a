//! Failed logins: the more of them there were, the longer the next one waits.
//!
//! An attempt counts as failed before it waits and its password is looked at, and is taken off the count
//! if that was right. So many guesses at once wait as long as many in a row, and hanging up doesn't help.
//! A password that has proven right before isn't guessed: it neither waits nor counts.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Source;

/// What is remembered of failed logins, in bounded space.
pub(super) struct Failures {
    addresses: Mutex<Tally<IpAddr>>,
    /// By a keyed digest of the name: attackers choose names, also long ones.
    users: Mutex<Tally<u64>>,
    digests: RandomState,
}

/// A login whose password is about to be checked, counted as failed until it is forgiven.
pub(super) struct Attempt<'a> {
    failures: &'a Failures,
    address: Option<IpAddr>,
    user: u64,
    /// How long it has to wait before the check.
    pub(super) wait: Duration,
}

/// Failures that cost nothing: people mistype, and a device that was given a new password may try the
/// old one from several programs.
const FREE: f32 = 3.0;

/// The first wait; each further failure doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// One failure is forgotten in this time: a device that tries a wrong password every minute for ever
/// doesn't slow its neighbours down.
const FORGOTTEN_IN: Duration = Duration::from_secs(60);

/// No more failures than this are remembered, so that an address is good again a quarter of an hour
/// after the last. Doubled that often, the first wait is longer than any setting of the longest.
const MOST: f32 = 15.0;

/// Addresses, and users, remembered before the older half of them is forgotten: 2 × 16,384 entries of
/// some 40 octets. Who has that many addresses isn't slowed down by waits for each.
const GENERATION: usize = 16_384;

impl Default for Failures {
    fn default() -> Self {
        Self { addresses: Mutex::default(), users: Mutex::default(), digests: RandomState::new() }
    }
}

impl Failures {
    /// Counts a login of `user` from `source`. Its wait grows to `longest`.
    pub(super) fn attempt(
        &self,
        (source, user): (Source, &str),
        longest: Duration,
        now: Instant,
    ) -> Attempt<'_> {
        let address = source.neighbourhood();
        let user = self.digests.hash_one(user.to_lowercase());
        let of_address =
            address.map(|address| locked(&self.addresses, |tally| tally.add(address, now)));
        let of_user = locked(&self.users, |tally| tally.add(user, now));
        let failures = of_address.unwrap_or_default().max(of_user);
        Attempt { failures: self, address, user, wait: wait(failures, longest) }
    }
}

impl Attempt<'_> {
    /// The password was right.
    pub(super) fn forgive(self, now: Instant) {
        if let Some(address) = self.address {
            locked(&self.failures.addresses, |tally| tally.take_back(&address, now));
        }
        locked(&self.failures.users, |tally| tally.take_back(&self.user, now));
    }
}

/// How long an attempt waits behind so many failures.
fn wait(failures: f32, longest: Duration) -> Duration {
    if failures < FREE {
        return Duration::ZERO;
    }
    FIRST_WAIT.mul_f32((failures - FREE).exp2()).min(longest)
}

/// Failures by key, in two generations: when the younger is full, it becomes the older, and what only
/// the older knew is forgotten.
struct Tally<K> {
    young: HashMap<K, Score>,
    old: HashMap<K, Score>,
}

/// Failures as of a moment; they fade from then on.
#[derive(Clone, Copy)]
struct Score {
    failures: f32,
    at: Instant,
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<K: Eq + Hash> Tally<K> {
    /// Adds a failure; how many there were before.
    fn add(&mut self, key: K, now: Instant) -> f32 {
        let known = self.young.get(&key).copied().or_else(|| self.old.remove(&key));
        let before = known.map_or(0.0, |score| score.now(now));
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, Score { failures: (before + 1.0).min(MOST), at: now });
        before
    }

    fn take_back(&mut self, key: &K, now: Instant) {
        let Some(score) = self.young.get_mut(key) else {
            return;
        };
        *score = Score { failures: (score.now(now) - 1.0).max(0.0), at: now };
        if score.failures == 0.0 {
            self.young.remove(key);
        }
    }
}

impl Score {
    fn now(self, now: Instant) -> f32 {
        let forgotten = now.duration_since(self.at).as_secs_f32() / FORGOTTEN_IN.as_secs_f32();
        (self.failures - forgotten).max(0.0)
    }
}

fn locked<T, R>(mutex: &Mutex<T>, work: impl FnOnce(&mut T) -> R) -> R {
    work(&mut mutex.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(20);

    fn from(address: &str) -> Source {
        Source::from(SocketAddr::new(address.parse().unwrap(), 4711))
    }

    /// Failures by a clock of the test's.
    struct Clocked(Failures, Instant);

    impl Clocked {
        fn new() -> Self {
            Self(Failures::default(), Instant::now())
        }

        fn attempt(&self, address: &str, user: &str) -> Attempt<'_> {
            self.0.attempt((from(address), user), LONGEST, self.1)
        }

        fn wait(&self, address: &str, user: &str) -> Duration {
            self.attempt(address, user).wait
        }

        fn advance(&mut self, by: Duration) {
            self.1 += by;
        }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let failures = Clocked::new();
        let waits: Vec<u64> =
            (0..10).map(|_| failures.wait("192.0.2.1", "alice").as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 20, 20]);
    }

    #[test]
    fn an_address_pays_for_all_its_users_and_a_user_for_all_addresses() {
        let failures = Clocked::new();
        for number in 0..5 {
            failures.wait("192.0.2.1", &format!("user{number}"));
            failures.wait(&format!("198.51.100.{number}"), "Alice");
        }
        assert!(failures.wait("192.0.2.1", "new") > Duration::ZERO);
        assert!(failures.wait("203.0.113.1", "ALICE") > Duration::ZERO);
        assert_eq!(failures.wait("203.0.113.2", "bob"), Duration::ZERO);
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_this_machine_is_none() {
        let failures = Clocked::new();
        for number in 0..5 {
            failures.wait(&format!("2001:db8::{number}"), &format!("user{number}"));
            failures.wait("127.0.0.1", &format!("local{number}"));
            failures.wait("::ffff:127.0.0.1", &format!("mapped{number}"));
        }
        assert!(failures.wait("2001:db8::ffff:1", "new") > Duration::ZERO);
        assert_eq!(failures.wait("2001:db8:0:1::1", "other"), Duration::ZERO);
        assert_eq!(failures.wait("127.0.0.1", "newer"), Duration::ZERO);
    }

    #[test]
    fn failures_fade() {
        let mut failures = Clocked::new();
        for _ in 0..100 {
            failures.wait("192.0.2.1", "alice");
        }
        failures.advance(FORGOTTEN_IN * 5);
        assert_eq!(failures.wait("192.0.2.1", "alice"), LONGEST);
        failures.advance(FORGOTTEN_IN * 15);
        assert_eq!(failures.wait("192.0.2.1", "alice"), Duration::ZERO);
    }

    #[test]
    fn a_wrong_password_once_a_minute_never_waits() {
        let mut failures = Clocked::new();
        for _ in 0..1000 {
            assert_eq!(failures.wait("192.0.2.1", "old device"), Duration::ZERO);
            failures.advance(FORGOTTEN_IN);
        }
    }

    #[test]
    fn right_passwords_leave_nothing_behind() {
        let failures = Clocked::new();
        for _ in 0..100 {
            failures.attempt("192.0.2.1", "alice").forgive(failures.1);
        }
        assert_eq!(failures.wait("192.0.2.1", "alice"), Duration::ZERO);
        assert!(locked(&failures.0.addresses, |tally| tally.young.len()) == 1);
    }

    /// Whoever floods the table with addresses doesn't get it to grow, and doesn't get forgotten while
    /// still at it.
    #[test]
    fn the_table_is_bounded() {
        let failures = Clocked::new();
        for number in 0..u32::try_from(GENERATION * 5).unwrap() {
            let address = std::net::Ipv4Addr::from(0x0b00_0000 + number);
            failures.wait(&address.to_string(), &number.to_string());
            if number % 1000 == 0 {
                failures.wait("192.0.2.1", "alice");
            }
        }
        let kept = |tally: &mut Tally<IpAddr>| tally.young.len() + tally.old.len();
        assert!(locked(&failures.0.addresses, kept) <= 2 * GENERATION);
        assert_eq!(failures.wait("192.0.2.1", "alice"), LONGEST);
    }
}
