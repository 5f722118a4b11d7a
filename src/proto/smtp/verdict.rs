//! What a submission service's refusals mean, and what an operator does about them.

use super::grammar::Reply;
use crate::proto::{Cause, Refusal};

/// A reply that is known by its code and a piece of its text.
pub struct Verdict {
    /// The reply code; 0 fits any.
    pub code: u16,
    /// A piece of the text, compared without regard to case. Digits at its ends are whole numbers.
    pub text: &'static str,
    /// What it comes to.
    pub cause: Cause,
    /// What it means and what to do.
    pub advice: &'static str,
}

/// The known replies, the more specific ones first.
pub const VERDICTS: &[Verdict] = &[
    Verdict {
        code: 535,
        text: "SmtpClientAuthentication is disabled for the Tenant",
        cause: Cause::ForbiddenByPolicy,
        advice: "SMTP AUTH is off for the tenant, OAuth included. Switch it on for this mailbox: Set-CASMailbox <mailbox> -SmtpClientAuthenticationDisabled $false (works within an hour)",
    },
    Verdict {
        code: 535,
        text: "SmtpClientAuthentication is disabled for the Mailbox",
        cause: Cause::ForbiddenByPolicy,
        advice: "SMTP AUTH is off for this mailbox. Switch it on: Set-CASMailbox <mailbox> -SmtpClientAuthenticationDisabled $false (works within an hour)",
    },
    Verdict {
        code: 535,
        text: "basic authentication is disabled",
        cause: Cause::Misconfigured,
        advice: "The service took the login for a password login. Check that the provider's host is the one meant for OAuth",
    },
    Verdict {
        code: 550,
        text: "5.7.30",
        cause: Cause::Misconfigured,
        advice: "The service took the login for a password login. Check that the provider's host is the one meant for OAuth",
    },
    Verdict {
        code: 535,
        text: "did not meet the criteria to be authenticated",
        cause: Cause::ForbiddenByPolicy,
        advice: "A Conditional Access policy or the block on legacy protocols stands in the way. Look the sign-in up in the Entra sign-in log and exclude this app or account from the policy named there",
    },
    Verdict {
        code: 535,
        text: "security defaults policy",
        cause: Cause::ForbiddenByPolicy,
        advice: "Security Defaults block this account. Use Conditional Access instead of Security Defaults, or an app-only grant",
    },
    Verdict {
        code: 535,
        text: "account locked",
        cause: Cause::ForbiddenByPolicy,
        advice: "The account is locked out. Find what keeps trying a wrong password in the Entra sign-in log, then unlock it or wait",
    },
    Verdict {
        code: 535,
        text: "federated STS",
        cause: Cause::UpstreamUnavailable,
        advice: "The organisation's own federation server can't be reached from the service, or speaks no HTTPS. Ask who runs it",
    },
    Verdict {
        code: 535,
        text: "",
        cause: Cause::TokenRefused,
        advice: "The service refuses the access token. Usual causes: the token is for another resource (scope), the mailbox has no licence or SMTP AUTH is off for it, the identity isn't the token's user, or the app's service principal isn't registered in Exchange (New-ServicePrincipal with the Enterprise application's object id) or has no permission on the mailbox",
    },
    Verdict {
        code: 501,
        text: "5.5.127",
        cause: Cause::AuthorityUnavailable,
        advice: "High Volume Email takes no token with less than ten minutes to live. A fresh one is fetched at the next login",
    },
    Verdict {
        code: 501,
        text: "Invalid domain name",
        cause: Cause::Misconfigured,
        advice: "The service doesn't accept the name gatepost introduces itself by. Set `name` in the configuration to a valid, fully qualified domain name",
    },
    Verdict {
        code: 530,
        text: "5.7.57",
        cause: Cause::TokenRefused,
        advice: "The service doesn't hold the connection for authenticated. The login before it failed; its text stands behind \"Error:\"",
    },
    Verdict {
        code: 0,
        text: "SendAsDenied",
        cause: Cause::MailboxNotOpened,
        advice: "The mailbox may not send as this sender. Send with the mailbox's own address in MAIL FROM and From, or grant it: Add-RecipientPermission <sender> -Trustee <mailbox> -AccessRights SendAs",
    },
    Verdict {
        code: 0,
        text: "5.7.60",
        cause: Cause::MailboxNotOpened,
        advice: "The mailbox may not send as this sender. Send with the mailbox's own address in MAIL FROM and From, or grant it: Add-RecipientPermission <sender> -Trustee <mailbox> -AccessRights SendAs",
    },
    Verdict {
        code: 430,
        text: "mailbox logon failure",
        cause: Cause::MailboxNotOpened,
        advice: "Looks temporary, but isn't: the app may not open this mailbox. Grant it: Add-MailboxPermission -Identity <mailbox> -User <service principal> -AccessRights FullAccess",
    },
    Verdict {
        code: 432,
        text: "",
        cause: Cause::UpstreamUnavailable,
        advice: "More than three messages at once are on their way through this mailbox. Let devices send one after the other, or give them mailboxes of their own",
    },
    Verdict {
        code: 0,
        text: "SubmissionQuotaExceeded",
        cause: Cause::ForbiddenByPolicy,
        advice: "The mailbox has sent to 10,000 recipients within a day. It can send again tomorrow; use High Volume Email for more",
    },
    Verdict {
        code: 0,
        text: "QuotaExceeded",
        cause: Cause::ForbiddenByPolicy,
        advice: "The mailbox is full, usually with copies in Sent Items. Empty it and set a retention policy",
    },
    Verdict {
        code: 0,
        text: "bad outbound sender",
        cause: Cause::ForbiddenByPolicy,
        advice: "The account is blocked for sending spam. Unblock it under Restricted entities in the Defender portal after finding what sent it",
    },
    Verdict {
        code: 0,
        text: "5.7.708",
        cause: Cause::ForbiddenByPolicy,
        advice: "The service takes no traffic from this tenant or address. Ask Microsoft's support to unblock it",
    },
    Verdict {
        code: 0,
        text: "5.7.705",
        cause: Cause::ForbiddenByPolicy,
        advice: "The tenant is blocked for sending too much or spam. Ask Microsoft's support to unblock it",
    },
    Verdict {
        code: 0,
        text: "5.1.90",
        cause: Cause::ForbiddenByPolicy,
        advice: "The mailbox has reached its daily limit of recipients. It can send again tomorrow",
    },
    Verdict {
        code: 0,
        text: "5.7.232",
        cause: Cause::ForbiddenByPolicy,
        advice: "The tenant has reached its daily limit of external recipients. It can send again tomorrow",
    },
    Verdict {
        code: 0,
        text: "5.7.233",
        cause: Cause::ForbiddenByPolicy,
        advice: "The tenant has reached its daily limit of external recipients. It can send again tomorrow",
    },
    Verdict {
        code: 0,
        text: "5.6.11",
        cause: Cause::ForbiddenByPolicy,
        advice: "The message holds line feeds without carriage returns. Fix the program that writes it",
    },
    Verdict {
        code: 0,
        text: "5.7.512",
        cause: Cause::ForbiddenByPolicy,
        advice: "The message has no valid From header. Set the sender's address in the program that writes it",
    },
    Verdict {
        code: 0,
        text: "5.1.20",
        cause: Cause::ForbiddenByPolicy,
        advice: "The message has several From addresses and no Sender. Fix the program that writes it",
    },
    Verdict {
        code: 0,
        text: "5.7.64",
        cause: Cause::Misconfigured,
        advice: "The host is for connector relay, not for SMTP AUTH. Use smtp.office365.com on port 587",
    },
    Verdict {
        code: 0,
        text: "5.7.68",
        cause: Cause::Misconfigured,
        advice: "The host is for Direct Send, which the tenant rejects. Use smtp.office365.com on port 587",
    },
    Verdict {
        code: 555,
        text: "line too long",
        cause: Cause::UpstreamProtocol,
        advice: "The service takes no authentication line of this length. The access token is unusually large; ask for fewer permissions on the app",
    },
];

/// The row that fits `reply`, if one does.
pub fn lookup(reply: &Reply) -> Option<&'static Verdict> {
    let text = reply.text().to_ascii_lowercase();
    VERDICTS.iter().find(|verdict| {
        (verdict.code == 0 || verdict.code == reply.code)
            && says(&text, &verdict.text.to_ascii_lowercase())
    })
}

/// Whether `piece` stands in `text`, and isn't part of a longer number there: 5.7.60 is a sender that
/// isn't permitted, 5.7.606 an address that is banned.
fn says(text: &str, piece: &str) -> bool {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    text.match_indices(piece).any(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + piece.len()..]);
        let begins = !digit(piece.chars().next())
            || !before.ends_with(|c: char| c.is_ascii_digit() || c == '.');
        let ends = !digit(piece.chars().last())
            || !digit(behind.strip_prefix('.').unwrap_or(behind).chars().next());
        begins && ends
    })
}

/// Whether the service can't log on to the mailbox, which it calls temporary though it isn't.
pub fn is_logon_failure(reply: &Reply) -> bool {
    reply.code == 430 && lookup(reply).is_some_and(|verdict| verdict.code == 430)
}

/// The refusal that `reply` comes to. Of replies that no row fits, a temporary no is the service's
/// state; `otherwise` is for the rest.
pub(super) fn refusal(reply: &Reply, otherwise: Cause) -> Refusal {
    let line = reply.text();
    let (cause, advice) = match lookup(reply) {
        Some(verdict) => (verdict.cause, verdict.advice),
        None if (400..500).contains(&reply.code) => (
            Cause::UpstreamUnavailable,
            "The service asks to come back later; nothing to do unless it goes on",
        ),
        None => (otherwise, "The service refuses the connection or the login for good"),
    };
    Refusal::new(cause, format!("{advice}. It said: {}", printable(&line))).quoting(&line)
}

/// The line without what would break the journal's.
fn printable(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(line: &str) -> Reply {
        Reply { code: line[..3].parse().unwrap(), lines: vec![line[4..].to_owned()] }
    }

    /// Each line as Exchange Online has sent it.
    #[test]
    fn known_lines_are_recognised() {
        for (line, cause, advice) in [
            (
                "535 5.7.3 Authentication unsuccessful [AM0PR10CA0001.EURPRD10.PROD.OUTLOOK.COM]",
                Cause::TokenRefused,
                "New-ServicePrincipal",
            ),
            (
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. [x]",
                Cause::ForbiddenByPolicy,
                "for the tenant",
            ),
            (
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled",
                Cause::ForbiddenByPolicy,
                "for this mailbox",
            ),
            (
                "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [x]",
                Cause::Misconfigured,
                "password login",
            ),
            (
                "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator. [x]",
                Cause::ForbiddenByPolicy,
                "Conditional Access",
            ),
            (
                "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator. [x]",
                Cause::ForbiddenByPolicy,
                "Security Defaults",
            ),
            (
                "535 5.7.139 Authentication unsuccessful, account locked. Contact your administrator. [x]",
                Cause::ForbiddenByPolicy,
                "locked out",
            ),
            (
                "535 5.7.139 Authentication unsuccessful, federated STS service was unreachable.",
                Cause::UpstreamUnavailable,
                "federation",
            ),
            (
                "550 5.7.30 Basic authentication is not supported for Client Submission.",
                Cause::Misconfigured,
                "password login",
            ),
            (
                "501 5.5.127 Invalid XOAUTH2 auth data - Token will expire soon error",
                Cause::AuthorityUnavailable,
                "ten minutes",
            ),
            (
                "501 5.5.4 Invalid domain name [BMXPR01CA0083.INDPRD01.PROD.OUTLOOK.COM]",
                Cause::Misconfigured,
                "`name`",
            ),
            (
                "530 5.7.57 Client not authenticated to send mail.",
                Cause::TokenRefused,
                "authenticated",
            ),
            (
                "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
                Cause::MailboxNotOpened,
                "SendAs",
            ),
            (
                "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed",
                Cause::MailboxNotOpened,
                "SendAs",
            ),
            (
                "554 5.2.252 SendAsDenied; a@contoso.example not allowed to send as b@contoso.example",
                Cause::MailboxNotOpened,
                "SendAs",
            ),
            (
                "430 4.2.0 STOREDRV; mailbox logon failure; STOREDRV.Submission.Exception:ConnectionFailedTransientException",
                Cause::MailboxNotOpened,
                "FullAccess",
            ),
            (
                "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
                Cause::UpstreamUnavailable,
                "three",
            ),
            (
                "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
                Cause::ForbiddenByPolicy,
                "tomorrow",
            ),
            (
                "554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded",
                Cause::ForbiddenByPolicy,
                "full",
            ),
            (
                "451 4.7.0 Temporary server error. Please try again later. PRX2",
                Cause::UpstreamUnavailable,
                "later",
            ),
            (
                "451 4.7.500 Access denied, please try again later",
                Cause::UpstreamUnavailable,
                "later",
            ),
            ("421 4.4.1 Connection timed out", Cause::UpstreamUnavailable, "later"),
            ("550 5.1.8 Access denied, bad outbound sender", Cause::ForbiddenByPolicy, "spam"),
            (
                "550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP",
                Cause::ForbiddenByPolicy,
                "support",
            ),
            (
                "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization",
                Cause::Misconfigured,
                "Direct Send",
            ),
            (
                "550 5.7.606 Access denied, banned sending IP [192.0.2.1]",
                Cause::TokenRefused,
                "for good",
            ),
            ("550 5.7.300 x 15.7.30 x 5.7.30.1", Cause::TokenRefused, "for good"),
            ("550 SMTP; 5.7.60.", Cause::MailboxNotOpened, "SendAs"),
            ("555 5.5.2 Syntax error, command line too long", Cause::UpstreamProtocol, "large"),
            ("554 5.3.4 Something new", Cause::TokenRefused, "for good"),
        ] {
            let refusal = refusal(&reply(line), Cause::TokenRefused);
            assert_eq!(refusal.cause, cause, "{line}");
            assert!(refusal.explain().contains(advice), "{line}: {}", refusal.explain());
            assert!(refusal.explain().contains(line), "the operator sees the line itself");
        }
    }

    #[test]
    fn every_row_is_reached_by_a_reply_of_its_own() {
        for verdict in VERDICTS {
            let code = if verdict.code == 0 { 554 } else { verdict.code };
            let reply = Reply { code, lines: vec![format!("x {} y", verdict.text)] };
            let found = lookup(&reply).map(|found| found.text);
            assert_eq!(found, Some(verdict.text));
        }
    }
}
