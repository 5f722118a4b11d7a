//! `[[allow]]`: who may send without a login.

use std::sync::Arc;

use toml::Spanned;

use super::document::{Section, Words};
use super::mailbox::networks;
use super::problem::Report;
use crate::mailbox::{Allowance, Directory, Mailbox, Network, Senders};

/// The one protocol in which a client that proves nothing can do no worse than send.
const PROTOCOLS: &Words<()> = &[("smtp", ())];

/// Adds the allowance to the directory, whose mailboxes are complete.
pub(super) fn read(mut section: Section<'_>, directory: &mut Directory, report: &Report<'_>) {
    if !section.has("protocol") {
        section.missing("protocol", report);
    }
    section.word("protocol", PROTOCOLS, report);
    if !section.has("networks") {
        section.missing("networks", report);
    }
    let networks = networks(&mut section, report);
    networks.iter().for_each(|network| keep_private(network, report));
    let mailbox = mailbox(&mut section, directory, report);
    let senders = senders(&mut section, report);
    section.finish(report);
    if let Some(mailbox) = mailbox {
        let networks = networks.into_iter().map(Spanned::into_inner).collect();
        directory.allow(Allowance { networks, mailbox, senders });
    }
}

/// A network that the Internet can send from would make an open relay.
fn keep_private(network: &Spanned<Network>, report: &Report<'_>) {
    if !network.get_ref().is_private() {
        report.problem_with_help(
            network.span(),
            format!("{} is a public network", network.get_ref()),
            "nobody on the Internet may send without a login",
            "private are 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.0.0/16, \
             fc00::/7, fe80::/10 and this machine; list the devices' own addresses",
        );
    }
}

fn mailbox(
    section: &mut Section<'_>,
    directory: &Directory,
    report: &Report<'_>,
) -> Option<Arc<Mailbox>> {
    let address = section.required_text("mailbox", report)?;
    let found = directory.mailbox(address.get_ref());
    if found.is_none() {
        let title = format!("there is no mailbox {:?}", address.get_ref());
        report.problem(address.span(), title, "the address of a [[mailbox]]");
    }
    found
}

fn senders(section: &mut Section<'_>, report: &Report<'_>) -> Vec<Senders> {
    if !section.has("mail_from") {
        section.missing("mail_from", report);
    }
    let texts = section.texts("mail_from", report).unwrap_or_default();
    let senders = |text: &Spanned<String>| match text.get_ref().parse::<Senders>() {
        Ok(senders) => Some(senders),
        Err(error) => {
            let title = format!("{:?} is no sender", text.get_ref());
            report.problem(text.span(), title, error.to_string());
            None
        }
    };
    texts.iter().filter_map(senders).collect()
}
