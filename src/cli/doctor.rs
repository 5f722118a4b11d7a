//! `gatepost doctor`: every step of the way from the configuration to an open mailbox, each with its
//! cause and remedy where it fails.

mod clock;
mod graph;
mod login;
mod remedy;
mod report;
mod route;

use std::sync::Arc;

use super::run::runtime;
use super::{Arguments, Exit, Failure, journal};
use crate::config::Config;
use crate::daemon::{self, engine};
use crate::mailbox::{Mailbox, Provider, Service, Via};
use crate::tls::Trust;
use crate::tokens::Tokens;
use report::{Check, Report};
use route::Routes;

pub(super) use report::Form;

/// Checks the way to `address`, or to every mailbox.
///
/// # Errors
/// The class of the worst failure; what failed is in the report.
pub(super) fn doctor(
    arguments: &Arguments,
    address: Option<&str>,
    form: Form,
) -> Result<(), Failure> {
    let mut report = Report::new(form);
    report.about("Configuration");
    let config = match arguments.load() {
        Ok(config) => config,
        Err(failure) => {
            report.add(unusable(&failure));
            report.close();
            return Err(failure);
        }
    };
    if arguments.verbose > 0 {
        // Only where it is asked for: the report is what there is to read.
        let _ = journal::start(config.log, arguments.verbose);
    }
    let mailboxes = chosen(&config, address)?;
    runtime()?.block_on(examine(&config, &mailboxes, &mut report));
    verdict(report)
}

fn unusable(failure: &Failure) -> Check {
    Check::fail("config", failure.exit, failure.text.trim_end())
        .remedy("Correct the configuration; `gatepost check` shows the places")
}

/// The mailbox at `address`, or by a user name that leads to it; else all of them, once each.
pub(super) fn chosen(config: &Config, address: Option<&str>) -> Result<Vec<Arc<Mailbox>>, Failure> {
    let mut mailboxes: Vec<Arc<Mailbox>> = Vec::new();
    for (user, mailbox) in config.directory.mailboxes() {
        let wanted = address.is_none_or(|wanted| {
            mailbox.address.eq_ignore_ascii_case(wanted) || user.eq_ignore_ascii_case(wanted)
        });
        if wanted && !mailboxes.iter().any(|known| known.is_same(mailbox)) {
            mailboxes.push(Arc::clone(mailbox));
        }
    }
    if let (Some(address), true) = (address, mailboxes.is_empty()) {
        mailboxes.extend(config.directory.reached(address));
    }
    mailboxes.sort_by(|a, b| (&a.address, &a.provider.name).cmp(&(&b.address, &b.provider.name)));
    match address {
        Some(address) if mailboxes.is_empty() => {
            let text = format!("no [[mailbox]] has the address or user {address:?}");
            Err(Failure::new(Exit::Usage, text))
        }
        _ => Ok(mailboxes),
    }
}

async fn examine(config: &Config, mailboxes: &[Arc<Mailbox>], report: &mut Report) {
    report.add(Check::pass("config", format!("{} is good", config.path.display())));
    for warning in &config.warnings {
        report.add(Check::warn("config", warning.as_str()));
    }
    let (tokens, trust) = match engine(config) {
        Ok(engine) => engine,
        Err(error) => {
            report.add(no_engine(error));
            return;
        }
    };
    let state = config.state_directory.display();
    report.add(Check::pass("state", format!("{state} is gatepost's alone")));
    let patient = Patient { config, mailboxes, tokens, trust };
    let mut routes = Routes::default();
    for mailbox in mailboxes {
        routes.explore(&patient, &mailbox.provider, report).await;
    }
    for mailbox in mailboxes {
        report.about(&mailbox.address);
        if mailbox.domain().is_some() {
            let text = "it stands for a whole domain: name one of its addresses to try that";
            report.add(Check::skip("token", text));
            continue;
        }
        login::try_all(&patient, &routes, mailbox, report).await;
        graph::try_sending(&patient, &mut routes, mailbox, report).await;
    }
    patient.tokens.finish().await;
}

/// What is examined.
struct Patient<'a> {
    config: &'a Config,
    mailboxes: &'a [Arc<Mailbox>],
    tokens: Tokens,
    trust: Trust,
}

impl Patient<'_> {
    /// The services of `provider` that a listener and a mailbox lead to: what nobody can ask for isn't
    /// tried.
    fn services<'p>(&self, provider: &'p Provider) -> impl Iterator<Item = &'p Service> {
        let led_to = |service: &&Service| {
            self.mailboxes
                .iter()
                .any(|mailbox| mailbox.provider.name == provider.name && goes_by(mailbox, service))
        };
        provider.services.iter().filter(|service| self.listens(service.protocol)).filter(led_to)
    }

    fn listens(&self, protocol: &str) -> bool {
        self.config.listeners.iter().any(|listener| listener.protocol.name == protocol)
    }
}

/// Whether mail of `mailbox` takes the way of `service`.
fn goes_by(mailbox: &Mailbox, service: &Service) -> bool {
    service.protocol != "smtp" || mailbox.smtp_via == Via::Smtp
}

fn no_engine(error: daemon::Error) -> Check {
    let text = error.to_string();
    let failure = Failure::from(error);
    Check::fail("state", failure.exit, text)
        .remedy("Put that right; nothing else can be tried before")
}

fn verdict(report: Report) -> Result<(), Failure> {
    match report.close() {
        (None, _) => Ok(()),
        (Some(exit), 1) => Err(Failure::new(exit, "one check has failed")),
        (Some(exit), count) => Err(Failure::new(exit, format!("{count} checks have failed"))),
    }
}
