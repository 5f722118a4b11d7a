//! What a POP3 service's refusals mean, and what an operator does about them.

use crate::proto::{Cause, Refusal};

/// A reply that is known by a piece of its text.
pub struct Verdict {
    /// A piece of the line, compared without regard to case.
    pub text: &'static str,
    /// What it comes to.
    pub cause: Cause,
    /// What it means and what to do.
    pub advice: &'static str,
}

/// The known replies, the more specific ones first.
pub const VERDICTS: &[Verdict] = &[
    Verdict {
        text: "unknown user name or bad password",
        cause: Cause::TokenRefused,
        advice: "The service refuses the access token. Usual causes: the token is for another resource (scope https://outlook.office365.com/.default), the permission POP.AccessAsApp or its admin consent is missing, POP is off for the mailbox (Set-CASMailbox <mailbox> -PopEnabled $true), the identity isn't the mailbox's address, or the app's service principal isn't registered in Exchange with the Enterprise application's object id (New-ServicePrincipal -AppId <client id> -ObjectId <object id>) or has no permission on the mailbox (Add-MailboxPermission -Identity <mailbox> -User <service principal> -AccessRights FullAccess)",
    },
    Verdict {
        text: "Protocol error",
        cause: Cause::UpstreamProtocol,
        advice: "The service takes no line of this length. The access token is unusually large; ask for fewer permissions on the app",
    },
    Verdict {
        text: "User is authenticated but not connected",
        cause: Cause::MailboxNotOpened,
        advice: "The token is good, but the mailbox doesn't open. Grant it to the app (Add-MailboxPermission -Identity <mailbox> -User <service principal> -AccessRights FullAccess) and check that POP is on (Set-CASMailbox <mailbox> -PopEnabled $true)",
    },
    Verdict {
        text: "not enabled for POP",
        cause: Cause::MailboxNotOpened,
        advice: "POP is switched off in the mailbox's own settings. Its owner or an administrator switches it on there",
    },
    Verdict {
        text: "Username and password not accepted",
        cause: Cause::TokenRefused,
        advice: "The service refuses the access token for this address. Check that the sign-in was made by this account and that POP is on for it",
    },
    Verdict {
        text: "Basic authentication",
        cause: Cause::Misconfigured,
        advice: "The service took the login for a password login. Check that the provider's host is the one meant for OAuth",
    },
    Verdict {
        text: "[IN-USE]",
        cause: Cause::UpstreamUnavailable,
        advice: "Another program has the mailbox open, and POP3 allows one at a time. Let the programs fetch one after the other",
    },
    Verdict {
        text: "[LOGIN-DELAY]",
        cause: Cause::UpstreamUnavailable,
        advice: "The mailbox was opened too short a time ago. Let the program fetch less often",
    },
    Verdict {
        text: "Request is throttled",
        cause: Cause::UpstreamUnavailable,
        advice: "The service throttles this mailbox. Let fewer programs poll it, less often",
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
        text: "[SYS/TEMP]",
        cause: Cause::UpstreamUnavailable,
        advice: "The service has a passing trouble. The client tries again later",
    },
    Verdict {
        text: "[SYS/PERM]",
        cause: Cause::MailboxNotOpened,
        advice: "The service doesn't open this mailbox until somebody changes something there; its words tell what",
    },
];

/// The row that fits a line, if one does.
pub fn lookup(line: &str) -> Option<&'static Verdict> {
    let line = line.to_ascii_lowercase();
    VERDICTS.iter().find(|verdict| line.contains(&verdict.text.to_ascii_lowercase()))
}

/// The refusal that a line comes to; `otherwise` is for lines that no row fits.
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

    /// Each line as Exchange Online, Gmail or an RFC has it.
    #[test]
    fn known_lines_are_recognised() {
        for (line, cause, advice) in [
            (
                "-ERR Authentication failure: unknown user name or bad password.",
                Cause::TokenRefused,
                "New-ServicePrincipal",
            ),
            (
                "-ERR Protocol error. Connection is closed. 10",
                Cause::UpstreamProtocol,
                "unusually large",
            ),
            (
                "-ERR [AUTH] Username and password not accepted.",
                Cause::TokenRefused,
                "this account",
            ),
            (
                "-ERR [SYS/PERM] Your account is not enabled for POP access.",
                Cause::MailboxNotOpened,
                "own settings",
            ),
            (
                "-ERR [IN-USE] Do you have another POP session?",
                Cause::UpstreamUnavailable,
                "one at a time",
            ),
            (
                "-ERR [LOGIN-DELAY] minimum time between mail checks",
                Cause::UpstreamUnavailable,
                "less often",
            ),
            ("-ERR [SYS/TEMP] Temporary system problem", Cause::UpstreamUnavailable, "passing"),
            ("-ERR something new", Cause::TokenRefused, "refuses"),
        ] {
            let refusal = refusal(line.as_bytes(), Cause::TokenRefused);
            assert_eq!(refusal.cause, cause, "{line}");
            assert!(refusal.explain().contains(advice), "{line}: {}", refusal.explain());
            assert!(refusal.explain().contains(line), "the operator sees the line itself");
        }
    }
}
