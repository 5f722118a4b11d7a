//! What becomes of a message, in the client's words and the operator's.

/// The end of a message's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The reply code (RFC 5321 section 4.2).
    pub code: u16,
    /// The enhanced status code (RFC 3463).
    pub enhanced: &'static str,
    /// What a device's display can show: one line of ASCII. Where the outcome is unknown, what Graph
    /// did.
    pub text: String,
    /// What happened and what to do, for the operator. Never holds a secret.
    pub explanation: String,
    /// Whether the message is on its way.
    pub outcome: Outcome,
}

/// Whether a message is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Graph has taken it.
    Sent,
    /// Graph hasn't, and won't.
    Refused,
    /// Graph had all of it, and then nothing clear was heard. Only a client may try again, for only
    /// its user can know whether twice is worse than never.
    Unknown,
}

impl Verdict {
    /// A no.
    pub(super) fn refused(
        (code, enhanced): (u16, &'static str),
        text: impl Into<String>,
        explanation: impl Into<String>,
    ) -> Self {
        let (text, explanation) = (printable(&text.into()), explanation.into());
        Self { code, enhanced, text, explanation, outcome: Outcome::Refused }
    }

    /// Nothing clear. `text` is what goes behind the service's name.
    pub(super) fn unknown(
        code: (u16, &'static str),
        text: impl Into<String>,
        explanation: impl Into<String>,
    ) -> Self {
        Self { outcome: Outcome::Unknown, ..Self::refused(code, text, explanation) }
    }

    /// The reply without its line ending.
    pub fn line(&self) -> String {
        format!("{} {} {}", self.code, self.enhanced, self.text)
    }
}

/// What can stand in a reply: SMTP has nothing but ASCII there, and lines of at most 512 octets.
fn printable(text: &str) -> String {
    let visible = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    text.chars().map(visible).take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_one_short_line_of_ascii() {
        let text = format!("no\r\n250 büro {}", "x".repeat(900));
        let line = Verdict::refused((554, "5.6.0"), text, "").line();
        assert!(line.starts_with("554 5.6.0 no??250 b?ro x") && line.len() < 510, "{line}");
    }
}
