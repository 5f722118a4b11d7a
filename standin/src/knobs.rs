//! What a test can turn while the stand-in runs.

use std::path::PathBuf;
use std::time::Duration;

use crate::token::Form;

/// The behaviour of the servers. The default is a healthy Exchange Online.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// How long access tokens live. `None`: a random time from 3599 to 5399 seconds, as Entra does.
    pub token_lifetime: Option<Duration>,
    /// Access tokens that are not JWTs, as for personal accounts.
    pub opaque_tokens: bool,
    /// Bytes of a claim that only makes the token longer.
    pub token_padding: usize,
    /// An HTTP answer instead of the endpoint's own.
    pub authority_failure: Option<AuthorityFailure>,
    /// Wait before any answer of the token endpoint.
    pub authority_delay: Duration,
    /// The token endpoint takes requests and never answers.
    pub authority_silent: bool,
    /// The token endpoint answers 200 with more than 256 KiB.
    pub authority_oversize: bool,
    /// The token endpoint refuses with this AADSTS number.
    pub authority_aadsts: Option<u32>,
    /// Each use of a refresh token hands out a new one. The old ones stay valid, as at Entra.
    pub rotate_refresh_tokens: bool,
    /// Answers to the `refresh_token` grant contain a refresh token at all.
    pub include_refresh_token: bool,
    /// `expires_in` is a JSON string, as at some providers.
    pub string_expires_in: bool,
    /// How many seconds the authority's clock is ahead (behind, when negative): in the header `Date`, in JWTs, and where
    /// it looks at the times of an assertion.
    pub authority_clock_skew: i64,
    /// How long an authorization code may be redeemed.
    pub authorization_code_lifetime: Duration,
    /// The interval between polls that the device grant asks for.
    pub device_code_interval: Duration,
    /// How long a device code may be approved and redeemed.
    pub device_code_lifetime: Duration,
    /// How many of the next polls are told `slow_down`.
    pub device_code_slow_downs: u32,
    /// A declined device code is called `access_denied`, as in RFC 8628, not `authorization_declined`, as at Entra.
    pub device_code_rfc_errors: bool,
    /// The signature of a federated assertion is not looked at.
    pub federated_unsigned: bool,
    /// An HTTP answer instead of the managed-identity endpoints' own.
    pub identity_failure: Option<AuthorityFailure>,
    /// The file to which the Azure Arc endpoint writes its key. `None`: there is no such endpoint.
    pub arc_key_file: Option<PathBuf>,

    /// Another first line on IMAP.
    pub imap_greeting: Option<String>,
    /// IMAP connections are accepted and never greeted.
    pub imap_silent: bool,
    /// AUTHENTICATE succeeds and every command after it is told `BAD User is authenticated but not connected.`
    pub imap_not_connected: bool,
    /// Authentication is throttled, with this suggested backoff in milliseconds.
    pub imap_throttled: Option<u64>,
    /// The back end is down: commands are answered `Server Unavailable. 15` without a tag.
    pub imap_unavailable: bool,
    /// Sessions end when their access token does.
    pub imap_expire_sessions: bool,
    /// SASL-IR is not announced.
    pub imap_capability_without_sasl_ir: bool,
    /// `* BYE` with this text instead of a greeting.
    pub imap_bye: Option<String>,
    /// How long a connection may stay without a login.
    pub imap_auth_timeout: Duration,
    /// How long a logged-in connection may stay quiet.
    pub imap_idle_timeout: Duration,

    /// Another first line on SMTP, such as `421 4.3.2 Service not active`. Anything but 220 ends the connection.
    pub smtp_greeting: Option<String>,
    /// SMTP connections are accepted and never greeted.
    pub smtp_silent: bool,
    /// SMTP AUTH is switched off for the tenant.
    pub smtp_auth_disabled_tenant: bool,
    /// SMTP AUTH is switched off for every mailbox.
    pub smtp_auth_disabled_mailbox: bool,
    /// The reply to a password, without the bracket that closes it.
    pub basic_auth_refusal: String,
    /// A refusal of XOAUTH2 whatever the token is, such as `454 4.7.0 Temporary authentication failure`.
    pub smtp_auth_reply: Option<String>,
    /// AUTH succeeds and the message is refused with `430 4.2.0 … MapiExceptionLogonFailed`.
    pub smtp_logon_failed: bool,
    /// Submissions that one mailbox may have under way at the same time; one more gets 432.
    pub smtp_thread_limit: usize,
    /// Messages that a mailbox may submit in a minute; the next ones wait. `None`: any number.
    pub smtp_rate_per_minute: Option<usize>,
    /// STARTTLS is neither announced nor accepted.
    pub smtp_without_starttls: bool,
    /// Bytes in clear behind the 220 of STARTTLS, in the same write: an attacker on the path.
    pub smtp_inject_after_starttls: Option<Vec<u8>>,
    /// The name in EHLO has to be a valid domain or address literal.
    pub smtp_validates_ehlo: bool,
    /// The longest AUTH command in octets with its CRLF; a longer one gets 555, as at Gmail.
    pub smtp_auth_line_limit: Option<usize>,
    /// Another list of extensions, one a line of the EHLO reply.
    pub smtp_extensions: Option<Vec<String>>,

    /// Another first line on POP3. Anything but `+OK` ends the connection.
    pub pop_greeting: Option<String>,
    /// POP3 connections are accepted and never greeted.
    pub pop_silent: bool,
    /// An answer to XOAUTH2 whatever the token is, such as `-ERR [IN-USE] Mailbox is locked`.
    pub pop_auth_reply: Option<String>,
    /// The longest line with a token, in octets with its CRLF; a longer one is a protocol error.
    pub pop_sasl_line_limit: Option<usize>,
    /// How long a POP3 connection may stay without a login.
    pub pop_auth_timeout: Duration,
    /// How long a logged-in POP3 connection may stay quiet.
    pub pop_idle_timeout: Duration,

    /// An HTTP answer instead of Graph's own, such as 429 with a fractional `Retry-After`.
    pub graph_failure: Option<AuthorityFailure>,
    /// How many requests Graph answers itself before that.
    pub graph_failure_after: u32,
    /// Wait before any answer of Graph.
    pub graph_delay: Duration,
    /// How many requests Graph takes in such a time; those beyond get 429 and the rest of it, in fractions of seconds, as
    /// `Retry-After`. `None`: any number.
    pub graph_rate: Option<(u32, Duration)>,
    /// An application access policy keeps every application out of every mailbox.
    pub graph_access_disabled: bool,

    /// The mail servers speak as Gmail's do, with the JSON challenge before a refusal.
    pub google: bool,
    /// Wait before each reply of the mail servers.
    pub mail_delay: Duration,
    /// The mail servers close the connection right after the verdict on a login.
    pub drop_after_auth: bool,
}

/// An HTTP answer that a test chose.
#[derive(Clone, Debug)]
pub struct AuthorityFailure {
    /// The HTTP status.
    pub status: u16,
    /// The body, sent as `application/json`.
    pub body: String,
    /// The value of `Retry-After`.
    pub retry_after: Option<String>,
    /// How many requests are answered so. `None`: all.
    pub times: Option<u32>,
}

impl Knobs {
    /// How access tokens look now.
    pub(crate) fn token_form(&self) -> Form {
        match self.opaque_tokens {
            true => Form::Opaque,
            false => Form::Jwt { padding: self.token_padding, skew: self.authority_clock_skew },
        }
    }

    /// Takes one of the failures of a token endpoint that are still due.
    pub(crate) fn take_authority_failure(&mut self) -> Option<AuthorityFailure> {
        take(&mut self.authority_failure)
    }

    /// The same for the managed-identity endpoints.
    pub(crate) fn take_identity_failure(&mut self) -> Option<AuthorityFailure> {
        take(&mut self.identity_failure)
    }

    /// The same for Graph.
    pub(crate) fn take_graph_failure(&mut self) -> Option<AuthorityFailure> {
        match self.graph_failure_after {
            0 => take(&mut self.graph_failure),
            _ => {
                self.graph_failure_after -= 1;
                None
            }
        }
    }
}

fn take(due: &mut Option<AuthorityFailure>) -> Option<AuthorityFailure> {
    let failure = due.as_mut()?;
    match &mut failure.times {
        None => {}
        Some(0) => {
            *due = None;
            return None;
        }
        Some(times) => *times -= 1,
    }
    Some(failure.clone())
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            token_lifetime: None,
            opaque_tokens: false,
            token_padding: 0,
            authority_failure: None,
            authority_delay: Duration::ZERO,
            authority_silent: false,
            authority_oversize: false,
            authority_aadsts: None,
            rotate_refresh_tokens: true,
            include_refresh_token: true,
            string_expires_in: false,
            authority_clock_skew: 0,
            authorization_code_lifetime: Duration::from_secs(10 * 60),
            device_code_interval: Duration::from_secs(5),
            device_code_lifetime: Duration::from_secs(15 * 60),
            device_code_slow_downs: 0,
            device_code_rfc_errors: false,
            federated_unsigned: false,
            identity_failure: None,
            arc_key_file: None,
            imap_greeting: None,
            imap_silent: false,
            imap_not_connected: false,
            imap_throttled: None,
            imap_unavailable: false,
            imap_expire_sessions: false,
            imap_capability_without_sasl_ir: false,
            imap_bye: None,
            imap_auth_timeout: Duration::from_secs(60),
            imap_idle_timeout: Duration::from_secs(30 * 60),
            smtp_greeting: None,
            smtp_silent: false,
            smtp_auth_disabled_tenant: false,
            smtp_auth_disabled_mailbox: false,
            basic_auth_refusal:
                "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.".into(),
            smtp_auth_reply: None,
            smtp_logon_failed: false,
            smtp_thread_limit: 3,
            smtp_rate_per_minute: Some(30),
            smtp_without_starttls: false,
            smtp_inject_after_starttls: None,
            smtp_validates_ehlo: true,
            smtp_auth_line_limit: None,
            smtp_extensions: None,
            pop_greeting: None,
            pop_silent: false,
            pop_auth_reply: None,
            pop_sasl_line_limit: None,
            pop_auth_timeout: Duration::from_secs(60),
            pop_idle_timeout: Duration::from_secs(30 * 60),
            graph_failure: None,
            graph_failure_after: 0,
            graph_delay: Duration::ZERO,
            graph_rate: None,
            graph_access_disabled: false,
            google: false,
            mail_delay: Duration::ZERO,
            drop_after_auth: false,
        }
    }
}
