//! What people are told once, outside the journal: by a program or a webhook.

mod event;
pub mod expiry;
mod hook;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::store::{Announced, Trouble};

pub use event::Event;
pub use hook::Hook;

/// Where events go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Of [`Event::SignInNeeded`].
    pub on_sign_in_needed: Option<Hook>,
    /// Of [`Event::SecretExpiring`].
    pub on_secret_expiring: Option<Hook>,
}

/// Takes events and tells them, each once, also across restarts. Clones share what they hold.
#[derive(Clone, Default)]
pub struct Notices(Option<Arc<Desk>>);

struct Desk {
    hooks: Hooks,
    announced: Arc<Announced>,
    /// Bounded by what there is to say something about: mailboxes and applications.
    open: Mutex<HashMap<String, Open>>,
    queue: mpsc::Sender<Errand>,
}

/// What is known of a subject that isn't settled.
enum Open {
    Waiting,
    Failed(Instant),
}

enum Errand {
    Tell(Event),
    Forget(String),
}

/// Events that wait to be told. As many mailboxes may lose their sign-ins at once when a tenant's
/// policy changes; those beyond are told at their next login.
const QUEUE: usize = 1000;

/// Events told in a row before [`PAUSE`] applies.
const BURST: u32 = 20;

/// The time between two events: a pager takes six a minute, and a thousand are told within three hours.
const PAUSE: Duration = Duration::from_secs(10);

/// How long a hook that failed is left alone about the same subject.
const AGAIN: Duration = Duration::from_secs(3600);

impl Notices {
    /// Tells by `hooks`, over `http` where they are webhooks. What was told stands in `announced`.
    /// Needs a runtime; its task ends with the last clone.
    pub fn start(hooks: Hooks, announced: Arc<Announced>, http: reqwest::Client) -> Self {
        let (queue, errands) = mpsc::channel(QUEUE);
        let desk = Arc::new(Desk { hooks, announced, open: Mutex::default(), queue });
        let clerk = Clerk { desk: Arc::downgrade(&desk), http, pace: Pace::new(Instant::now()) };
        tokio::spawn(clerk.work(errands));
        Self(Some(desk))
    }

    /// Tells nobody.
    pub fn silent() -> Self {
        Self(None)
    }

    /// Has `event` told, unless it was, is about to be, or the hook failed within the hour.
    pub fn raise(&self, event: Event) {
        let Some(desk) = &self.0 else { return };
        let (subject, what) = (event.subject(), event.what());
        if desk.hooks.of(&event).is_none() || desk.announced.has(&subject, &what) {
            return;
        }
        let mut open = desk.open();
        match open.get(&subject) {
            Some(Open::Waiting) => return,
            Some(Open::Failed(at)) if at.elapsed() < AGAIN => return,
            _ => {}
        }
        // A full queue is no loss: the event is raised again while its cause lasts.
        if desk.queue.try_send(Errand::Tell(event)).is_ok() {
            open.insert(subject, Open::Waiting);
        }
    }

    /// What there was to say about `subject` is over; when it happens again it is told again.
    pub fn over(&self, subject: &str) {
        let Some(desk) = &self.0 else { return };
        if desk.announced.knows(subject) {
            // At the latest the next success comes here again.
            let _ = desk.queue.try_send(Errand::Forget(subject.to_owned()));
        }
    }
}

impl Hooks {
    fn of(&self, event: &Event) -> Option<&Hook> {
        match event {
            Event::SignInNeeded { .. } => self.on_sign_in_needed.as_ref(),
            Event::SecretExpiring { .. } => self.on_secret_expiring.as_ref(),
        }
    }
}

impl Desk {
    fn open(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works off the queue, one event at a time.
struct Clerk {
    desk: std::sync::Weak<Desk>,
    http: reqwest::Client,
    pace: Pace,
}

impl Clerk {
    async fn work(mut self, mut errands: mpsc::Receiver<Errand>) {
        while let Some(errand) = errands.recv().await {
            let told = match errand {
                Errand::Forget(subject) => {
                    self.note(move |announced| announced.forget(&subject)).await
                }
                Errand::Tell(event) => self.tell(&event).await,
            };
            if told.is_none() {
                return;
            }
        }
    }

    /// `None` once nobody is there to raise anything.
    async fn tell(&mut self, event: &Event) -> Option<()> {
        sleep_until(self.pace.next(Instant::now())).await;
        let (subject, what) = (event.subject(), event.what());
        let hook = self.desk.upgrade()?.hooks.of(event)?.clone();
        match hook.tell(event, &self.http).await {
            Ok(()) => {
                info!(event = event.name(), subject, "told by its hook");
                let noted = subject.clone();
                self.note(move |announced| announced.note(&noted, &what)).await?;
                self.desk.upgrade()?.open().remove(&subject);
            }
            Err(error) => {
                warn!(event = event.name(), subject, "the hook failed: {error}");
                self.desk.upgrade()?.open().insert(subject, Open::Failed(Instant::now()));
            }
        }
        Some(())
    }

    async fn note(
        &self,
        note: impl FnOnce(&Announced) -> Result<(), Trouble> + Send + 'static,
    ) -> Option<()> {
        let announced = Arc::clone(&self.desk.upgrade()?.announced);
        if let Ok(Err(trouble)) = spawn_blocking(move || note(&announced)).await {
            warn!("what was told is forgotten at the next restart: {trouble}");
        }
        Some(())
    }
}

/// A token bucket.
struct Pace {
    /// When the bucket is full again.
    full: Instant,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { full: now }
    }

    /// When the next event may go out, which takes its place.
    fn next(&mut self, now: Instant) -> Instant {
        self.full = self.full.max(now) + PAUSE;
        self.full.checked_sub(PAUSE * BURST).map_or(now, |earliest| earliest.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_at_a_pace_and_a_trickle_at_once() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for _ in 0..BURST {
            assert_eq!(pace.next(start), start);
        }
        assert_eq!(pace.next(start), start + PAUSE);
        assert_eq!(pace.next(start), start + 2 * PAUSE);
        let later = start + Duration::from_secs(3600);
        for _ in 0..BURST {
            assert_eq!(pace.next(later), later);
        }
        assert_eq!(pace.next(later), later + PAUSE);
    }
}
