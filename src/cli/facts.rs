//! The facts of one case, to be put into texts and commands that are written for all of them.

use std::borrow::Cow;

use crate::mailbox::Mailbox;
use crate::oauth::claims::{Claims, Expected};

/// What the words in angle brackets stand for; a word without a fact stays as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts(Vec<(&'static str, String)>);

/// Exchange's own name for the application's service principal, from the object id that a token tells.
const PRINCIPAL: &str = "(Get-ServicePrincipal -Identity <object id>).Identity";

impl Facts {
    /// What the configuration tells of `mailbox`.
    pub(super) fn of(mailbox: &Mailbox) -> Self {
        let application = &mailbox.provider.application;
        let mut facts = Self::default();
        facts.add("<mailbox>", &mailbox.address);
        facts.add("<provider>", &mailbox.provider.name);
        facts.add("<client id>", &application.client_id);
        facts
    }

    /// The same with what a token tells, which is wanted for `expected`.
    pub(super) fn learn(&mut self, claims: &Claims, expected: &Expected<'_>) {
        let told = [
            ("<audience>", claims.text("aud")),
            ("<account>", claims.account()),
            ("<tenant>", claims.text("tid")),
            ("<object id>", claims.text("oid")),
            ("<permission>", expected.permission(claims.owner())),
            ("<resource>", Some(expected.resource())),
        ];
        for (word, fact) in told {
            if let Some(fact) = fact {
                self.add(word, fact);
            }
        }
    }

    /// `fact` instead of `word` from now on.
    pub(super) fn add(&mut self, word: &'static str, fact: &str) {
        self.0.retain(|(known, _)| *known != word);
        self.0.push((word, fact.chars().filter(|c| !c.is_control()).collect()));
    }

    /// The text with its facts.
    pub(super) fn text(&self, template: &str) -> String {
        self.fill(template, Cow::Borrowed)
    }

    /// The command with its facts, each as one word of PowerShell's and of a POSIX shell's.
    pub(super) fn command(&self, template: &str) -> String {
        self.fill(&template.replace("<service principal>", PRINCIPAL), quoted)
    }

    /// In one pass: a fact is no template.
    fn fill<'f>(&'f self, template: &str, form: impl Fn(&'f str) -> Cow<'f, str>) -> String {
        let mut text = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(start) = rest.find('<') {
            text.push_str(&rest[..start]);
            rest = &rest[start..];
            let known = self.0.iter().find(|(word, _)| rest.starts_with(word));
            let (length, fact) = match known {
                Some((word, fact)) => (word.len(), form(fact)),
                None => (1, Cow::Borrowed("<")),
            };
            text.push_str(&fact);
            rest = &rest[length..];
        }
        text + rest
    }
}

/// What needs no quotes stays bare.
fn quoted(fact: &str) -> Cow<'_, str> {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '_' | '-' | '/' | ':');
    let starts_well = fact.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && fact.chars().all(plain) { fact.into() } else { literal(fact).into() }
}

/// The text in single quotes, which PowerShell takes to the letter. What would end them is doubled, and
/// it counts typographic quotes among that. Quotes aside, a POSIX shell reads it alike.
pub(super) fn literal(text: &str) -> String {
    let mut literal = String::from("'");
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '\'' | '\u{2018}'..='\u{201b}') {
            literal.push(c);
        }
        literal.push(c);
    }
    literal.push('\'');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(mailbox: &str) -> Facts {
        let mut facts = Facts::default();
        facts.add("<mailbox>", mailbox);
        facts
    }

    #[test]
    fn known_words_are_filled_in_and_others_stay() {
        let facts = facts("scanner@contoso.example");
        assert_eq!(
            facts.text("open <mailbox> as <account>"),
            "open scanner@contoso.example as <account>"
        );
        assert_eq!(
            facts.command("Add-MailboxPermission -Identity <mailbox> -User <service principal>"),
            "Add-MailboxPermission -Identity scanner@contoso.example -User (Get-ServicePrincipal -Identity <object id>).Identity"
        );
    }

    #[test]
    fn no_fact_leaves_its_place_in_a_command() {
        for (fact, word) in [
            ("a b@contoso.example", "'a b@contoso.example'"),
            ("o'hara@contoso.example", "'o''hara@contoso.example'"),
            ("o\u{2019}hara", "'o\u{2019}\u{2019}hara'"),
            ("$(Remove-Mailbox x)", "'$(Remove-Mailbox x)'"),
            ("; calc", "'; calc'"),
            ("-Force", "'-Force'"),
            ("a\r\nb", "ab"),
            ("", "''"),
        ] {
            assert_eq!(facts(fact).command("<mailbox>"), word, "{fact:?}");
        }
    }

    #[test]
    fn a_fact_is_no_template() {
        let mut facts = facts("<account>");
        facts.add("<account>", "alice");
        assert_eq!(facts.text("<account>"), "alice");
    }
}
