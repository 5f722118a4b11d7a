//! Access tokens for the logins: kept while they last, renewed before they end, asked for once
//! however many wait.

mod attended;
mod authority;
mod http;
mod keep_alive;
mod life;
mod program;
mod sign_in;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, info, warn};

use crate::mailbox::{Margin, Provider};
use crate::notice::Notices;
use crate::oauth::{Application, Class, Failure, Grant, Owner, Token};
use crate::proto::Refusal;
use crate::secret::Secret;
use crate::store::Store;
use life::{Answer, Held, Outcome, Settle, Slot};
use sign_in::SignIns;

pub use authority::{Authority, entropy};
pub use http::{Http, Limits, http_client};

/// The token engine: the one place where authorities are asked. Clones share what they hold.
///
/// Expiry is told by the wall clock, which goes on while a machine is suspended, as the authority's
/// does.
#[derive(Clone)]
pub struct Tokens(Arc<Engine>);

struct Engine {
    authority: Authority,
    sign_ins: SignIns,
    /// Bounded by the configuration: a slot for each application, or mailbox, and scope.
    slots: Mutex<HashMap<Errand, Arc<Slot>>>,
    under_way: TaskTracker,
    clock: Clock,
}

/// How long a login waits for a fresher token than the good one at hand. Authorities answer within a
/// second; one that hangs must not hold up who could go on.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells the time of day.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// An access token for one login.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// What the upstream is shown.
    pub token: Secret<String>,
    /// Whether the authority gave it just now.
    pub origin: Origin,
    /// When it ends.
    pub expires_at: SystemTime,
    generation: u64,
    slot: Arc<Slot>,
}

/// Where a token comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was at hand, and may have been revoked since.
    Cached,
    /// The authority gave it for this login; an upstream's no to it is final.
    Fresh,
}

/// Whether another token would be worth a second login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The next [`Tokens::bearer`] gives another token.
    Worthwhile,
    /// It would not, or not yet.
    Pointless,
}

impl Tokens {
    /// An engine that asks over `http` (see [`http_client`]) and keeps refresh tokens in `store`.
    pub fn new(http: Http, store: Store, limits: Limits) -> Self {
        Self::with_clock(http, store, limits, Arc::new(SystemTime::now))
    }

    /// The same, going by another clock.
    pub fn with_clock(http: Http, store: Store, limits: Limits, clock: Clock) -> Self {
        Self::with_notices(http, store, limits, (clock, Notices::silent()))
    }

    /// The same, telling `notices` where a sign-in is needed.
    pub fn with_notices(
        http: Http,
        store: Store,
        limits: Limits,
        (clock, notices): (Clock, Notices),
    ) -> Self {
        Self(Arc::new(Engine {
            authority: Authority::new(http, limits, Arc::clone(&clock)),
            sign_ins: SignIns::new(store, Arc::clone(&clock), notices),
            slots: Mutex::default(),
            under_way: TaskTracker::new(),
            clock,
        }))
    }

    /// An access token of `provider` for `mailbox`, an address, and `scope`, as fresh as `margin` says.
    ///
    /// `seed` is what the configuration gives the mailbox: a refresh token, used while the store has
    /// none that descends from it, or the password that its grant takes. A request goes on when its
    /// caller goes away; whoever asks for the same meanwhile gets its result.
    ///
    /// # Errors
    /// The authority's no, in the operator's words. The same no is given for a while without asking
    /// again.
    pub async fn bearer(
        &self,
        provider: &Provider,
        mailbox: &str,
        seed: Option<&Secret<String>>,
        scope: &str,
        margin: Margin,
    ) -> Result<Bearer, Refusal> {
        let bearer = self.inquire(provider, mailbox, seed, scope, margin).await;
        bearer.map_err(|failure| failure.refusal(mailbox))
    }

    /// The same for an operator.
    ///
    /// # Errors
    /// The authority's no, part by part.
    pub async fn inquire(
        &self,
        provider: &Provider,
        mailbox: &str,
        seed: Option<&Secret<String>>,
        scope: &str,
        margin: Margin,
    ) -> Result<Bearer, Failure> {
        let errand = Errand::new(provider, mailbox, seed, scope);
        let slot = self.slot(&errand);
        let mut answer = self.ask(&errand, &slot, margin);
        if let Answer::Now(Err(failure)) = &answer
            && failure.class != Class::Retry
            && let Some(mailbox) = &errand.mailbox
            && self.0.sign_ins.has_news(&errand, mailbox).await
        {
            slot.reconsider();
            answer = self.ask(&errand, &slot, margin);
        }
        let outcome = match answer {
            Answer::Now(outcome) => outcome,
            Answer::Later(flight) => flight.landed().await,
            Answer::Rather(flight, held) => match timeout(PATIENCE, flight.landed()).await {
                Ok(Ok(landed)) => Ok(landed),
                _ => Ok((held, Origin::Cached)),
            },
        };
        let (held, origin) = outcome?;
        Ok(Bearer {
            token: held.access,
            origin,
            expires_at: held.expires_at,
            generation: held.generation,
            slot,
        })
    }

    /// The upstream said no to this token. It is forgotten, unless it was replaced since.
    ///
    /// A token that came within the last minute is kept: more likely than a token revoked at once is
    /// a mailbox that the application may not open, and its logins, however many and often, must not
    /// make the authority renew what every other mailbox uses well.
    pub fn refused(&self, bearer: &Bearer) -> Again {
        match bearer.origin {
            Origin::Fresh => Again::Pointless,
            Origin::Cached => bearer.slot.refused(bearer.generation, (self.0.clock)()),
        }
    }

    /// Waits until no request is under way. A refresh token that came with a reply is then on disk;
    /// to be awaited before the runtime ends.
    pub async fn finish(&self) {
        self.0.under_way.close();
        self.0.under_way.wait().await;
    }

    /// The slot's answer, with the request that it takes under way.
    fn ask(&self, errand: &Errand, slot: &Arc<Slot>, margin: Margin) -> Answer {
        let (settle, answer) = slot.ask((self.0.clock)(), margin);
        if let Some(settle) = settle {
            self.launch(errand.clone(), Arc::clone(slot), settle);
        }
        answer
    }

    fn slot(&self, errand: &Errand) -> Arc<Slot> {
        let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        match slots.get(errand) {
            Some(slot) => Arc::clone(slot),
            None => Arc::clone(slots.entry(errand.clone()).or_default()),
        }
    }

    /// Fetches in a task of its own: a client that hangs up must not cancel it for those who wait,
    /// nor between a reply and the refresh token's way to the disk.
    fn launch(&self, errand: Errand, slot: Arc<Slot>, settle: Settle) {
        let engine = Arc::clone(&self.0);
        let fetch = async move {
            let fetched = engine.fetch(&errand).await;
            let now = (engine.clock)();
            let miss = fetched.as_ref().err().cloned();
            let outcome = settle.with(&slot, fetched, now);
            errand.note(miss.as_ref(), &outcome, now);
        };
        self.0.under_way.spawn(fetch.instrument(Span::current()));
    }
}

impl Engine {
    async fn fetch(&self, errand: &Errand) -> Result<Token, Miss> {
        match &errand.mailbox {
            Some(mailbox) if errand.grant.owner == Owner::Mailbox => {
                self.sign_ins.renew(&self.authority, errand, mailbox).await
            }
            _ => self.authority.obtain(errand, None).await,
        }
    }
}

/// All that a token request is made of: equal errands are identical requests, and a changed
/// configuration is another errand, to which nothing remembered of the old one applies.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Errand {
    application: Arc<Application>,
    grant: &'static Grant,
    /// The owner's address in lower case, where the token isn't the application's own.
    mailbox: Option<String>,
    seed: Option<Secret<String>>,
    scope: String,
}

impl Hash for Errand {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.application, self.grant.name, &self.mailbox, &self.scope).hash(state);
    }
}

impl Errand {
    fn new(provider: &Provider, mailbox: &str, seed: Option<&Secret<String>>, scope: &str) -> Self {
        let personal = provider.grant.owner != Owner::Application;
        Self {
            application: Arc::clone(&provider.application),
            grant: provider.grant,
            mailbox: personal.then(|| mailbox.to_lowercase()),
            seed: seed.filter(|_| personal).cloned(),
            scope: scope.to_owned(),
        }
    }

    /// Tells the journal what a fetch came to.
    fn note(&self, miss: Option<&Miss>, outcome: &Outcome, now: SystemTime) {
        let (grant, scope, mailbox) = (self.grant.name, &*self.scope, self.mailbox.as_deref());
        let left = |held: &Held| held.expires_at.duration_since(now).unwrap_or_default().as_secs();
        match (outcome, miss) {
            (Ok((held, _)), None) => {
                info!(grant, mailbox, scope, seconds = left(held), "got an access token");
            }
            (Ok((held, _)), Some(miss)) => warn!(
                grant,
                mailbox,
                scope,
                seconds = left(held),
                said = miss.said(),
                "the access token wasn't renewed, logins use what is left of it: {}",
                miss.failure()
            ),
            (Err(failure), Some(miss @ Miss::Answered(_))) => {
                warn!(grant, mailbox, scope, said = miss.said(), "got no access token: {failure}");
            }
            // Nothing new happened; the refusal of the login says it.
            (Err(_), _) => {}
        }
    }
}

/// Why a fetch gave no token.
#[derive(Clone)]
enum Miss {
    /// The authority was asked, in vain or to no avail.
    Answered(Failure),
    /// It wasn't, or needs not be again: what stands in the way is looked at anew by every login
    /// without asking it.
    Known(Failure),
}

impl Miss {
    fn failure(&self) -> &Failure {
        match self {
            Self::Answered(failure) | Self::Known(failure) => failure,
        }
    }

    fn said(&self) -> Option<&str> {
        self.failure().words.as_deref().map(|words| words.description.as_str())
    }
}
