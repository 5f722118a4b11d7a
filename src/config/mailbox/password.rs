//! The local password of a mailbox, or why it has none.

use std::ops::Range;

use toml::Spanned;

use crate::config::document::{Section, Words};
use crate::config::problem::Report;
use crate::config::secret::{Forms, Inline};
use crate::mailbox::Password;
use crate::mailbox::password::{Hash, InvalidHash, Parameters};

/// Whose passwords open a mailbox.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of its devices alone.
    Devices,
    /// One for every mailbox of the domain.
    Shared,
}

/// What `passwords` may say.
#[derive(Clone, Copy)]
pub(super) struct Policy {
    words: &'static Words<Whose>,
    required: Option<&'static str>,
}

/// A mailbox has a password of its own, unless it says otherwise.
pub(super) const SINGLE: Policy = Policy { words: &[("devices", Whose::Devices)], required: None };

/// Nobody shall learn from an incident that one password opens a whole domain: it has to be said.
pub(super) const DOMAIN: Policy = Policy {
    words: &[("devices", Whose::Devices), ("shared", Whose::Shared)],
    required: Some(
        "\"devices\": each mailbox by its device passwords only; \"shared\": one password opens every \
         mailbox of the domain",
    ),
};

/// Compares what checks of hashes cost.
#[derive(Default)]
pub(super) struct Costs {
    first: Option<Cost>,
    /// Where the first hash of another cost stands.
    odd: Option<Range<usize>>,
}

/// What a check takes: memory, passes, lanes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cost(u32, u32, u32);

impl Costs {
    pub(super) fn note(&mut self, parameters: &Parameters, span: Range<usize>) {
        let cost = Cost(parameters.m_cost(), parameters.t_cost(), parameters.p_cost());
        if *self.first.get_or_insert(cost) != cost {
            self.odd.get_or_insert(span);
        }
    }

    pub(super) fn close(&self, report: &Report<'_>) {
        if let Some(span) = &self.odd {
            let text = "password hashes differ in cost, so the time of a failed login tells who exists; \
                        make them all with `gatepost password hash`";
            report.warn(span, text);
        }
    }
}

/// The password that the section asks for, one way or another.
pub(super) fn password(
    section: &mut Section<'_>,
    policy: Policy,
    costs: &mut Costs,
    report: &Report<'_>,
) -> Option<Password> {
    let whose = section.word("passwords", policy.words, report);
    let hash = Forms::take(section, "password_hash", report);
    let plain = Forms::take(section, "password", report);
    if let (None, Some(help)) = (&whose, policy.required) {
        let title = "a whole domain without a word on its passwords";
        report.problem_with_help(section.span(), title, "needs passwords", help);
        return None;
    }
    match (whose.map(Spanned::into_inner), hash.span(), plain.span()) {
        (Some(Whose::Devices), None, None) => Some(Password::OfDevices),
        (Some(Whose::Devices), Some(unused), _) | (Some(Whose::Devices), _, Some(unused)) => {
            let label = "leave it out, or leave out passwords = \"devices\"";
            report.problem(unused, "a password beside passwords = \"devices\"", label);
            None
        }
        (_, Some(_), Some(second)) => {
            report.problem(second, "a password and a hash of one", "one of them is enough");
            None
        }
        (_, Some(_), None) => read_hash(hash, costs, report).map(Password::Hash),
        (_, None, Some(_)) => {
            let password = plain.resolve("password", Inline::Discouraged, report)?;
            Some(Password::Plain(password.into_inner()))
        }
        (_, None, None) => {
            report.problem_with_help(
                section.span(),
                "a mailbox without a local password",
                "needs password_hash",
                "`gatepost password hash` makes one; with passwords = \"devices\" it has those of its \
                 devices only",
            );
            None
        }
    }
}

fn read_hash(forms: Forms, costs: &mut Costs, report: &Report<'_>) -> Option<Hash> {
    let text = forms.resolve("password_hash", Inline::Welcome, report)?;
    match Hash::parse(text.get_ref().reveal()) {
        Ok(hash) => {
            costs.note(hash.parameters(), text.span());
            Some(hash)
        }
        Err(error) => {
            complain(&error, text.span(), report);
            None
        }
    }
}

pub(super) fn complain(error: &InvalidHash, span: Range<usize>, report: &Report<'_>) {
    let remedy = match error {
        InvalidHash::TooCostly => {
            "`gatepost password hash` makes one that is safe and takes a tenth of a second"
        }
        _ => "`gatepost password hash` makes one from a password; it begins with $argon2id$v=19$",
    };
    report.problem_with_help(span, error.to_string(), "password_hash", remedy);
}
