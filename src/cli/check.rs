//! `gatepost check`: what the configuration comes to, without opening a port or asking a network.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use super::Failure;
use super::table::columns;
use crate::config::{Config, Listener};
use crate::mailbox::{Allowance, Provider, Service};
use crate::proto::Security;

/// Prints what would listen and lead where.
pub(super) fn check(config: &Config) -> Result<(), Failure> {
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    // A closed pipe, as of `gatepost check | head`, is nobody's problem.
    let _ = write!(io::stdout(), "{}", Summary(config));
    Ok(())
}

/// Mailboxes printed a provider before only their number is.
const SHOWN: usize = 5;

struct Summary<'a>(&'a Config);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(config) = self;
        writeln!(f, "{} is good.", config.path.display())?;
        writeln!(f, "  name   {}", config.name)?;
        writeln!(f, "  state  {}", config.state_directory.display())?;
        let listeners: Vec<_> = config.listeners.iter().flat_map(listener_rows).collect();
        table(f, "Listeners", &listeners)?;
        let providers: Vec<_> =
            config.providers.iter().flat_map(|row| provider_rows(row)).collect();
        table(f, "Providers", &providers)?;
        mailboxes(f, config)?;
        allowances(f, config)
    }
}

fn listener_rows(listener: &Listener) -> impl Iterator<Item = Vec<String>> {
    let identity = listener.identity.as_ref();
    let certificate =
        identity.map_or_else(String::new, |identity| identity.chain().display().to_string());
    listener.addresses.iter().map(move |address| {
        let tls = format!("tls {}", listener.tls_mode());
        vec![listener.protocol.name.to_owned(), address.to_string(), tls, certificate.clone()]
    })
}

fn provider_rows(provider: &Provider) -> Vec<Vec<String>> {
    let application = &provider.application;
    let head = vec![
        provider.name.clone(),
        provider.grant.name.to_owned(),
        application.authority().to_owned(),
    ];
    let services = provider.services.iter().map(service_row);
    std::iter::once(head).chain(services).collect()
}

fn service_row(service: &Service) -> Vec<String> {
    let security = match service.security {
        Security::Implicit => "implicit TLS",
        Security::StartTls => "STARTTLS",
        Security::Plain => "in clear",
    };
    let place = format!("{}:{}, {security}", service.host, service.port);
    vec![format!("  {}", service.protocol), place, service.scope.clone()]
}

fn mailboxes(f: &mut fmt::Formatter<'_>, config: &Config) -> fmt::Result {
    let mut groups: BTreeMap<&str, Vec<Vec<String>>> = BTreeMap::new();
    for (user, mailbox) in config.directory.mailboxes() {
        let row = vec![user.to_owned(), format!("-> {}", mailbox.address)];
        groups.entry(&mailbox.provider.name).or_default().push(row);
    }
    for (provider, mut rows) in groups {
        rows.sort();
        let count = rows.len();
        let mut title = format!("Mailboxes of {provider}: {count}");
        if count > SHOWN {
            rows.truncate(SHOWN);
            write!(title, ", the first {SHOWN}")?;
        }
        table(f, &title, &rows)?;
    }
    Ok(())
}

fn allowances(f: &mut fmt::Formatter<'_>, config: &Config) -> fmt::Result {
    let row = |allowance: &Allowance| {
        let networks: Vec<_> = allowance.networks.iter().map(ToString::to_string).collect();
        vec![networks.join(", "), format!("-> {}", allowance.mailbox.address)]
    };
    let rows: Vec<_> = config.directory.allowances().iter().map(row).collect();
    if rows.is_empty() { Ok(()) } else { table(f, "Sending without a login", &rows) }
}

/// Rows in aligned columns under a title.
fn table(f: &mut fmt::Formatter<'_>, title: &str, rows: &[Vec<String>]) -> fmt::Result {
    write!(f, "\n{title}\n{}", columns(rows))
}
