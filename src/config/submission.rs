//! The keys of `[[mailbox]]` for outgoing messages.

use toml::Spanned;

use super::document::{Section, Words};
use super::problem::Report;
use crate::mailbox::Provider;
use crate::oauth::Owner;
use crate::proto::smtp::submission::{
    Identity, LogonFailure, Mode, Named, Pattern, Policy, REPAIRS, Repair, Sender,
};

const MODES: &Words<Mode> = &[("submission", Mode::Submission), ("splice", Mode::Splice)];

const SENDERS: &Words<Sender> =
    &[("keep", Sender::Keep), ("require", Sender::Require), ("rewrite", Sender::Rewrite)];

const IDENTITIES: &Words<Identity> =
    &[("mailbox", Identity::Mailbox), ("follow", Identity::Follow)];

const LOGON_FAILURES: &Words<LogonFailure> =
    &[("temporary", LogonFailure::Temporary), ("permanent", LogonFailure::Permanent)];

const NAMED: &Words<Named> = &[("count", Named::Count), ("addresses", Named::Addresses)];

/// Reads the keys; those that aren't there have their defaults.
pub(super) fn read(
    section: &mut Section<'_>,
    provider: Option<&Provider>,
    report: &Report<'_>,
) -> Policy {
    let default = Policy::default();
    let mode = section.word("smtp_mode", MODES, report).map(Spanned::into_inner);
    let sender = section.word("sender", SENDERS, report).map(Spanned::into_inner);
    let permitted = patterns(section, report);
    let logon_failure = section.word("logon_failure", LOGON_FAILURES, report);
    let recipients = section.word("log_recipients", NAMED, report);
    let submissions = section.number("submissions", &(1..=100), report);
    let pace = section.number("messages_per_minute", &(0..=100_000), report);
    Policy {
        mode: mode.unwrap_or(default.mode),
        sender: sender.unwrap_or(default.sender),
        permitted,
        identity: identity(section, provider, report).unwrap_or(default.identity),
        repairs: repairs(section, report).unwrap_or(default.repairs),
        submissions: submissions.map_or(default.submissions, |count| count as usize),
        per_minute: match pace {
            // 0: as many as come.
            Some(count) => u32::try_from(count).ok().filter(|count| *count > 0),
            None => default.per_minute,
        },
        logon_failure: logon_failure.map_or(default.logon_failure, Spanned::into_inner),
        recipients: recipients.map_or(default.recipients, Spanned::into_inner),
    }
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
