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
        known.insert(mailbox.to_lowercase(), now + wait);
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

    #[tokio::test(start_paused = true)]
    async fn a_mailbox_is_left_alone_as_long_as_it_takes() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        throttle.note("A@b.example", Duration::from_millis(2128));
        let patience = Duration::from_secs(30);
        throttle.pass("other@b.example", start + patience).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(
            throttle.pass("a@b.example", start + Duration::from_secs(2)).await,
            Err(TooLong)
        );
        assert_eq!(start.elapsed(), Duration::ZERO, "who can't wait hears so at once");
        throttle.pass("a@B.example", start + patience).await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(2128));
        throttle.pass("a@b.example", Instant::now()).await.unwrap();
    }
}
