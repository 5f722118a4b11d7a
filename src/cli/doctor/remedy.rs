//! What to do about a no: the advice of whoever knows the error, and commands with the case's facts.

use super::report::Check;
use crate::cli::Exit;
use crate::cli::facts::Facts;
use crate::cli::token::exit_of;
use crate::mailbox::Mailbox;
use crate::oauth::claims::Claims;
use crate::oauth::{Class, Failure, Owner};
use crate::proto::{Cause, Refusal};

/// Commands against one AADSTS number.
// A table reads by rows.
#[rustfmt::skip]
const AGAINST_NUMBERS: &[(&[u32], &[&str])] = &[
    (&[7000215, 7000222, 7000216], &["az ad app credential reset --id <client id> --append --display-name gatepost"]),
    (&[7000218], &["az ad app update --id <client id> --is-fallback-public-client true"]),
    (&[700016], &["az ad sp create --id <client id>", "az ad app permission admin-consent --id <client id>"]),
    (&[700011, 70001, 7000112], &["az ad sp update --id <client id> --set accountEnabled=true"]),
    (&[650057, 650056, 65005, 90094, 90095, 90008, 65001], &["az ad app permission admin-consent --id <client id>"]),
    (&[50011, 70004, 900971, 9002327], &["az ad app update --id <client id> --public-client-redirect-uris http://localhost"]),
    (&[700024], &["timedatectl set-ntp true"]),
    (&[50057, 500571], &["az ad user update --id <mailbox> --account-enabled true"]),
];

/// What to do against a refusal of Exchange's, where whose token it was tells more than its line does.
struct Against {
    /// A piece of the line.
    piece: &'static str,
    owner: Owner,
    /// As a sentence without its full stop; empty where the line's own advice says it all.
    advice: &'static str,
    commands: &'static [&'static str],
}

const REGISTER: &str =
    "New-ServicePrincipal -AppId <client id> -ObjectId <object id> -DisplayName gatepost";
const PRINCIPALS: &str = "Get-ServicePrincipal | Format-List DisplayName,AppId,ObjectId";
const GRANT: &str =
    "Add-MailboxPermission -Identity <mailbox> -User <service principal> -AccessRights FullAccess";
const GRANT_ACCOUNT: &str =
    "Add-MailboxPermission -Identity <mailbox> -User <account> -AccessRights FullAccess";
const SEND_AS: &str =
    "Add-RecipientPermission -Identity <mailbox> -Trustee <service principal> -AccessRights SendAs";
const SMTP_ON: &str = "Set-CASMailbox -Identity <mailbox> -SmtpClientAuthenticationDisabled $false";
const SWITCHES: &str = "Get-CASMailbox -Identity <mailbox> | Format-List ImapEnabled,PopEnabled,SmtpClientAuthenticationDisabled";
const READING_ON: &str = "Set-CASMailbox -Identity <mailbox> -ImapEnabled $true -PopEnabled $true";

const NOT_GRANTED: &str = "Let the application open <mailbox>. If it may already, see that the protocol is on for the mailbox and that it has a licence";
const NOT_DELEGATED: &str = "Let <account> open <mailbox>, if that isn't its own. Else see that the protocol is on for the mailbox and that it has a licence";
const NOT_REGISTERED: &str = "The token's claims are right, so see whether Exchange knows the application by this client id and the object id of its Enterprise application (not of its registration; a wrong entry can't be changed, only removed), and whether it may open <mailbox>";
const SWITCHED_OFF: &str = "The token's claims are right, so see whether the protocol is on for <mailbox>, and whether it has a licence: a shared mailbox without one doesn't send";

// A table reads by rows.
#[rustfmt::skip]
const AGAINST_LINES: &[Against] = &[
    against("authenticated but not connected", Owner::Application, NOT_GRANTED, &[GRANT, SWITCHES, READING_ON]),
    against("authenticated but not connected", Owner::Mailbox, NOT_DELEGATED, &[GRANT_ACCOUNT, SWITCHES, READING_ON]),
    against("SmtpClientAuthentication is disabled", Owner::Application, "", &[SMTP_ON]),
    against("SmtpClientAuthentication is disabled", Owner::Mailbox, "", &[SMTP_ON]),
    against("AUTHENTICATE failed", Owner::Application, NOT_REGISTERED, &[PRINCIPALS, REGISTER, GRANT]),
    against("AUTHENTICATE failed", Owner::Mailbox, SWITCHED_OFF, &[SWITCHES, READING_ON]),
    against("unknown user name or bad password", Owner::Application, NOT_REGISTERED, &[PRINCIPALS, REGISTER, GRANT]),
    against("unknown user name or bad password", Owner::Mailbox, SWITCHED_OFF, &[SWITCHES, READING_ON]),
    against("5.7.3 ", Owner::Application, NOT_REGISTERED, &[PRINCIPALS, REGISTER, GRANT, SWITCHES]),
    against("5.7.3 ", Owner::Mailbox, SWITCHED_OFF, &[SWITCHES, SMTP_ON]),
    against("SendAsDenied", Owner::Application, "", &[SEND_AS]),
    against("5.7.60", Owner::Application, "", &[SEND_AS]),
];

const fn against(
    piece: &'static str,
    owner: Owner,
    advice: &'static str,
    commands: &'static [&'static str],
) -> Against {
    Against { piece, owner, advice, commands }
}

/// The check that an authority's no comes to.
pub(super) fn of_failure(failure: &Failure, mailbox: &Mailbox) -> Check {
    let facts = Facts::of(mailbox);
    let exit = exit_of(failure.class);
    let words = failure.words.as_deref();
    let text = match words {
        Some(words) => format!("{} ({words})", failure.meaning),
        None => failure.meaning.to_string(),
    };
    let number = words.and_then(|words| words.aadsts);
    let row =
        number.and_then(|number| AGAINST_NUMBERS.iter().find(|(keys, _)| keys.contains(&number)));
    let mut commands: Vec<String> = row
        .map_or_else(Vec::new, |(_, lines)| lines.iter().map(|line| facts.command(line)).collect());
    if failure.class == Class::SignIn && mailbox.provider.grant.owner == Owner::Mailbox {
        commands.push(facts.command("gatepost login <mailbox>"));
    }
    Check::fail("token", exit, text).remedy(facts.text(&failure.advice)).commands(commands)
}

/// The check that a mail host's no comes to.
pub(super) fn of_refusal(
    stage: &'static str,
    refusal: &Refusal,
    facts: &Facts,
    claims: Option<&Claims>,
) -> Check {
    let line = refusal.verbatim.as_deref().unwrap_or_default().to_ascii_lowercase();
    let owner = claims.map_or(Owner::Mailbox, Claims::owner);
    let row = AGAINST_LINES
        .iter()
        .find(|row| row.owner == owner && line.contains(&row.piece.to_ascii_lowercase()));
    let commands = row.map_or(&[][..], |row| row.commands);
    let general = refusal.explain().split(". It said:").next().unwrap_or_default();
    let advice = row.map(|row| row.advice).filter(|advice| !advice.is_empty()).unwrap_or(general);
    Check::fail(stage, exit(refusal.cause), finding(refusal))
        .remedy(facts.text(advice.trim_end_matches('.')))
        .commands(commands.iter().map(|line| facts.command(line)).collect())
}

/// What happened, without what to do.
pub(super) fn finding(refusal: &Refusal) -> String {
    let what = match refusal.cause {
        Cause::TokenRefused => "the mail host refuses the token",
        Cause::MailboxNotOpened => "the mail host takes the token, but doesn't open the mailbox",
        Cause::ForbiddenByPolicy => "the mail host's policy forbids it",
        Cause::NotAuthorized => "the mail host refuses the sender",
        Cause::UpstreamUnavailable | Cause::AuthorityUnavailable => {
            "the mail host asks to come back later"
        }
        Cause::UpstreamUnreachable => "the mail host can't be reached",
        _ => "the login fails",
    };
    match &refusal.verbatim {
        Some(line) => format!("{what}: {line}"),
        None => what.to_owned(),
    }
}

/// What a script ends with.
pub(super) fn exit(cause: Cause) -> Exit {
    match cause {
        Cause::Misconfigured => Exit::Config,
        Cause::AuthorityUnavailable | Cause::UpstreamUnavailable => Exit::TryAgain,
        Cause::UpstreamUnreachable | Cause::UpstreamProtocol => Exit::Unavailable,
        _ => Exit::Denied,
    }
}
