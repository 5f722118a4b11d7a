//! A no with a reason: what the client may hear of it, and what the operator should do.

use std::fmt;

/// Why a login, or a talk before one, leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Unknown user or wrong local password; the client can't tell which.
    LoginRejected,
    /// The client asked to act as someone it may not be.
    NotAuthorized,
    /// Nobody has signed in for this mailbox, or the sign-in has ended.
    SignInNeeded,
    /// The configuration, here or at the authority, must change.
    Misconfigured,
    /// A policy of the tenant stands in the way.
    ForbiddenByPolicy,
    /// The authority is down, slow or throttling.
    AuthorityUnavailable,
    /// The mail host can't be reached, or TLS with it fails.
    UpstreamUnreachable,
    /// The mail host answers, but asks to come back later.
    UpstreamUnavailable,
    /// The mail host refuses the access token.
    TokenRefused,
    /// The mail host took the access token, but doesn't open the mailbox.
    MailboxNotOpened,
    /// The mail host said something that its protocol doesn't allow here.
    UpstreamProtocol,
    /// Something was sent in clear behind STARTTLS (RFC 3207 section 6).
    StartTlsInjection,
    /// As many connections are open as may be.
    TooManyConnections,
    /// Too many commands that make no sense.
    TooManyBadCommands,
    /// Too many failed logins on this connection.
    TooManyFailedLogins,
    /// The client took too long.
    TimedOut,
    /// gatepost is stopping.
    Stopping,
}

/// A no, with the two audiences it has.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Why.
    pub cause: Cause,
    /// What happened and what to do, for the operator. Never holds a secret.
    pub explanation: String,
    /// The mailbox that the login led to, where it got so far: the client may hear its name.
    pub mailbox: Option<String>,
    /// The upstream's own line, where its words are worth more than ours.
    pub verbatim: Option<String>,
}

impl Refusal {
    /// A refusal for `cause`, explained to the operator.
    pub fn new(cause: Cause, explanation: impl Into<String>) -> Self {
        Self { cause, explanation: explanation.into(), mailbox: None, verbatim: None }
    }

    /// The same, about the mailbox at `address`, so far as it can stand in one line of a reply.
    #[must_use]
    pub fn about(self, address: &str) -> Self {
        Self { mailbox: Some(one_line(address, 254)), ..self }
    }

    /// The same, with the upstream's own line: cut at 400 characters, its control characters gone,
    /// so that it can stand in one line of a reply or of the journal.
    #[must_use]
    pub fn quoting(self, line: &str) -> Self {
        Self { verbatim: Some(one_line(line, 400)), ..self }
    }

    /// What the client hears, in any protocol: no secret, no name of another mailbox, no detail that
    /// helps an attacker.
    pub fn reply(&self) -> String {
        let text = match self.cause {
            Cause::LoginRejected => "Authentication failed",
            Cause::NotAuthorized => "Not authorized for the requested mailbox",
            Cause::SignInNeeded => "Sign-in needed; see gatepost's journal",
            Cause::Misconfigured => "Mailbox configuration is incomplete; see gatepost's journal",
            Cause::ForbiddenByPolicy => "Blocked by the tenant's policy; see gatepost's journal",
            Cause::AuthorityUnavailable => "Temporary authentication failure",
            Cause::UpstreamUnreachable => "Mail server can't be reached",
            Cause::UpstreamUnavailable => "Mail server is busy, try again later",
            Cause::TokenRefused => "Mail server refused the access; see gatepost's journal",
            Cause::MailboxNotOpened => {
                "Mail server doesn't open this mailbox; see gatepost's journal"
            }
            Cause::UpstreamProtocol => "Mail server answered out of turn",
            Cause::StartTlsInjection => "Data behind STARTTLS",
            Cause::TooManyConnections => "Too many connections",
            Cause::TooManyBadCommands => "Too many bad commands",
            Cause::TooManyFailedLogins => "Too many failed logins",
            Cause::TimedOut => "Timed out",
            Cause::Stopping => "Service is stopping",
        };
        match &self.mailbox {
            // Neither IMAP nor SMTP has more than ASCII in its replies.
            Some(address) => format!("{text} ({})", address.replace(|c: char| !c.is_ascii(), "?")),
            None => text.to_owned(),
        }
    }

    /// Whether the answer to it says that the connection ends: SMTP's 421, passed on (RFC 5321
    /// section 3.8).
    pub fn ends_talk(&self) -> bool {
        let verbatim = self.verbatim.as_deref();
        self.cause == Cause::UpstreamUnavailable
            && verbatim.is_some_and(|line| line.starts_with("421"))
    }

    /// What happened and what to do, for the operator.
    pub fn explain(&self) -> &str {
        &self.explanation
    }
}

fn one_line(text: &str, most: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.explanation)
    }
}

impl std::error::Error for Refusal {}
