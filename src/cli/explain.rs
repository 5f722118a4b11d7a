//! `gatepost explain`: what a service's or an authority's words mean, and what to do.

use super::{Exit, Failure};
use crate::graph::{self, MEANINGS, Meaning};
use crate::oauth::advice::{self, LOOK_UP};
use crate::proto::smtp::grammar::{self, Reply};
use crate::proto::{imap, pop3, smtp};

/// Prints what is known of `words`: a reply of a mail host, or an authority's error.
///
/// # Errors
/// Nothing is known of them.
pub(super) fn explain(words: &str) -> Result<(), Failure> {
    let known = meanings(words);
    if known.is_empty() {
        let text = "nothing is known of it. Give the line as the mail host or authority said it, such as \"535 5.7.3 Authentication unsuccessful\", \"403 ErrorSendAsDenied\" or \"AADSTS700082\"";
        return Err(Failure::new(Exit::Data, text));
    }
    for (whose, meaning) in known {
        println!("{whose}: {}.", meaning.trim_end_matches('.'));
    }
    Ok(())
}

/// Whose words they may be, and what they mean then. Numbers with AADSTS are Entra's, and a code with an
/// enhanced one behind it SMTP's alone; other numbers may be HTTP's.
fn meanings(words: &str) -> Vec<(&'static str, String)> {
    let words = words.trim();
    if let Some(number) = aadsts(words) {
        let unknown = || format!("It isn't known here; look it up at {LOOK_UP}{number}");
        let known = advice::numbered(number).map(|failure| failure.to_string());
        return vec![("Entra", known.unwrap_or_else(unknown))];
    }
    if let Some(failure) = oauth(words) {
        return vec![("OAuth", failure.to_string())];
    }
    let line = grammar::reply_line(words.as_bytes());
    let text = words.get(4..).unwrap_or_default();
    let enhanced = grammar::enhanced_code(&format!("{text} ")).is_some();
    let graph = graph(words).filter(|_| line.is_none() || !enhanced);
    let graphs = graph.map(|row| ("Graph", row.advice.to_owned()));
    if let Some(line) = line.filter(|line| graph.is_none() || line.code >= 500) {
        let reply = Reply::of(line.code, text);
        let verdict = smtp::verdict::lookup(&reply).map(|verdict| verdict.advice);
        let meaning = verdict.or_else(|| class(line.code));
        let smtps = meaning.map(|meaning| ("SMTP", meaning.to_owned()));
        return graphs.into_iter().chain(smtps).collect();
    }
    if graphs.is_some() {
        return graphs.into_iter().collect();
    }
    let imap = imap::verdict::lookup(words).map(|verdict| ("IMAP", verdict.advice.to_owned()));
    let pop3 = pop3::verdict::lookup(words).map(|verdict| ("POP3", verdict.advice.to_owned()));
    imap.into_iter().chain(pop3).collect()
}

/// The number behind AADSTS.
fn aadsts(words: &str) -> Option<u32> {
    let (_, rest) = words.split_once("AADSTS")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The first of the words that is an authority's error by its name in the standards.
fn oauth(words: &str) -> Option<advice::Failure> {
    let name = |c: char| c.is_ascii_lowercase() || c == '_';
    words.split(|c| !name(c)).filter(|word| word.contains('_')).find_map(advice::named)
}

/// Codes of Graph's that its table knows by their status.
const CODES: &[(&str, u16)] = &[
    ("InvalidAuthenticationToken", 401),
    ("ErrorAccessDenied", 403),
    ("ErrorInvalidUser", 404),
    ("RequestEntityTooLarge", 413),
    ("TooManyRequests", 429),
];

/// The row of Graph's answers that fits `words`: by a piece of theirs, else by their code or status.
fn graph(words: &str) -> Option<&'static Meaning> {
    let lower = words.to_ascii_lowercase();
    let has = |piece: &str| lower.contains(&piece.to_ascii_lowercase());
    let named = MEANINGS.iter().find(|row| !row.words.is_empty() && has(row.words));
    let status = || CODES.iter().find(|(code, _)| has(code)).map(|(_, status)| *status);
    named.or_else(|| graph::lookup(status().or_else(|| http_status(words))?, "", words))
}

/// The status in `403 …` or `HTTP/1.1 403 …`.
fn http_status(words: &str) -> Option<u16> {
    let mut words = words.split_ascii_whitespace();
    let first = words.next()?;
    let status = if first.starts_with("HTTP/") { words.next()? } else { first };
    status.parse().ok().filter(|_| status.len() == 3)
}

/// What a reply says that no table has (RFC 5321 section 4.2.1).
fn class(code: u16) -> Option<&'static str> {
    match code / 100 {
        2 | 3 => Some("A yes, or the word to go on; nothing to do"),
        4 => Some("The service asks to come back later; nothing to do unless it goes on"),
        5 => Some(
            "The service refuses for good, for a reason that isn't known here; its text is all there is",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_every_kind_are_explained() {
        for (words, whose, piece) in [
            (
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
                "SMTP",
                "Set-CASMailbox",
            ),
            ("430 4.2.0 STOREDRV; mailbox logon failure; x", "SMTP", "FullAccess"),
            (
                "550-5.7.60 SMTP; Client does not have permissions to send as this sender",
                "SMTP",
                "SendAs",
            ),
            ("450 4.1.1 Try later", "SMTP", "come back later"),
            ("a1 BAD User is authenticated but not connected.", "IMAP", "Add-MailboxPermission"),
            ("-ERR Authentication failure: unknown user name or bad password.", "POP3", ""),
            ("invalid_grant: AADSTS700082: The refresh token has expired", "Entra", "expired"),
            ("AADSTS4711 x", "Entra", "code=4711"),
            (r#"{"error":"invalid_client"}"#, "OAuth", "registration"),
            ("503 Service Unavailable", "Graph", "overloaded"),
            ("503 Service Unavailable", "SMTP", ""),
            ("503 5.5.1 Bad sequence of commands", "SMTP", "for good"),
            ("550 5.7.606 Access denied, banned sending IP", "SMTP", "isn't known here"),
        ] {
            let known = meanings(words);
            let found = known.iter().any(|(who, text)| *who == whose && text.contains(piece));
            assert!(found, "{words}: {known:?}");
        }
        assert!(meanings("good morning").is_empty());
    }

    /// As the journal quotes them, as HTTP has them, and as a body.
    #[test]
    fn errors_of_graph_are_explained() {
        for (words, piece) in [
            ("401 InvalidAuthenticationToken: x (request -)", "fresh access token"),
            ("InvalidAuthenticationToken", "fresh access token"),
            ("403 ErrorAccessDenied: Access to OData is disabled.", "Get-ApplicationAccessPolicy"),
            ("ErrorAccessDenied", "Mail.Send"),
            (r#"{"error":{"code":"ErrorSendAsDenied","message":"x"}}"#, "SendAs"),
            ("404 ErrorInvalidUser", "no mailbox of this address"),
            ("MailboxNotEnabledForRESTAPI", "inactive"),
            ("HTTP/1.1 413 Content Too Large", "3 MB"),
            ("The maximum request length supported is 4MB.", "3 MB"),
            ("HTTP/2 429", "throttles"),
            ("429 TooManyRequests", "throttles"),
            ("504", "gave up"),
            ("OrganizationFromTenantGuidNotFound", "`tenant`"),
        ] {
            let known = meanings(words);
            let (whose, text) = known.first().unwrap_or_else(|| panic!("{words}"));
            assert!(*whose == "Graph" && text.contains(piece), "{words}: {known:?}");
        }
        let known = meanings("554 5.2.252 SendAsDenied; a not allowed to send as b");
        assert!(known.iter().all(|(whose, _)| *whose == "SMTP"), "{known:?}");
    }
}
