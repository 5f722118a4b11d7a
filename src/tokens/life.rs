//! The life of one access token, from the first request to its successor.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::{Again, Miss, Origin};
use crate::mailbox::Margin;
use crate::oauth::{Class, Failure, Token};
use crate::secret::Secret;

/// A token that ends sooner isn't shown any more: it has to survive dial and login, and two clocks.
const SPENT: Duration = Duration::from_secs(30);

/// With less left, the next use renews. Above the margins of services by enough for a mailbox that is
/// polled every five minutes never to wait. For long lives half of it counts instead: an IMAP session
/// ends with its token, so the freshest opens it.
const EARLY: Duration = Duration::from_secs(900);

/// A token refused before this age is kept. One forced renewal a minute and key is far from what
/// Entra takes for a loop, and a token that really was revoked costs a minute of refused logins.
const YOUNG: Duration = Duration::from_secs(60);

/// How long a no that needs a person is repeated without asking: what Microsoft's own library does
/// with identical requests after a 400. A printer that retries every second makes one request a minute.
const REPEATED: Duration = Duration::from_secs(60);

/// The pause after a transient failure that names none, as Microsoft's library has it; doubled with
/// each in a row up to [`LONGEST_BACKOFF`], so that mail flows within a minute of the outage's end.
const BACKOFF: Duration = Duration::from_secs(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// Where one errand's token is kept, and where those who wait for it meet.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    life: Life,
    /// Counts the tokens, so that a late no to an old one doesn't cost the new one.
    generation: u64,
    failures_in_a_row: u32,
}

/// What is known. A token at hand is used until it ends, whatever becomes of its renewal: the
/// authority that gives no new one hasn't taken back the old one, and an upstream that minds says so.
#[derive(Debug, Default)]
enum Life {
    /// Nothing: the next login asks.
    #[default]
    Unknown,
    /// The request is under way, and there is nothing to use before it lands.
    Asked(Flight),
    /// A token is at hand.
    Held(Held),
    /// A token is at hand, and the request for its successor is under way.
    Renewing(Held, Flight),
    /// The authority said no; until then it isn't asked the same again.
    Denied { failure: Failure, since: SystemTime, until: SystemTime },
}

/// A token at hand.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) access: Secret<String>,
    pub(super) generation: u64,
    pub(super) expires_at: SystemTime,
    obtained_at: SystemTime,
    renew_at: SystemTime,
}

/// What a fetch came to, for everyone who waits.
pub(super) type Outcome = Result<(Held, Origin), Failure>;

/// The answer to a login.
pub(super) enum Answer {
    Now(Outcome),
    Later(Flight),
    /// The successor, if it comes soon: the token at hand is good, but opens a shorter session.
    Rather(Flight, Held),
}

/// A request under way, as those who wait for it see it.
#[derive(Clone, Debug)]
pub(super) struct Flight(watch::Receiver<Option<Outcome>>);

/// A request under way, as the one who makes it sees it.
pub(super) struct Settle(watch::Sender<Option<Outcome>>);

impl Slot {
    /// The answer at `now` for a service of this margin. With a [`Settle`], the caller has to make the
    /// request.
    pub(super) fn ask(&self, now: SystemTime, margin: Margin) -> (Option<Settle>, Answer) {
        let mut state = self.lock();
        let (settle, life, answer) = std::mem::take(&mut state.life).ask(now, margin);
        state.life = life;
        (settle, answer)
    }

    /// Forgets the token of this generation, unless it is young. One whose successor is under way is
    /// forgotten at any age: it costs no request.
    pub(super) fn refused(&self, generation: u64, now: SystemTime) -> Again {
        let mut state = self.lock();
        let (life, again) = std::mem::take(&mut state.life).refused(generation, now);
        state.life = life;
        again
    }

    /// Has the authority asked again although it said no: what it would be asked with is new.
    pub(super) fn reconsider(&self) {
        let mut state = self.lock();
        if matches!(state.life, Life::Denied { .. }) {
            state.life = Life::Unknown;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Life {
    fn ask(self, now: SystemTime, margin: Margin) -> (Option<Settle>, Self, Answer) {
        match self {
            Self::Asked(flight) if !flight.is_lost() => {
                let answer = Answer::Later(flight.clone());
                (None, Self::Asked(flight), answer)
            }
            Self::Renewing(held, flight) if flight.is_lost() => Self::Held(held).ask(now, margin),
            Self::Renewing(held, flight) => {
                let answer = held.answer(&flight, now, margin);
                (None, Self::Renewing(held, flight), answer)
            }
            Self::Held(held) => held.ask(now, margin),
            Self::Denied { failure, since, until } if (since..until).contains(&now) => {
                let answer = Answer::Now(Err(failure.clone()));
                (None, Self::Denied { failure, since, until }, answer)
            }
            Self::Unknown | Self::Asked(_) | Self::Denied { .. } => {
                let (settle, flight) = take_off();
                (Some(settle), Self::Asked(flight.clone()), Answer::Later(flight))
            }
        }
    }

    fn refused(self, generation: u64, now: SystemTime) -> (Self, Again) {
        match self {
            Self::Held(held) if held.generation == generation && !held.is_young(now) => {
                (Self::Unknown, Again::Worthwhile)
            }
            Self::Renewing(held, flight) if held.generation == generation => {
                (Self::Asked(flight), Again::Worthwhile)
            }
            Self::Held(held) if held.generation == generation => {
                (Self::Held(held), Again::Pointless)
            }
            replaced => (replaced, Again::Worthwhile),
        }
    }
}

impl State {
    fn land(&mut self, fetched: Result<Token, Miss>, now: SystemTime) -> Outcome {
        match fetched {
            Ok(token) => {
                self.failures_in_a_row = 0;
                self.generation += 1;
                let held = Held::new(token, self.generation, now);
                self.life = Life::Held(held.clone());
                Ok((held, Origin::Fresh))
            }
            Err(miss) => self.miss(miss, now),
        }
    }

    fn miss(&mut self, miss: Miss, now: SystemTime) -> Outcome {
        let until = now + self.pause(miss.failure());
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        match (std::mem::take(&mut self.life), miss) {
            (Life::Renewing(mut held, _), _) if !held.is_spent(now) => {
                held.renew_at = until;
                self.life = Life::Held(held.clone());
                Ok((held, Origin::Cached))
            }
            (_, Miss::Known(failure)) => Err(failure),
            (_, Miss::Answered(failure)) => {
                self.life = Life::Denied { failure: failure.clone(), since: now, until };
                Err(failure)
            }
        }
    }

    fn pause(&self, failure: &Failure) -> Duration {
        let backoff = match failure.class {
            Class::Retry => {
                BACKOFF.saturating_mul(1 << self.failures_in_a_row.min(8)).min(LONGEST_BACKOFF)
            }
            Class::SignIn | Class::Configure | Class::Policy => REPEATED,
        };
        failure.retry_after.unwrap_or(backoff)
    }
}

impl Held {
    fn new(token: Token, generation: u64, now: SystemTime) -> Self {
        let life = token.expires_at.duration_since(now).unwrap_or_default();
        let early = (life / 2).max(EARLY.min(life * 3 / 4));
        Self {
            access: token.access,
            generation,
            expires_at: token.expires_at,
            obtained_at: now,
            renew_at: now + (life - early),
        }
    }

    fn ask(self, now: SystemTime, margin: Margin) -> (Option<Settle>, Life, Answer) {
        if !self.is_spent(now) && now < self.renew_at {
            let answer = self.now();
            return (None, Life::Held(self), answer);
        }
        let (settle, flight) = take_off();
        let answer = self.answer(&flight, now, margin);
        (Some(settle), Life::Renewing(self, flight), answer)
    }

    /// What a login gets while the successor is under way.
    fn answer(&self, flight: &Flight, now: SystemTime, margin: Margin) -> Answer {
        let life = self.life();
        let left = self.expires_at.duration_since(now).unwrap_or_default();
        match margin {
            _ if self.is_spent(now) => Answer::Later(flight.clone()),
            Margin::Half if left > life / 2 => self.now(),
            Margin::Half => Answer::Rather(flight.clone(), self.clone()),
            // An authority that gives short lives can't be asked at every login.
            Margin::Least(least) if left >= least.min(life / 2) => self.now(),
            Margin::Least(_) => Answer::Later(flight.clone()),
        }
    }

    fn now(&self) -> Answer {
        Answer::Now(Ok((self.clone(), Origin::Cached)))
    }

    fn is_spent(&self, now: SystemTime) -> bool {
        let left = self.expires_at.duration_since(now).unwrap_or_default();
        // Before it was obtained: the clock was set back, and by how much nobody knows.
        now < self.obtained_at || left <= SPENT.min(self.life() / 10)
    }

    fn life(&self) -> Duration {
        self.expires_at.duration_since(self.obtained_at).unwrap_or_default()
    }

    fn is_young(&self, now: SystemTime) -> bool {
        now.duration_since(self.obtained_at).is_ok_and(|age| age < YOUNG)
    }
}

fn take_off() -> (Settle, Flight) {
    let (sender, receiver) = watch::channel(None);
    (Settle(sender), Flight(receiver))
}

impl Flight {
    /// The outcome, once there is one.
    pub(super) async fn landed(mut self) -> Outcome {
        let outcome = self.0.wait_for(Option::is_some).await.ok().and_then(|seen| seen.clone());
        outcome.unwrap_or_else(|| {
            Err(Failure::new(
                Class::Retry,
                "the token request was broken off",
                "Nothing to do: it will be asked again",
            ))
        })
    }

    /// Whether the task that makes the request has ended without settling it.
    fn is_lost(&self) -> bool {
        self.0.has_changed().is_err()
    }
}

impl Settle {
    /// Brings the outcome to the slot and to everyone who waits, and says what it came to for them.
    pub(super) fn with(
        self,
        slot: &Slot,
        fetched: Result<Token, Miss>,
        now: SystemTime,
    ) -> Outcome {
        let outcome = slot.lock().land(fetched, now);
        self.0.send_replace(Some(outcome.clone()));
        outcome
    }
}

#[cfg(test)]
mod tests;
