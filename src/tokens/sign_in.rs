//! A mailbox's sign-in: its refresh token, between the store and the authority.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, mem};

use tokio::task::spawn_blocking;
use tracing::error;

use super::authority::Authority;
use super::{Errand, Miss};
use crate::oauth::{Application, Class, Failure, Token};
use crate::secret::Secret;
use crate::store::{Record, Store, Trouble};

/// The sign-ins of all mailboxes.
pub(super) struct SignIns {
    store: Store,
    /// Bounded by the configuration: one a mailbox.
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<SignIn>>>>,
}

/// What is known of one sign-in that isn't in the store. Whoever holds its lock is the only one who
/// spends its refresh token: a second scope's request waits, since an authority that sees a token
/// twice takes it for stolen.
#[derive(Default)]
struct SignIn {
    /// A rotated token that couldn't be written. It isn't spent before it is on disk: authorities
    /// that rotate forgive the use of the last token, not of the one before.
    unsaved: Option<Record>,
    /// The store keeps it; it isn't sent again.
    ended: Option<Ended>,
}

/// A refresh token that an authority has ended.
struct Ended {
    token: Secret<String>,
    /// Who showed it: a corrected client id or token endpoint deserves another try.
    application: Arc<Application>,
    failure: Failure,
}

impl SignIns {
    pub(super) fn new(store: Store) -> Self {
        Self { store, known: Mutex::default() }
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
        let refresh_token = choose(record, errand);
        if let Some(ended) = &sign_in.ended
            && refresh_token.as_ref() == Some(&ended.token)
            && errand.application == ended.application
        {
            return Err(Miss::Known(ended.failure.clone()));
        }
        match authority.obtain(errand, refresh_token.clone()).await {
            Ok(token) => {
                let successor =
                    token.refresh.clone().filter(|new| Some(new) != refresh_token.as_ref());
                if let Some(successor) = successor {
                    self.keep(&mut sign_in, record_of(errand, mailbox, successor)).await;
                }
                Ok(token)
            }
            Err(Miss::Answered(failure)) if failure.ends_refresh_token() => {
                error!(mailbox, "the sign-in has ended: {failure}");
                let application = Arc::clone(&errand.application);
                sign_in.ended = refresh_token.map(|token| Ended {
                    token,
                    application,
                    failure: failure.clone(),
                });
                Err(Miss::Known(failure))
            }
            Err(miss) => Err(miss),
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
        self.save(record_of(errand, mailbox, refresh_token)).await
    }

    fn of(&self, mailbox: &str) -> Arc<tokio::sync::Mutex<SignIn>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(mailbox.to_owned()).or_default())
    }

    /// The record to go by, which is on disk.
    async fn current(
        &self,
        sign_in: &mut SignIn,
        mailbox: &str,
    ) -> Result<Option<Record>, Trouble> {
        if let Some(record) = &sign_in.unsaved {
            self.save(record.clone()).await?;
            return Ok(mem::take(&mut sign_in.unsaved));
        }
        let (store, mailbox) = (self.store.clone(), mailbox.to_owned());
        on_disk(move || store.load(&mailbox)).await
    }

    async fn keep(&self, sign_in: &mut SignIn, record: Record) {
        if let Err(trouble) = self.save(record.clone()).await {
            let mailbox = record.mailbox.as_str();
            error!(
                mailbox,
                "the new refresh token is in memory only: {trouble}. \
                 Logins work until the access token ends; a restart before it is written may end the sign-in"
            );
            sign_in.unsaved = Some(record);
        }
    }

    async fn save(&self, record: Record) -> Result<(), Trouble> {
        let store = self.store.clone();
        on_disk(move || store.save(&record)).await
    }
}

/// The stored token, if it was given to this application and comes from the configured one, if any;
/// else the configured one: an operator who changes it wants it used.
fn choose(record: Option<Record>, errand: &Errand) -> Option<Secret<String>> {
    let seed = errand.seed.as_ref().map(Record::fingerprint);
    record
        .filter(|record| record.belongs_to(&errand.application))
        .filter(|record| seed.is_none() || record.seed == seed)
        .map(|record| record.refresh_token)
        .or_else(|| errand.seed.clone())
}

fn record_of(errand: &Errand, mailbox: &str, refresh_token: Secret<String>) -> Record {
    Record {
        mailbox: mailbox.to_owned(),
        token_endpoint: errand.application.authority().to_owned(),
        client_id: errand.application.client_id.clone(),
        refresh_token,
        seed: errand.seed.as_ref().map(Record::fingerprint),
    }
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
