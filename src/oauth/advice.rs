//! What an authority's error means, and what the operator should do about it.
//!
//! The status and the `error` code decide what gatepost does: Microsoft keeps the right to change its
//! AADSTS numbers. A number refines what is said and who has to act, and where it is not known the
//! `error` code does.

mod entra;
mod standard;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::proto::{Cause, Refusal};

/// The longest text of an authority that is repeated. Characters.
const LONGEST_QUOTE: usize = 300;

/// Microsoft's page for a number, which it expects at the end.
pub const LOOK_UP: &str = "https://login.microsoftonline.com/error?code=";

/// Entra's "loop detected". It counts identical requests over minutes, so a pause of seconds would
/// only feed it.
const LOOP_DETECTED: u32 = 50196;
const LOOP_PAUSE: Duration = Duration::from_secs(300);

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nobody: asking again later helps.
    Retry,
    /// A person must sign in or consent.
    SignIn,
    /// The operator must change the configuration, here or at the authority.
    Configure,
    /// The tenant's administrator must change a policy.
    Policy,
}

/// What is known about an error: the same columns for Entra's numbers and for RFC 6749's codes.
struct Row<K: 'static> {
    keys: &'static [K],
    class: Class,
    /// What happened, as the end of a sentence that begins with a mailbox.
    meaning: &'static str,
    /// What to do, as a sentence without its full stop.
    advice: &'static str,
}

const fn row<K>(
    class: Class,
    keys: &'static [K],
    meaning: &'static str,
    advice: &'static str,
) -> Row<K> {
    Row { keys, class, meaning, advice }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Who has to act.
    pub class: Class,
    /// What happened.
    pub meaning: Cow<'static, str>,
    /// What to do.
    pub advice: Cow<'static, str>,
    /// How long the authority wants to be left alone.
    pub retry_after: Option<Duration>,
    /// The authority's own words, where it had any.
    pub words: Option<Box<Words>>,
}

/// What an authority said, fit for a journal: bounded, one line, without a secret that it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The `error` code.
    pub error: String,
    /// Entra's number for it.
    pub aadsts: Option<u32>,
    /// The first line of the description.
    pub description: String,
    /// What Microsoft's support and the tenant's sign-in log find the request by.
    pub correlation: Option<String>,
}

impl Failure {
    /// A failure that no authority had a word in.
    pub fn new(
        class: Class,
        meaning: impl Into<Cow<'static, str>>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            class,
            meaning: meaning.into(),
            advice: advice.into(),
            retry_after: None,
            words: None,
        }
    }

    /// Whether the refresh token that it answers will never work again. Only `invalid_grant` can say
    /// so, and only with a cause that no change of policy, consent or configuration undoes: a sign-in
    /// thrown away by mistake costs a person's time.
    pub fn ends_refresh_token(&self) -> bool {
        let ends = |code: u32| entra::ENDS_REFRESH_TOKEN.contains(&code);
        self.class != Class::Retry
            && self.words.as_ref().is_some_and(|words| {
                words.error == "invalid_grant" && words.aadsts.is_none_or(ends)
            })
    }

    /// The refusal of a login to `mailbox`.
    pub fn refusal(&self, mailbox: &str) -> Refusal {
        let cause = match self.class {
            Class::Retry => Cause::AuthorityUnavailable,
            Class::SignIn => Cause::SignInNeeded,
            Class::Configure => Cause::Misconfigured,
            Class::Policy => Cause::ForbiddenByPolicy,
        };
        let command = match self.class {
            Class::SignIn => format!(" Run: gatepost login {mailbox}"),
            Class::Retry | Class::Configure | Class::Policy => String::new(),
        };
        Refusal::new(cause, format!("{mailbox}: {self}{command}"))
    }

    /// The same, with the pause that its reply asked for.
    pub(super) fn after(self, pause: Option<Duration>) -> Self {
        Self { retry_after: pause.or(self.retry_after), ..self }
    }

    /// The same error in a reply whose status says that the authority isn't well.
    pub(super) fn transient(self) -> Self {
        if self.class == Class::Retry {
            return self;
        }
        let advice = "Nothing to do: it will be asked again".into();
        Self { class: Class::Retry, advice, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.meaning)?;
        if let Some(words) = &self.words {
            write!(f, " ({words})")?;
        }
        write!(f, ". {}.", self.advice)
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)?;
        if let Some(code) = self.aadsts {
            write!(f, ", AADSTS{code}")?;
        }
        if let Some(id) = &self.correlation {
            write!(f, ", correlation id {id}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// What Entra's error AADSTS`number` means, where it is known.
pub fn numbered(number: u32) -> Option<Failure> {
    let row = entra::NUMBERS.iter().find(|row| row.keys.contains(&number))?;
    Some(Failure::new(row.class, row.meaning, row.advice))
}

/// What an authority's error means by its name in the standards, where that is known.
pub fn named(error: &str) -> Option<Failure> {
    let row = standard::ERRORS.iter().find(|row| row.keys.contains(&error))?;
    Some(Failure::new(row.class, row.meaning, row.advice))
}

/// What an authority complained of, as it stood in the reply.
pub(super) struct Complaint<'a> {
    pub(super) error: &'a str,
    pub(super) aadsts: Option<u32>,
    pub(super) description: &'a str,
    pub(super) correlation: &'a str,
}

impl Complaint<'_> {
    /// What it means.
    pub(super) fn judge(&self) -> Failure {
        let description = first_line(self.description);
        let (class, meaning, advice) = self.verdict(&description);
        let correlation = printable(self.correlation);
        Failure {
            class,
            meaning,
            advice,
            retry_after: (self.aadsts == Some(LOOP_DETECTED)).then_some(LOOP_PAUSE),
            words: Some(Box::new(Words {
                error: printable(self.error),
                aadsts: self.aadsts,
                description,
                correlation: Some(correlation).filter(|id| !id.is_empty()),
            })),
        }
    }

    fn verdict(&self, description: &str) -> (Class, Cow<'static, str>, Cow<'static, str>) {
        let numbered =
            entra::NUMBERS.iter().find(|row| row.keys.iter().any(|key| Some(*key) == self.aadsts));
        if let Some(row) = numbered {
            return (row.class, row.meaning.into(), row.advice.into());
        }
        let row = standard::ERRORS.iter().find(|row| row.keys.contains(&self.error));
        let (class, meaning) =
            row.map_or((Class::Configure, "the authority refuses"), |row| (row.class, row.meaning));
        let meaning = match description {
            "" => meaning.into(),
            said => format!("{meaning}: {}", said.trim_end_matches('.')).into(),
        };
        let advice = match (self.aadsts, row) {
            (Some(code), _) => format!("Look it up at {LOOK_UP}{code}").into(),
            (None, Some(row)) => row.advice.into(),
            (None, None) => "Look the error up in the authority's documentation".into(),
        };
        (class, meaning, advice)
    }
}

/// What an authority says first. Trace id, correlation id and time follow it, in lines of their own
/// or, in newer replies, on the same.
fn first_line(description: &str) -> String {
    let line = description.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let line = line.split(" Trace ID:").next().unwrap_or(line);
    printable(match line.split_once(": ") {
        Some((code, said)) if code.starts_with("AADSTS") => said,
        _ => line,
    })
}

/// Fit for a journal: bounded, and nothing that forges a line or moves a terminal's cursor.
fn printable(text: &str) -> String {
    let printable = |c: char| if c.is_control() || is_format(c) { ' ' } else { c };
    text.trim().chars().take(LONGEST_QUOTE).map(printable).collect()
}

/// Characters that reorder or hide what stands beside them.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
