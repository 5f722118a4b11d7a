//! A mailbox's sign-in: its refresh token, between the store and the authority.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tracing::{error, info};

use super::authority::Authority;
use super::{Clock, Errand, Miss};
use crate::notice::{Event, Notices};
use crate::oauth::{Application, Class, Failure, Token};
use crate::secret::Secret;
use crate::store::{Record, Saved, Store, Trouble};

/// How old the time in a record may be before a renewal writes it anew. It counts down weeks, and
/// most authorities give the same refresh token back every hour.
const NOTED: Duration = Duration::from_secs(24 * 3600);

/// The sign-ins of all mailboxes.
pub(super) struct SignIns {
    store: Store,
    clock: Clock,
    notices: Notices,
    /// Bounded by the configuration: one a mailbox.
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<SignIn>>>>,
}

/// What is known of one sign-in that isn't in the store. Whoever holds its lock is the only one who
/// spends its refresh token: a second scope's request waits, since an authority that sees a token
/// twice takes it for stolen.
#[derive(Default)]
struct SignIn {
    unsaved: Option<Unsaved>,
    /// The store keeps it; it isn't sent again.
    ended: Option<Ended>,
    /// The token that the authority was shown last.
    shown: Option<Secret<String>>,
}

/// A rotated token that couldn't be written. It isn't spent before it is on disk: authorities that
/// rotate forgive the use of the last token, not of the one before.
struct Unsaved {
    former: Option<Record>,
    record: Record,
}

/// A refresh token that an authority has ended.
struct Ended {
    token: Secret<String>,
    /// Who showed it: a corrected client id or token endpoint deserves another try.
    application: Arc<Application>,
    failure: Failure,
}

impl SignIns {
    pub(super) fn new(store: Store, clock: Clock, notices: Notices) -> Self {
        Self { store, clock, notices, known: Mutex::default() }
    }

    /// A token for the errand by the refresh token of `mailbox`, whose successor is on disk when this
    /// returns.
    ///
    /// Where it can't be written, the access token is given all the same, and the journal says so:
    /// the authority has rotated already, and a login refused would mend nothing.
    pub(super) async fn renew(
        &self,
        authority: &Authority,
        errand: &Errand,
        mailbox: &str,
    ) -> Result<Token, Miss> {
        let known = self.of(mailbox);
        let mut sign_in = known.lock().await;
        let record =
            self.current(&mut sign_in, mailbox).await.map_err(|trouble| storage(&trouble))?;
        let refresh_token = choose(record.as_ref(), errand);
        if let Some(ended) = &sign_in.ended
            && refresh_token.as_ref() == Some(&ended.token)
            && errand.application == ended.application
        {
            return Err(Miss::Known(ended.failure.clone()));
        }
        sign_in.shown.clone_from(&refresh_token);
        match authority.obtain(errand, refresh_token.clone()).await {
            Ok(token) => {
                let rotated = token.refresh.clone().or(refresh_token);
                if let Some(refresh_token) = rotated {
                    let renewed = self.record(errand, mailbox, refresh_token);
                    self.keep(&mut sign_in, record, renewed).await;
                }
                self.notices.over(&Event::sign_in_subject(mailbox));
                Ok(token)
            }
            Err(miss) => Err(self.missed(&mut sign_in, errand, (mailbox, refresh_token), miss)),
        }
    }

    /// Keeps a refresh token of the errand's mailbox that didn't come by [`renew`](Self::renew).
    pub(super) async fn adopt(
        &self,
        errand: &Errand,
        refresh_token: Secret<String>,
    ) -> Result<(), Trouble> {
        let mailbox = errand.mailbox.as_deref().unwrap_or_default();
        let known = self.of(mailbox);
        let mut sign_in = known.lock().await;
        sign_in.unsaved = None;
        let (store, record) = (self.store.clone(), self.record(errand, mailbox, refresh_token));
        on_disk(move || store.save(&record)).await
    }

    /// Whether the store has another refresh token for the errand than the authority was shown last: a
    /// person has signed in since.
    pub(super) async fn has_news(&self, errand: &Errand, mailbox: &str) -> bool {
        let known = self.of(mailbox);
        // Who holds it is just finding out.
        let Ok(sign_in) = known.try_lock() else { return false };
        let Ok(record) = self.load(mailbox).await else { return false };
        let stored = choose(record.as_ref(), errand);
        stored.is_some() && stored != sign_in.shown
    }

    /// The record of `mailbox`, as it is on the disk.
    pub(super) async fn load(&self, mailbox: &str) -> Result<Option<Record>, Trouble> {
        let (store, mailbox) = (self.store.clone(), mailbox.to_owned());
        on_disk(move || store.load(&mailbox)).await
    }

    fn of(&self, mailbox: &str) -> Arc<tokio::sync::Mutex<SignIn>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(mailbox.to_owned()).or_default())
    }

    /// Notes what a miss says about the sign-in.
    fn missed(
        &self,
        sign_in: &mut SignIn,
        errand: &Errand,
        (mailbox, refresh_token): (&str, Option<Secret<String>>),
        miss: Miss,
    ) -> Miss {
        let failure = miss.failure();
        if failure.class == Class::SignIn {
            self.notices.raise(Event::sign_in_needed(mailbox, failure, refresh_token.as_ref()));
        }
        let Miss::Answered(failure) = miss else { return miss };
        if !failure.ends_refresh_token() {
            return Miss::Answered(failure);
        }
        error!(mailbox, "the sign-in has ended: {failure}");
        let application = Arc::clone(&errand.application);
        sign_in.ended =
            refresh_token.map(|token| Ended { token, application, failure: failure.clone() });
        Miss::Known(failure)
    }

    /// The record to go by, which is on disk.
    async fn current(
        &self,
        sign_in: &mut SignIn,
        mailbox: &str,
    ) -> Result<Option<Record>, Trouble> {
        if let Some(Unsaved { former, record }) = &sign_in.unsaved {
            self.succeed(former.clone(), record.clone()).await?;
            sign_in.unsaved = None;
        }
        self.load(mailbox).await
    }

    async fn keep(&self, sign_in: &mut SignIn, former: Option<Record>, record: Record) {
        if former.as_ref().is_some_and(|former| says_as_much(former, &record)) {
            return;
        }
        let mailbox = record.mailbox.as_str();
        match self.succeed(former.clone(), record.clone()).await {
            Ok(Saved::Written) => {}
            Ok(Saved::Overtaken) => {
                info!(
                    mailbox,
                    "somebody has signed in meanwhile; that sign-in is used from now on"
                );
            }
            Err(trouble) => {
                error!(
                    mailbox,
                    "the new refresh token is in memory only: {trouble}. \
                     Logins work until the access token ends; a restart before it is written may end the sign-in"
                );
                sign_in.unsaved = Some(Unsaved { former, record });
            }
        }
    }

    async fn succeed(&self, former: Option<Record>, record: Record) -> Result<Saved, Trouble> {
        let store = self.store.clone();
        on_disk(move || store.succeed(former.as_ref(), &record)).await
    }

    fn record(&self, errand: &Errand, mailbox: &str, refresh_token: Secret<String>) -> Record {
        Record {
            mailbox: mailbox.to_owned(),
            token_endpoint: errand.application.authority().to_owned(),
            client_id: errand.application.client_id.clone(),
            refresh_token,
            seed: errand.seed.as_ref().map(Record::fingerprint),
            refreshed_at: (self.clock)(),
        }
    }
}

/// Whether `record` adds nothing to what is on disk that a restart would miss.
fn says_as_much(former: &Record, record: &Record) -> bool {
    let same = Record { refreshed_at: former.refreshed_at, ..record.clone() } == *former;
    let age = record.refreshed_at.duration_since(former.refreshed_at);
    same && age.is_ok_and(|age| age < NOTED)
}

/// The stored token, if it was given to this application and comes from the configured one, if any;
/// else the configured one: an operator who changes it wants it used.
pub(super) fn choose(record: Option<&Record>, errand: &Errand) -> Option<Secret<String>> {
    let seed = errand.seed.as_ref().map(Record::fingerprint);
    record
        .filter(|record| record.belongs_to(&errand.application))
        .filter(|record| seed.is_none() || record.seed == seed)
        .map(|record| record.refresh_token.clone())
        .or_else(|| errand.seed.clone())
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Trouble::Io {
            doing: "was broken off while at",
            path: "the store".into(),
            source: io::Error::other(error),
        })
    })
}

fn storage(trouble: &Trouble) -> Miss {
    Miss::Known(Failure::new(
        Class::Configure,
        trouble.to_string(),
        "Put the state directory right, or sign in again if the record is lost",
    ))
}
