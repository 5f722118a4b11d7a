//! What to do about a no: the advice of whoever knows the error, and commands with the case's facts.

use super::report::Check;
use crate::cli::Exit;
use crate::cli::facts::Facts;
use crate::oauth::claims::Claims;
use crate::oauth::{Class, Failure, Owner};
use crate::proto::{Cause, Refusal};

/// Commands against one AADSTS number.
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

/// Commands against a refusal of Exchange's.
struct Against {
    /// A piece of its line.
    piece: &'static str,
    /// Whose token it refused.
    owner: Owner,
    commands: &'static [&'static str],
}

const REGISTER: &str = "New-ServicePrincipal -AppId <client id> -ObjectId <object id> -DisplayName gatepost";
const SHOW_PRINCIPAL: &str = "Get-ServicePrincipal | Format-List DisplayName,AppId,ObjectId";
const GRANT: &str = "Add-MailboxPermission -Identity <mailbox> -User <service principal> -AccessRights FullAccess";
const GRANT_ACCOUNT: &str = "Add-MailboxPermission -Identity <mailbox> -User <account> -AccessRights FullAccess";
const SMTP_ON: &str = "Set-CASMailbox -Identity <mailbox> -SmtpClientAuthenticationDisabled $false";
const SHOW_SWITCHES: &str = "Get-CASMailbox -Identity <mailbox> | Format-List ImapEnabled,PopEnabled,SmtpClientAuthenticationDisabled";

const AGAINST_LINES: &[Against] = &[
    Against { piece: "authenticated but not connected", owner: Owner::Application, commands: &[GRANT, SHOW_SWITCHES, "Set-CASMailbox -Identity <mailbox> -ImapEnabled $true -PopEnabled $true"] },
    Against { piece: "authenticated but not connected", owner: Owner::Mailbox, commands: &[GRANT_ACCOUNT, SHOW_SWITCHES, "Set-CASMailbox -Identity <mailbox> -ImapEnabled $true -PopEnabled $true"] },
    Against { piece: "SmtpClientAuthentication is disabled", owner: Owner::Application, commands: &[SMTP_ON] },
    Against { piece: "SmtpClientAuthentication is disabled", owner: Owner::Mailbox, commands: &[SMTP_ON] },
    Against { piece: "AUTHENTICATE failed", owner: Owner::Application, commands: &[SHOW_PRINCIPAL, REGISTER, GRANT] },
    Against { piece: "unknown user name or bad password", owner: Owner::Application, commands: &[SHOW_PRINCIPAL, REGISTER, GRANT] },
    Against { piece: "5.7.3 ", owner: Owner::Application, commands: &[SHOW_PRINCIPAL, REGISTER, GRANT, SHOW_SWITCHES] },
    Against { piece: "5.7.3 ", owner: Owner::Mailbox, commands: &[SHOW_SWITCHES] },
    Against { piece: "SendAsDenied", owner: Owner::Application, commands: &["Add-RecipientPermission -Identity <mailbox> -Trustee <service principal> -AccessRights SendAs"] },
    Against { piece: "5.7.60", owner: Owner::Application, commands: &["Add-RecipientPermission -Identity <mailbox> -Trustee <service principal> -AccessRights SendAs"] },
];

/// The check that an authority's no comes to.
pub(super) fn of_failure(failure: &Failure, facts: &Facts) -> Check {
    let exit = match failure.class {
        Class::Retry => Exit::TryAgain,
        Class::SignIn | Class::Policy => Exit::Denied,
        Class::Configure => Exit::Config,
    };
    let words = failure.words.as_deref();
    let text = match words {
        Some(words) => format!("{} ({words})", failure.meaning),
        None => failure.meaning.to_string(),
    };
    let number = words.and_then(|words| words.aadsts);
    let row = number.and_then(|number| AGAINST_NUMBERS.iter().find(|(keys, _)| keys.contains(&number)));
    let mut commands: Vec<String> = row.map_or_else(Vec::new, |(_, lines)| {
        lines.iter().map(|line| facts.command(line)).collect()
    });
    if failure.class == Class::SignIn {
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
    let row = AGAINST_LINES.iter().find(|row| {
        row.owner == owner && line.contains(&row.piece.to_ascii_lowercase())
    });
    let commands = row.map_or(&[][..], |row| row.commands);
    let advice = refusal.explain().split(". It said:").next().unwrap_or_default();
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
        Cause::UpstreamUnavailable | Cause::AuthorityUnavailable => "the mail host asks to come back later",
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
