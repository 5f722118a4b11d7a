//! The waiting line of a mailbox: so many messages on their way to the service at once, so many a
//! minute, first come first served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turns, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until};

use super::lane::Lane;
use crate::proto::smtp::submission::Policy;

/// Messages that wait for one mailbox. A fleet of devices fits; more would wait longer than they do.
const WAITING: usize = 256;

/// How long an upstream connection without work is kept for the next message: for a scanner's next
/// page, and not so long that it takes a place of Exchange's three from other programs.
const KEPT: Duration = Duration::from_secs(20);

/// The lines of all mailboxes that have one.
#[derive(Default)]
pub(in crate::relay) struct Lines(Mutex<HashMap<String, Arc<Line>>>);

/// One mailbox's line.
pub(super) struct Line {
    bounds: (usize, Option<u32>),
    places: Arc<Semaphore>,
    entered: Arc<Semaphore>,
    pace: Turns<Pace>,
    kept: Mutex<Vec<Kept>>,
}

/// The right to have a message on its way.
pub(super) struct Turn {
    line: Arc<Line>,
    _place: OwnedSemaphorePermit,
    _entered: OwnedSemaphorePermit,
}

/// As many wait as may.
#[derive(Debug)]
pub(super) struct Full;

/// What a turn is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A message, which counts for the pace.
    Message,
    /// Only to see whether the mailbox opens.
    Login,
}

struct Kept {
    lane: Lane,
    until: Instant,
}

impl Lines {
    /// The line of the mailbox at `address`.
    pub(super) fn of(&self, address: &str, policy: &Policy) -> Arc<Line> {
        let mut lines = lock(&self.0);
        let name = address.to_ascii_lowercase();
        let bounds = (policy.submissions, policy.per_minute);
        if let Some(line) = lines.get(&name).filter(|line| line.bounds == bounds) {
            return Arc::clone(line);
        }
        lines.retain(|_, line| !line.is_forgotten());
        let line = Arc::new(Line::new(bounds));
        lines.insert(name, Arc::clone(&line));
        line
    }
}

impl Line {
    fn new(bounds: (usize, Option<u32>)) -> Self {
        let (submissions, per_minute) = bounds;
        Self {
            bounds,
            places: Arc::new(Semaphore::new(submissions)),
            entered: Arc::new(Semaphore::new(WAITING + submissions)),
            pace: Turns::new(Pace::new(per_minute)),
            kept: Mutex::default(),
        }
    }

    /// Waits for a place and, for a message, until the pace allows it. Dropped, it leaves the line.
    ///
    /// # Errors
    /// [`Full`], at once.
    pub(super) async fn enter(self: &Arc<Self>, purpose: Purpose) -> Result<Turn, Full> {
        let entered = Arc::clone(&self.entered).try_acquire_owned().map_err(|_| Full)?;
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Full)?;
        if purpose == Purpose::Message {
            // Held while it waits, so that the others wait behind it, in order.
            self.pace.lock().await.step().await;
        }
        Ok(Turn { line: Arc::clone(self), _place: place, _entered: entered })
    }

    fn expire(&self) {
        let now = Instant::now();
        lock(&self.kept).retain(|kept| kept.until > now);
    }

    /// Whether nobody uses it, and a new one would be no different.
    fn is_forgotten(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1 && self.pace.try_lock().is_ok_and(|pace| pace.is_rested())
    }
}

impl Turn {
    /// An upstream connection that an earlier message left.
    pub(super) fn kept(&self) -> Option<Lane> {
        self.line.expire();
        lock(&self.line.kept).pop().map(|kept| kept.lane)
    }

    /// Leaves an upstream connection to the next message. Together with those in use they are never
    /// more than the places: a new one is dialled only where none is kept, or in place of another.
    pub(super) fn keep(self, lane: Lane) {
        let line = Arc::clone(&self.line);
        lock(&line.kept).push(Kept { lane, until: Instant::now() + KEPT });
        tokio::spawn(async move {
            sleep(KEPT).await;
            line.expire();
        });
    }
}

/// A token bucket, as the time when the next message would be due at a steady pace (GCRA).
struct Pace {
    between: Duration,
    /// How far ahead of the steady pace messages may be: a third of a minute's worth at once.
    ahead: Duration,
    due: Option<Instant>,
}

impl Pace {
    fn new(per_minute: Option<u32>) -> Self {
        let Some(count) = per_minute.filter(|count| *count > 0) else {
            return Self { between: Duration::ZERO, ahead: Duration::ZERO, due: None };
        };
        let between = Duration::from_secs(60) / count;
        Self { between, ahead: between * (count / 3).max(1).saturating_sub(1), due: None }
    }

    /// Waits until one more may go. Dropped, it has taken nothing.
    async fn step(&mut self) {
        sleep_until(self.ready(Instant::now())).await;
        self.take(Instant::now());
    }

    /// When one more may go.
    fn ready(&self, now: Instant) -> Instant {
        self.due.and_then(|due| due.checked_sub(self.ahead)).map_or(now, |ready| ready.max(now))
    }

    /// One more goes.
    fn take(&mut self, now: Instant) {
        self.due = Some(self.due.map_or(now, |due| due.max(now)) + self.between);
    }

    fn is_rested(&self) -> bool {
        self.due.is_none_or(|due| due <= Instant::now())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(submissions: usize, per_minute: Option<u32>) -> Arc<Line> {
        let policy = Policy { submissions, per_minute, ..Policy::default() };
        Lines::default().of("a@b.example", &policy)
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_pace() {
        let (mut pace, start) = (Pace::new(Some(30)), Instant::now());
        let mut now = start;
        let mut seconds = || {
            now = pace.ready(now);
            pace.take(now);
            (now - start).as_secs()
        };
        let first: Vec<u64> = (0..14).map(|_| seconds()).collect();
        assert_eq!(first, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 6, 8]);
        // After a rest the burst is there again, and no more than it.
        now += Duration::from_secs(3600);
        let rested = (now - start).as_secs();
        let mut seconds = || {
            now = pace.ready(now);
            pace.take(now);
            (now - start).as_secs() - rested
        };
        let second: Vec<u64> = (0..12).map(|_| seconds()).collect();
        assert_eq!(second, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4]);
    }

    #[test]
    fn a_minute_never_sees_more_than_burst_and_pace_together() {
        for per_minute in [1, 2, 3, 30, 1000] {
            let (mut pace, mut now) = (Pace::new(Some(per_minute)), Instant::now());
            let mut gone = Vec::new();
            for _ in 0..per_minute * 3 {
                now = pace.ready(now);
                pace.take(now);
                gone.push(now);
            }
            let burst = (per_minute / 3).max(1);
            let within = |first: &Instant| {
                gone.iter()
                    .filter(|at| (*first..*first + Duration::from_secs(60)).contains(at))
                    .count()
            };
            let most = gone.iter().map(within).max().unwrap();
            assert!(most <= (per_minute + burst) as usize, "{per_minute}: {most}");
        }
    }

    #[tokio::test]
    async fn who_came_first_goes_first_and_who_leaves_is_no_hindrance() {
        let line = line(1, None);
        let held = line.enter(Purpose::Message).await.unwrap();
        let (order, mut waiting) = (Arc::new(Mutex::new(Vec::new())), Vec::new());
        for number in 0..5 {
            let (line, order) = (Arc::clone(&line), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let _turn = line.enter(Purpose::Message).await.unwrap();
                lock(&order).push(number);
            }));
            tokio::task::yield_now().await;
        }
        waiting.remove(2).abort();
        drop(held);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*lock(&order), [0, 1, 3, 4]);
    }

    #[tokio::test]
    async fn a_full_line_says_so_at_once() {
        let line = line(1, None);
        let _held = line.enter(Purpose::Message).await.unwrap();
        let mut waiting: Vec<_> =
            (0..WAITING).map(|_| Box::pin(line.enter(Purpose::Message))).collect();
        for turn in &mut waiting {
            assert!(is_pending(turn.as_mut()).await);
        }
        assert!(line.enter(Purpose::Message).await.is_err());
        waiting.pop();
        assert!(is_pending(Box::pin(line.enter(Purpose::Message)).as_mut()).await);
    }

    async fn is_pending<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
        std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending()))
            .await
    }
}
