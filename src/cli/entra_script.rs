//! `gatepost entra-script`: the commands that make a tenant ready for this configuration.

use std::io::{self, Write as _};
use std::sync::Arc;

use clap::ValueEnum;
use url::Url;

use super::doctor::chosen;
use super::facts::literal;
use super::{Exit, Failure};
use crate::config::Config;
use crate::mailbox::{Provider, Service};
use crate::oauth::Owner;
use crate::oauth::claims::Expected;

/// A way to let gatepost at mailboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Variant {
    /// The application opens mailboxes for itself, with permissions on each
    AppOnly,
    /// People sign in, and the application acts for them
    Delegated,
    /// High Volume Email accounts, sending inside the organisation
    Hve,
    /// The application sends, by a role in Exchange instead of permissions in Entra
    Rbac,
}

const PREAMBLE: &str = include_str!("entra_script/preamble.ps1");

/// The hosts of Entra's authorities.
const AUTHORITIES: &[&str] = &[
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
];

/// The switch of each protocol on a mailbox.
const SWITCHES: &[(&str, &str)] = &[
    ("imap", "-ImapEnabled $true"),
    ("pop3", "-PopEnabled $true"),
    ("smtp", "-SmtpClientAuthenticationDisabled $false"),
];

/// Prints a script for each provider that is Microsoft's, or for the one called `name`.
///
/// # Errors
/// There is none to print.
pub(super) fn entra_script(
    config: &Config,
    name: Option<&str>,
    variant: Option<Variant>,
) -> Result<(), Failure> {
    let wanted = |provider: &&Arc<Provider>| match name {
        Some(name) => provider.name == name,
        None => is_entra(provider),
    };
    let scripts: Vec<String> = config
        .providers
        .iter()
        .filter(wanted)
        .map(|provider| script(config, provider, variant.unwrap_or_else(|| needed(provider))))
        .collect::<Result<_, _>>()?;
    if scripts.is_empty() {
        let text = match name {
            Some(name) => format!("there is no [provider.{name}]"),
            None => "no provider's tokens come from Entra; name one with --provider".to_owned(),
        };
        return Err(Failure::new(Exit::Usage, text));
    }
    io::stdout()
        .write_all(scripts.join("\n\n").as_bytes())
        .map_err(|error| Failure::new(Exit::System, error))
}

fn is_entra(provider: &Provider) -> bool {
    let url = Url::parse(&provider.application.token_endpoint).ok();
    url.is_some_and(|url| url.host_str().is_some_and(|host| AUTHORITIES.contains(&host)))
}

/// What the configuration's grant and hosts come to.
fn needed(provider: &Provider) -> Variant {
    let hve = |service: &Service| service.host.contains("hve");
    match provider.grant.owner {
        Owner::Mailbox => Variant::Delegated,
        _ if provider.service("smtp").is_some_and(hve) => Variant::Hve,
        _ => Variant::AppOnly,
    }
}

fn script(config: &Config, provider: &Provider, variant: Variant) -> Result<String, Failure> {
    let (title, steps) = match variant {
        Variant::AppOnly => ("app-only", include_str!("entra_script/app-only.ps1")),
        Variant::Delegated => ("delegated", include_str!("entra_script/delegated.ps1")),
        Variant::Hve => ("hve", include_str!("entra_script/hve.ps1")),
        Variant::Rbac => ("rbac", include_str!("entra_script/rbac.ps1")),
    };
    let mailboxes: Vec<String> = chosen(config, None)?
        .iter()
        .filter(|mailbox| mailbox.provider.name == provider.name)
        .map(|mailbox| format!("    {}", literal(&mailbox.address)))
        .collect();
    let filled = [
        ("<provider>", provider.name.clone()),
        ("<variant>", title.to_owned()),
        ("<tenant>", literal(&tenant(provider))),
        ("<client id>", literal(&provider.application.client_id)),
        ("<mailboxes>", mailboxes.join("\n")),
        ("<roles>", permissions(provider, Owner::Application)),
        ("<scopes>", permissions(provider, Owner::Mailbox)),
        ("<switches>", switches(provider)),
    ];
    let template = format!("{PREAMBLE}{steps}");
    Ok(filled.iter().fold(template, |text, (word, fact)| text.replace(word, fact)))
}

/// The first part of the token endpoint's path.
fn tenant(provider: &Provider) -> String {
    let url = Url::parse(&provider.application.token_endpoint).ok();
    let tenant = url.as_ref().and_then(|url| url.path_segments()?.next());
    tenant.unwrap_or_default().to_owned()
}

fn permissions(provider: &Provider, owner: Owner) -> String {
    let names: Vec<String> = provider
        .services
        .iter()
        .filter_map(|service| {
            let (protocol, host) = (service.protocol, service.host.as_str());
            let now = std::time::UNIX_EPOCH;
            Expected { protocol, host, mailbox: "", now }.permission(owner)
        })
        .map(literal)
        .collect();
    names.join(", ")
}

fn switches(provider: &Provider) -> String {
    let switches: Vec<&str> = SWITCHES
        .iter()
        .filter(|(protocol, _)| provider.service(protocol).is_some())
        .map(|(_, switch)| *switch)
        .collect();
    switches.join(" ")
}
