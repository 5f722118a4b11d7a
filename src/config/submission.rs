//! The keys of `[[mailbox]]` for outgoing messages.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use super::document::{Section, Words};
use super::problem::Report;
use crate::mailbox::{Directory, Provider, Via};
use crate::oauth::Owner;
use crate::proto::smtp::submission::{
    Identity, LogonFailure, Mode, Named, Pattern, Policy, REPAIRS, Repair, Sender,
};

pub(super) const MODES: &Words<Mode> =
    &[("submission", Mode::Submission), ("splice", Mode::Splice)];

const SENDERS: &Words<Sender> =
    &[("keep", Sender::Keep), ("require", Sender::Require), ("rewrite", Sender::Rewrite)];

const IDENTITIES: &Words<Identity> =
    &[("mailbox", Identity::Mailbox), ("follow", Identity::Follow)];

const LOGON_FAILURES: &Words<LogonFailure> =
    &[("temporary", LogonFailure::Temporary), ("permanent", LogonFailure::Permanent)];

const NAMED: &Words<Named> = &[("count", Named::Count), ("addresses", Named::Addresses)];

/// The keys that concern messages which are followed.
const FOLLOWING: [&str; 8] = [
    "sender",
    "permitted_senders",
    "smtp_identity",
    "repairs",
    "submissions",
    "messages_per_minute",
    "logon_failure",
    "log_recipients",
];

/// Keys of a mailbox that only messages go by which are followed, while its logins are spliced.
pub(super) struct Idle {
    policy: Arc<Policy>,
    keys: Vec<(&'static str, Range<usize>)>,
}

/// Reads the keys of a mailbox whose mail goes out by `via`; those that aren't there have their
/// defaults. `usual` is the mode of a mailbox that doesn't say it.
pub(super) fn read(
    section: &mut Section<'_>,
    (provider, via): (Option<&Provider>, Via),
    usual: Mode,
    report: &Report<'_>,
) -> (Arc<Policy>, Option<Idle>) {
    let default = Policy::default();
    let mode = mode(section, via, report);
    let spliced = via == Via::Smtp && mode.unwrap_or(usual) == Mode::Splice;
    let keys = FOLLOWING.iter().filter_map(|key| Some((*key, section.place(key)?)));
    let keys: Vec<_> = keys.filter(|_| spliced).collect();
    let sender = section.word("sender", SENDERS, report).map(Spanned::into_inner);
    let permitted_there = section.place("permitted_senders");
    let permitted = patterns(section, report);
    let logon_failure = section.word("logon_failure", LOGON_FAILURES, report);
    let recipients = section.word("log_recipients", NAMED, report);
    let submissions = section.number("submissions", &(1..=100), report);
    let pace = section.number("messages_per_minute", &(0..=100_000), report);
    let sender = sender.unwrap_or(default.sender);
    let identity = identity(section, provider, report).unwrap_or(default.identity);
    if let (Some(span), Sender::Keep, Identity::Mailbox) = (permitted_there, sender, identity) {
        let label = "needs sender = \"require\" or \"rewrite\", or smtp_identity = \"follow\"";
        report.problem(span, "every sender is permitted", label);
    }
    let policy = Arc::new(Policy {
        mode,
        sender,
        permitted,
        identity,
        repairs: repairs(section, report).unwrap_or(default.repairs),
        submissions: submissions.map_or(default.submissions, |count| count as usize),
        per_minute: match pace {
            // 0: as many as come.
            Some(count) => u32::try_from(count).ok().filter(|count| *count > 0),
            None => default.per_minute,
        },
        logon_failure: logon_failure.map_or(default.logon_failure, Spanned::into_inner),
        recipients: recipients.map_or(default.recipients, Spanned::into_inner),
    });
    let idle = (!keys.is_empty()).then(|| Idle { policy: Arc::clone(&policy), keys });
    (policy, idle)
}

impl Idle {
    /// Complains about keys that nothing goes by, unless devices that send without a login do.
    pub(super) fn check(self, directory: &Directory, report: &Report<'_>) {
        let mut allowances = directory.allowances().iter();
        if allowances.any(|allowance| Arc::ptr_eq(&allowance.mailbox.submission, &self.policy)) {
            return;
        }
        for (key, span) in self.keys {
            let title = format!("{key:?} has no effect on messages that are spliced");
            let label = "needs smtp_mode = \"submission\", here or in every SMTP listener";
            report.problem(span, title, label);
        }
    }
}

fn mode(section: &mut Section<'_>, via: Via, report: &Report<'_>) -> Option<Mode> {
    let mode = section.word("smtp_mode", MODES, report)?;
    if (via, *mode.get_ref()) == (Via::Graph, Mode::Splice) {
        let label = "leave it out, or leave smtp_via out";
        report.problem(mode.span(), "Graph takes messages, and no bytes", label);
    }
    Some(mode.into_inner())
}

fn patterns(section: &mut Section<'_>, report: &Report<'_>) -> Vec<Pattern> {
    let texts = section.texts("permitted_senders", report).unwrap_or_default();
    let mut patterns = Vec::new();
    for text in texts {
        match Pattern::parse(text.get_ref()) {
            Some(pattern) => patterns.push(pattern),
            None => {
                let title = format!("{:?} is no sender", text.get_ref());
                let label = "an address, or a pattern such as \"*@contoso.example\"";
                report.problem(text.span(), title, label);
            }
        }
    }
    patterns
}

/// A token that belongs to a person opens no other mailbox.
fn identity(
    section: &mut Section<'_>,
    provider: Option<&Provider>,
    report: &Report<'_>,
) -> Option<Identity> {
    let identity = section.word("smtp_identity", IDENTITIES, report)?;
    let personal = provider.is_some_and(|provider| provider.grant.owner == Owner::Mailbox);
    if *identity.get_ref() == Identity::Follow && personal {
        report.problem(
            identity.span(),
            "a sign-in sends as nobody but itself",
            "\"follow\" needs a token that belongs to the application (client_credentials)",
        );
    }
    Some(identity.into_inner())
}

fn repairs(section: &mut Section<'_>, report: &Report<'_>) -> Option<Vec<Repair>> {
    let texts = section.texts("repairs", report)?;
    let mut repairs = Vec::new();
    for text in texts {
        match REPAIRS.iter().find(|(name, _)| name == text.get_ref()) {
            Some((_, repair)) => repairs.push(*repair),
            None => {
                let names: Vec<&str> = REPAIRS.iter().map(|(name, _)| *name).collect();
                super::document::unknown_word("repair", &text, &names, report);
            }
        }
    }
    Some(repairs)
}
