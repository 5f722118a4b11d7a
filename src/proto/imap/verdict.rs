//! What an IMAP service's refusals mean, and what an operator does about them.

use crate::proto::{Cause, Refusal};

/// A response that is known by a piece of its text.
pub struct Verdict {
    /// A piece of the line, compared without regard to case.
    pub text: &'static str,
    /// What it comes to.
    pub cause: Cause,
    /// What it means and what to do.
    pub advice: &'static str,
}

/// The known responses, the more specific ones first.
pub const VERDICTS: &[Verdict] = &[
    Verdict {
        text: "User is authenticated but not connected",
        cause: Cause::MailboxNotOpened,
        advice: "The token is good, but the mailbox doesn't open. Grant it to the app (Add-MailboxPermission -Identity <mailbox> -User <service principal> -AccessRights FullAccess) or to the delegate, check that IMAP is on (Set-CASMailbox <mailbox> -ImapEnabled $true), that it has a licence, and that the identity is the mailbox's address",
    },
    Verdict {
        text: "AccessTokenExpired",
        cause: Cause::UpstreamUnavailable,
        advice: "The session's access token ran out. The client connects again and gets a fresh one",
    },
    Verdict {
        text: "Request is throttled",
        cause: Cause::UpstreamUnavailable,
        advice: "The service throttles this mailbox and names the wait in milliseconds. Let fewer programs poll it, less often",
    },
    Verdict {
        text: "Server Unavailable",
        cause: Cause::UpstreamUnavailable,
        advice: "The service's back end is down. It comes back by itself; see the service health page if it doesn't",
    },
    Verdict {
        text: "Too many",
        cause: Cause::UpstreamUnavailable,
        advice: "The mailbox has as many connections as the service allows. Let fewer programs keep it open",
    },
    Verdict {
        text: "Basic authentication is disabled",
        cause: Cause::Misconfigured,
        advice: "The service took the login for a password login. Check that the provider's host is the one meant for OAuth",
    },
    Verdict {
        text: "AUTHENTICATE failed",
        cause: Cause::TokenRefused,
        advice: "The service refuses the access token. Usual causes: the token is for another resource (scope https://outlook.office365.com/.default), the permission IMAP.AccessAsApp or its admin consent is missing, or the app's service principal isn't registered in Exchange with the Enterprise application's object id (New-ServicePrincipal -AppId <client id> -ObjectId <object id>)",
    },
    Verdict {
        text: "Invalid credentials",
        cause: Cause::TokenRefused,
        advice: "The service refuses the access token for this address. Check that the sign-in was made by this account and that IMAP is on for it",
    },
    Verdict {
        text: "Command Argument Error",
        cause: Cause::UpstreamProtocol,
        advice: "The service takes the login in another form than it announced before. gatepost asks again what it understands",
    },
    Verdict {
        text: "Connection is closed. 13",
        cause: Cause::UpstreamUnreachable,
        advice: "The service hangs up behind a login that failed. Why it failed stands in the line before",
    },
    Verdict {
        text: "Connection closed. 14",
        cause: Cause::UpstreamUnreachable,
        advice: "The service hangs up behind commands that it refused, as it does where a mailbox didn't open. Why stands in the lines before",
    },
    Verdict {
        text: "Command Error",
        cause: Cause::UpstreamProtocol,
        advice: "The service doesn't understand the login. Behind 10 the line was too long (an unusually large token), behind 11 or 12 something on the way changes the conversation",
    },
];

/// The row that fits a response line, if one does.
pub fn lookup(line: &str) -> Option<&'static Verdict> {
    let line = line.to_ascii_lowercase();
    VERDICTS.iter().find(|verdict| line.contains(&verdict.text.to_ascii_lowercase()))
}

/// The refusal that a response line comes to; `otherwise` is for lines that no row fits.
pub(super) fn refusal(line: &[u8], otherwise: Cause) -> Refusal {
    let line = String::from_utf8_lossy(line);
    let (cause, advice) = match lookup(&line) {
        Some(verdict) => (verdict.cause, verdict.advice),
        None => (otherwise, "The service refuses the connection or the login"),
    };
    let printable: String = line.chars().filter(|c| !c.is_control()).take(400).collect();
    Refusal::new(cause, format!("{advice}. It said: {printable}")).quoting(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line as Exchange Online or Gmail has sent it.
    #[test]
    fn known_lines_are_recognised() {
        for (line, cause, advice) in [
            ("g2 NO AUTHENTICATE failed.", Cause::TokenRefused, "New-ServicePrincipal"),
            (
                "g3 BAD User is authenticated but not connected.",
                Cause::MailboxNotOpened,
                "FullAccess",
            ),
            (
                "* BYE Session invalidated - AccessTokenExpired",
                Cause::UpstreamUnavailable,
                "ran out",
            ),
            (
                "g2 BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds",
                Cause::UpstreamUnavailable,
                "milliseconds",
            ),
            ("Server Unavailable. 15", Cause::UpstreamUnavailable, "back end"),
            ("g2 NO Basic authentication is disabled.", Cause::Misconfigured, "password login"),
            ("g2 BAD Command Error. 10", Cause::UpstreamProtocol, "too long"),
            ("* BYE Too many connections", Cause::UpstreamUnavailable, "connections"),
            (
                "g2 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)",
                Cause::TokenRefused,
                "account",
            ),
            (
                "* BYE Connection is closed. 13",
                Cause::UpstreamUnreachable,
                "failed stands in the line before",
            ),
            ("* BYE Connection closed. 14", Cause::UpstreamUnreachable, "didn't open"),
            (
                "g2 BAD Command Argument Error. 12",
                Cause::UpstreamProtocol,
                "asks again what it understands",
            ),
        ] {
            let refusal = refusal(line.as_bytes(), Cause::UpstreamUnreachable);
            assert_eq!(refusal.cause, cause, "{line}");
            assert!(refusal.explain().contains(advice), "{line}: {}", refusal.explain());
            assert!(refusal.explain().contains(line), "the operator sees the line itself");
        }
    }
}
