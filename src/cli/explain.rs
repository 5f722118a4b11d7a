//! `gatepost explain`: what a service's or an authority's words mean, and what to do.

use super::{Exit, Failure};
use crate::oauth::advice;
use crate::proto::smtp::grammar::{self, Reply};
use crate::proto::{imap, pop3, smtp};

/// Prints what is known of `words`: a reply of a mail host, or an authority's error.
///
/// # Errors
/// Nothing is known of them.
pub(super) fn explain(words: &str) -> Result<(), Failure> {
    let known = meanings(words);
    if known.is_empty() {
        let text = "nothing is known of it. Give the line as the mail host or authority said it, such as \"535 5.7.3 Authentication unsuccessful\" or \"AADSTS700082\"";
        return Err(Failure::new(Exit::Data, text));
    }
    for (whose, meaning) in known {
        println!("{whose}: {}.", meaning.trim_end_matches('.'));
    }
    Ok(())
}

/// Whose words they may be, and what they mean then. A reply code is SMTP's alone, and numbers with
/// AADSTS are Entra's; only words without either may be of several.
fn meanings(words: &str) -> Vec<(&'static str, String)> {
    let words = words.trim();
    if let Some(failure) = aadsts(words).and_then(advice::numbered) {
        return vec![("Entra", failure.to_string())];
    }
    if let Some(line) = grammar::reply_line(words.as_bytes()) {
        let reply = Reply::of(line.code, words.get(4..).unwrap_or_default());
        let verdict = smtp::verdict::lookup(&reply).map(|verdict| verdict.advice);
        let meaning = verdict.or_else(|| class(line.code));
        return meaning.map(|meaning| ("SMTP", meaning.to_owned())).into_iter().collect();
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
        ] {
            let known = meanings(words);
            let found = known.iter().any(|(who, text)| *who == whose && text.contains(piece));
            assert!(found, "{words}: {known:?}");
        }
        assert!(meanings("good morning").is_empty());
    }
}
