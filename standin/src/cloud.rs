//! What the authority and the mail servers know together.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_rustls::TlsAcceptor;

use crate::codes::Codes;
use crate::counters::Counters;
use crate::dialogue::Transcript;
use crate::knobs::Knobs;
use crate::store::MailStore;
use crate::tenant::Tenant;
use crate::token::Tokens;

/// The imitated cloud behind all listeners.
pub(crate) struct Cloud {
    pub(crate) counters: Counters,
    pub(crate) transcript: Transcript,
    pub(crate) store: MailStore,
    pub(crate) tokens: Tokens,
    pub(crate) codes: Codes,
    /// What App Service puts into the environment variable `IDENTITY_HEADER`.
    pub(crate) identity_header: String,
    pub(crate) tls: TlsAcceptor,
    pub(crate) submissions: crate::smtp::Submissions,
    pub(crate) drafts: crate::graph::Drafts,
    pub(crate) pace: crate::graph::Pace,
    knobs: Mutex<Knobs>,
    tenant: Mutex<Tenant>,
}

impl Cloud {
    pub(crate) fn new(tenant: Tenant, tls: TlsAcceptor) -> Self {
        Self {
            counters: Counters::default(),
            transcript: Transcript::default(),
            store: MailStore::default(),
            tokens: Tokens::default(),
            codes: Codes::default(),
            identity_header: crate::entropy::guid(),
            tls,
            submissions: crate::smtp::Submissions::default(),
            drafts: crate::graph::Drafts::default(),
            pace: crate::graph::Pace::default(),
            knobs: Mutex::default(),
            tenant: Mutex::new(tenant),
        }
    }

    /// The knobs; a test that panicked while it held them left nothing half-written worth stopping for.
    pub(crate) fn knobs(&self) -> MutexGuard<'_, Knobs> {
        self.knobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tenant(&self) -> MutexGuard<'_, Tenant> {
        self.tenant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cloud").finish_non_exhaustive()
    }
}
