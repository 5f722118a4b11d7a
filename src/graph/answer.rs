//! What Graph answers, and what each answer means.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::verdict::{Outcome, Verdict};

/// The longest wait that is believed: throttling windows of Graph are 10 minutes and less.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// An answer to `sendMail`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `error.code` of the body, or nothing.
    pub(super) code: String,
    /// `error.message` of the body, or nothing.
    pub(super) message: String,
    /// How long Graph wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// By what Microsoft's support finds the request.
    pub(super) request_id: Option<String>,
}

/// A row of [`MEANINGS`].
#[derive(Debug)]
pub struct Meaning {
    /// The HTTP status; 0 fits any.
    pub status: u16,
    /// A piece of the error's code or message, compared without regard to case; empty fits any.
    pub words: &'static str,
    /// SMTP's reply code and enhanced status code.
    pub reply: (u16, &'static str),
    /// What the client hears.
    pub text: &'static str,
    /// What it means and what to do.
    pub advice: &'static str,
}

/// The known answers, the more specific ones first.
pub const MEANINGS: &[Meaning] = &[
    Meaning {
        status: 0,
        words: "OrganizationFromTenantGuidNotFound",
        reply: (550, "5.7.1"),
        text: "The mailbox's tenant is unknown to Graph",
        advice: "The token's tenant has no mailboxes. Set `tenant` to the mailbox's own, not to \"common\"",
    },
    Meaning {
        status: 0,
        words: "MailboxNotEnabledForRESTAPI",
        reply: (550, "5.7.1"),
        text: "The mailbox can't be used through Graph",
        advice: "The mailbox is inactive, deleted or on a server of the organisation's own. Give it a licence, or send by SMTP",
    },
    Meaning {
        status: 0,
        words: "maximum request length",
        reply: (552, "5.3.4"),
        text: "Message too large for Graph",
        advice: "Graph takes 4 MB with everything encoded, some 3 MB of mail. Scan at a lower resolution, set `large` under [provider.NAME.graph], or send by SMTP",
    },
    Meaning {
        status: 413,
        words: "",
        reply: (552, "5.3.4"),
        text: "Message too large for Graph",
        advice: "Graph takes 4 MB with everything encoded, some 3 MB of mail. Scan at a lower resolution, set `large` under [provider.NAME.graph], or send by SMTP",
    },
    Meaning {
        status: 0,
        words: "ErrorMessageSizeExceeded",
        reply: (552, "5.3.4"),
        text: "Message too large for this mailbox",
        advice: "The mailbox may not send messages of this size. Raise it: Set-Mailbox <mailbox> -MaxSendSize 150MB",
    },
    Meaning {
        status: 404,
        words: "ErrorItemNotFound",
        reply: (451, "4.3.0"),
        text: "Graph has lost the message, try again later",
        advice: "The message's draft is gone before it was sent. Somebody, or a rule, may clear the mailbox's Drafts",
    },
    Meaning {
        status: 0,
        words: "ErrorSendAsDenied",
        reply: (550, "5.7.60"),
        text: "Not permitted to send as this sender",
        advice: "The mailbox may not send as the address in From. Send with the mailbox's own address, or grant it: Add-RecipientPermission <sender> -Trustee <mailbox> -AccessRights SendAs",
    },
    Meaning {
        status: 403,
        words: "Access to OData is disabled",
        reply: (550, "5.7.1"),
        text: "Sending from this mailbox is blocked by policy",
        advice: "An application access policy keeps the app out of this mailbox. See Get-ApplicationAccessPolicy; a change takes up to 30 minutes",
    },
    Meaning {
        status: 403,
        words: "",
        reply: (550, "5.7.1"),
        text: "Sending from this mailbox isn't permitted",
        advice: "The app lacks the permission Mail.Send of Microsoft Graph with admin consent, or the person who signed in may not send from this mailbox",
    },
    Meaning {
        status: 401,
        words: "",
        reply: (454, "4.7.0"),
        text: "Graph refuses the access; see gatepost's journal",
        advice: "Graph refuses a fresh access token. Check that the scope under [provider.NAME.graph] is of this Graph endpoint",
    },
    Meaning {
        status: 404,
        words: "",
        reply: (550, "5.1.0"),
        text: "Graph doesn't know this mailbox",
        advice: "There is no mailbox of this address in the tenant, or it has no licence. Check `address`, and the endpoint under [provider.NAME.graph]",
    },
    Meaning {
        status: 400,
        words: "ErrorInvalidRecipients",
        reply: (550, "5.1.3"),
        text: "Graph refuses a recipient",
        advice: "A recipient's address isn't one that Exchange can send to",
    },
    Meaning {
        status: 400,
        words: "only valid with delegated",
        reply: (454, "4.7.0"),
        text: "Mailbox configuration is incomplete; see gatepost's journal",
        advice: "The token is an application's, but was had by a grant for people. Use grant = \"client_credentials\"",
    },
    Meaning {
        status: 400,
        words: "",
        reply: (554, "5.6.0"),
        text: "Graph can't read the message",
        advice: "Graph takes the message for malformed. Look at what the device writes as header and MIME parts",
    },
    Meaning {
        status: 429,
        words: "",
        reply: (451, "4.3.2"),
        text: "Too many messages at the moment, try again later",
        advice: "Graph throttles this mailbox: 4 requests at once, 30 messages a minute, 150 MB in 5 minutes. Let devices send less at once, or give them mailboxes of their own",
    },
    Meaning {
        status: 503,
        words: "",
        reply: (451, "4.3.2"),
        text: "Graph is busy, try again later",
        advice: "Graph is overloaded; nothing to do unless it goes on",
    },
    Meaning {
        status: 504,
        words: "",
        reply: (451, "4.3.2"),
        text: "Graph is busy, try again later",
        advice: "Graph gave up waiting for Exchange; nothing to do unless it goes on",
    },
];

/// The row that fits an answer, if one does.
pub fn lookup(status: u16, code: &str, message: &str) -> Option<&'static Meaning> {
    let said = [code.to_ascii_lowercase(), message.to_ascii_lowercase()];
    MEANINGS.iter().find(|row| {
        let words = row.words.to_ascii_lowercase();
        (row.status == 0 || row.status == status) && said.iter().any(|said| said.contains(&words))
    })
}

impl Answer {
    /// An answer by what its body says, which may be nothing that anyone knows.
    pub(super) fn read(status: u16, body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            let text = String::from_utf8_lossy(body);
            let words: Vec<&str> = text.split_whitespace().collect();
            return Self { status, message: words.join(" "), ..Self::default() };
        };
        let text = |name: &str| value["error"][name].as_str().unwrap_or_default().to_owned();
        Self { status, code: text("code"), message: text("message"), ..Self::default() }
    }

    /// What the client and the operator hear of it. Nothing but 202 is a yes: Graph has answered 200
    /// to messages that never went anywhere.
    pub(super) fn verdict(&self) -> Verdict {
        if self.status == 202 {
            return self.accepted();
        }
        let (reply, text, advice) = match lookup(self.status, &self.code, &self.message) {
            Some(row) => (row.reply, row.text, row.advice),
            None if matches!(self.status, 408 | 409 | 423 | 425 | 500..) => (
                (451, "4.3.0"),
                "Graph has failed, try again later",
                "Graph has failed; nothing to do unless it goes on",
            ),
            None if (300..400).contains(&self.status) => (
                (451, "4.3.5"),
                "Mailbox configuration is incomplete; see gatepost's journal",
                "What answers sends elsewhere, which no Graph does. Check the endpoint under [provider.NAME.graph]",
            ),
            None => (
                (554, "5.3.0"),
                "Graph refuses the message",
                "Graph answers what it isn't known to answer",
            ),
        };
        let explanation = format!("{advice}. It said: {}", self.said());
        match self.status {
            // The service broke down with the message in hand, or its gateway stopped waiting for it.
            500 | 502 | 504.. => {
                Verdict::unknown(reply, format!("failed (HTTP {})", self.status), explanation)
            }
            _ => Verdict::refused(reply, text, explanation),
        }
    }

    fn accepted(&self) -> Verdict {
        let text = match &self.request_id {
            Some(id) => format!("Accepted by Graph, queued as {id}"),
            None => "Accepted by Graph".to_owned(),
        };
        Verdict { outcome: Outcome::Sent, ..Verdict::refused((250, "2.0.0"), text, "") }
    }

    /// The answer in one line of the journal.
    fn said(&self) -> String {
        let Self { status, code, message, request_id, .. } = self;
        let before = |mark: &str, text: &str| match text {
            "" => String::new(),
            text => format!("{mark}{text}"),
        };
        let id = request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default();
        let said = format!("{status}{}{}{id}", before(" ", code), before(": ", message));
        said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect()
    }
}

/// The time in `Retry-After` (RFC 9110 section 10.2.3): seconds, which Graph gives fractions of, or a
/// date. At most an hour.
pub(super) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn comes_to((status, code, message): (u16, &str, &str), reply: &str, outcome: Outcome) {
        let body = json!({ "error": { "code": code, "message": message } }).to_string();
        let verdict = Answer::read(status, body.as_bytes()).verdict();
        assert!(verdict.explanation.contains(code) && verdict.explanation.contains(message));
        assert!(verdict.line().starts_with(&format!("{reply} ")), "{status} {code}: {verdict:?}");
        assert_eq!(verdict.outcome, outcome, "{status} {code}");
    }

    #[test]
    fn every_answer_has_its_reply() {
        let refused = |status, code: &str, message: &str, reply: &str| {
            comes_to((status, code, message), reply, Outcome::Refused);
        };
        refused(401, "InvalidAuthenticationToken", "", "454 4.7.0");
        refused(403, "ErrorAccessDenied", "Access to OData is disabled.", "550 5.7.1");
        refused(
            403,
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
            "550 5.7.1",
        );
        refused(403, "ErrorSendAsDenied", "The user account which", "550 5.7.60");
        refused(404, "ErrorInvalidUser", "The requested user 'x' is invalid.", "550 5.1.0");
        refused(404, "MailboxNotEnabledForRESTAPI", "", "550 5.7.1");
        refused(404, "OrganizationFromTenantGuidNotFound", "", "550 5.7.1");
        refused(400, "ErrorMimeContentInvalidBase64String", "Invalid base64", "554 5.6.0");
        refused(400, "ErrorInvalidRecipients", "At least one recipient", "550 5.1.3");
        refused(400, "BadRequest", "The maximum request length supported is 4MB.", "552 5.3.4");
        refused(
            400,
            "BadRequest",
            "/me request is only valid with delegated authentication flow.",
            "454 4.7.0",
        );
        refused(413, "RequestEntityTooLarge", "", "552 5.3.4");
        refused(429, "TooManyRequests", "", "451 4.3.2");
        refused(503, "", "", "451 4.3.2");
        refused(301, "", "", "451 4.3.5");
        refused(200, "", "", "554 5.3.0");
        refused(201, "", "", "554 5.3.0");
        refused(418, "", "", "554 5.3.0");
        for status in [408, 409, 423, 425] {
            refused(status, "", "", "451 4.3.0");
        }
        for (status, expected) in
            [(500, "451 4.3.0"), (502, "451 4.3.0"), (504, "451 4.3.2"), (599, "451 4.3.0")]
        {
            comes_to((status, "", ""), expected, Outcome::Unknown);
        }
    }

    #[test]
    fn nothing_but_202_is_a_yes() {
        for status in (100..600).filter(|status| *status != 202) {
            for body in ["", "{}", "<html>", r#"{"error":7}"#] {
                let verdict = Answer::read(status, body.as_bytes()).verdict();
                assert!(verdict.code >= 400 && verdict.outcome != Outcome::Sent, "{status}");
            }
        }
        let answer = Answer { request_id: Some("7-7".to_owned()), ..Answer::read(202, b"") };
        assert_eq!(answer.verdict().line(), "250 2.0.0 Accepted by Graph, queued as 7-7");
        assert_eq!(answer.verdict().outcome, Outcome::Sent);
    }

    #[test]
    fn what_nobody_knows_is_quoted_as_it_was_said() {
        for (body, said) in [
            ("<html>\r\n <b>Blocked</b> by \u{7}proxy", "418: <html> <b>Blocked</b> by  proxy"),
            (r#"{"error":{"code":"Odd"}}"#, "418 Odd"),
            (r#"{"error":{"message":"Why?"}}"#, "418: Why?"),
            ("", "418"),
            ("[]", "418"),
        ] {
            assert_eq!(Answer::read(418, body.as_bytes()).said(), said);
        }
        let answer = Answer { request_id: Some("7-7".to_owned()), ..Answer::read(418, b"") };
        assert_eq!(answer.said(), "418 (request 7-7)");
    }

    #[test]
    fn every_row_is_reached() {
        for row in MEANINGS {
            let status = if row.status == 0 { 400 } else { row.status };
            let found = lookup(status, "", &format!("x {} y", row.words)).unwrap();
            assert_eq!((found.status, found.words), (row.status, row.words));
        }
    }

    #[test]
    fn waits_may_have_fractions() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 30);
        for (text, wait) in [
            ("2.128", Some(Duration::from_millis(2128))),
            ("10", Some(Duration::from_secs(10))),
            ("0", Some(Duration::ZERO)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(Duration::from_secs(30))),
            ("1e30", None),
            ("86400", Some(LONGEST_WAIT)),
            ("-1", None),
            ("NaN", None),
            ("inf", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(text, now), wait, "{text}");
        }
    }
}
