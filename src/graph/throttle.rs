//! Mailboxes that Graph wants to be left alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Until when to leave which mailbox alone. As many entries at most as mailboxes that send.
#[derive(Default)]
pub(super) struct Throttle(Mutex<HashMap<String, Instant>>);

/// The time is too far off.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Throttle {
    /// The mailbox is to be left alone for that long.
    pub(super) fn note(&self, mailbox: &str, wait: Duration) {
        let now = Instant::now();
        let mut known = self.known();
        known.retain(|_, until| *until > now);
        let until = known.entry(mailbox.to_lowercase()).or_insert(now);
        *until = (now + wait).max(*until);
    }

    /// Waits until the mailbox may send, if that is by `deadline`.
    pub(super) async fn pass(&self, mailbox: &str, deadline: Instant) -> Result<(), TooLong> {
        let until = self.known().get(&mailbox.to_lowercase()).copied();
        match until {
            Some(until) if until > deadline => Err(TooLong),
            Some(until) => {
                sleep_until(until).await;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_mailbox_is_left_alone_as_long_as_it_takes() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        let wait = Duration::from_millis(50);
        throttle.note("A@b.example", wait);
        let deadline = start + Duration::from_secs(30);
        throttle.pass("other@b.example", deadline).await.unwrap();
        assert_eq!(throttle.pass("a@b.example", start).await, Err(TooLong));
        throttle.pass("a@B.example", deadline).await.unwrap();
        assert!(start.elapsed() >= wait);
        assert_eq!(throttle.pass("a@b.example", Instant::now()).await, Ok(()), "it is over");
    }
}
