//! What a mail host says, before it is written down or passed on.

use crate::proto::Refusal;

/// Longer than any word of a reply that says something, the names of Exchange's exceptions included;
/// shorter than a SASL response with an access token in it. Octets.
const LONGEST_WORD: usize = 64;

/// The same refusal without words that may be a token: a mail host out of step takes what it is sent
/// for a command and repeats it.
pub(super) fn discreet(refusal: Refusal) -> Refusal {
    Refusal {
        explanation: without_long_words(&refusal.explanation),
        verbatim: refusal.verbatim.as_deref().map(without_long_words),
        ..refusal
    }
}

fn without_long_words(text: &str) -> String {
    text.split_inclusive(|c| !is_encoded(c)).map(shortened).collect()
}

/// `piece` is a word and the character behind it.
fn shortened(piece: &str) -> String {
    let word = piece.trim_end_matches(|c| !is_encoded(c));
    match word.len() > LONGEST_WORD {
        true => format!("(left out){}", &piece[word.len()..]),
        false => piece.to_owned(),
    }
}

/// What base64, in both its alphabets, and JSON web tokens are written in.
fn is_encoded(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=-_.~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Cause;

    #[test]
    fn a_token_is_left_out_and_the_rest_stays() {
        let token = "eyJ0eXAi".repeat(20);
        let line = format!("500 5.3.3 Unrecognized command '{token}' [HOST]");
        let refusal = Refusal::new(Cause::UpstreamProtocol, format!("Look. It said: {line}"));
        let refusal = discreet(refusal.quoting(&line));
        assert_eq!(
            refusal.explain(),
            "Look. It said: 500 5.3.3 Unrecognized command '(left out)' [HOST]"
        );
        assert_eq!(
            refusal.verbatim.as_deref(),
            Some("500 5.3.3 Unrecognized command '(left out)' [HOST]")
        );
    }

    #[test]
    fn what_exchange_says_stays_as_it_is() {
        for line in [
            "430 4.2.0 STOREDRV; mailbox logon failure; STOREDRV.Submission.Exception:ConnectionFailedTransientException.MapiExceptionLogonFailed; Failed",
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. [AM6P192CA0091.EURP192.PROD.OUTLOOK.COM 2025-04-26T18:06:35.781Z 08DD842467C8274D]",
            "é",
            "",
        ] {
            assert_eq!(without_long_words(line), line);
        }
    }
}
