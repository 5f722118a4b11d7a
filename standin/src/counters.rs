//! What the stand-in counts, for tests that ask how often something happened.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// How often it happened so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts one more and answers how many there are now.
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests to the token endpoint, whatever came of them.
    pub token_requests: Counter,
    /// Requests with the grant `client_credentials`.
    pub client_credentials_requests: Counter,
    /// Requests with the grant `refresh_token`.
    pub refresh_token_requests: Counter,
    /// Requests with the grant `password`.
    pub password_requests: Counter,
    /// Requests with the grant `authorization_code`.
    pub authorization_code_requests: Counter,
    /// Requests with the grant `device_code`: polls.
    pub device_code_requests: Counter,
    /// Requests of Google service accounts, with the grant `jwt-bearer`.
    pub jwt_bearer_requests: Counter,
    /// Device codes that were handed out.
    pub device_codes_issued: Counter,
    /// Requests to an authorize page: forms that were shown and forms that came back.
    pub authorize_requests: Counter,
    /// People who signed in, on an authorize page or a device page.
    pub sign_ins: Counter,
    /// Requests to the managed-identity endpoints, whatever came of them.
    pub identity_requests: Counter,
    /// Access tokens that a token endpoint gave out.
    pub tokens_issued: Counter,
    /// Mail connections of all kinds; numbers them too.
    pub connections: Counter,
    /// IMAP connections, with and without TLS.
    pub imap_connections: Counter,
    /// SMTP connections of all three ports.
    pub smtp_connections: Counter,
    /// IMAP logins that were answered OK.
    pub imap_logins: Counter,
    /// SMTP logins that were answered 235.
    pub smtp_logins: Counter,
    /// IMAP logins that were refused.
    pub imap_refusals: Counter,
    /// SMTP logins that were refused.
    pub smtp_refusals: Counter,
    /// POP3 connections, with and without TLS.
    pub pop_connections: Counter,
    /// POP3 logins that were answered `+OK`.
    pub pop_logins: Counter,
    /// POP3 logins that were refused.
    pub pop_refusals: Counter,
    /// Requests to Microsoft Graph, whatever came of them.
    pub graph_requests: Counter,
    /// Messages that Graph accepted with 202.
    pub graph_messages_accepted: Counter,
    /// Messages that were accepted with 250 after DATA or BDAT LAST.
    pub messages_accepted: Counter,
    /// Recipients outside the tenant in accepted messages.
    pub recipients_relayed: Counter,
}
