//! `[[mailbox.device]]`: a device password that the configuration holds.

use std::str::FromStr;

use toml::Spanned;

use super::password::{Costs, complain};
use crate::config::document::{Section, unknown_word};
use crate::config::problem::Report;
use crate::config::secret::{Forms, Inline};
use crate::mailbox::{Day, Device, DeviceName, InvalidNetwork, Network, Proof, Scope};
use crate::proto::{PROTOCOLS, Protocol};

/// The device of the mailbox at `address`.
pub(super) fn read(
    address: &str,
    mut section: Section<'_>,
    costs: &mut Costs,
    report: &Report<'_>,
) -> Option<Spanned<Device>> {
    let name = section.required_text("name", report);
    let name = name.and_then(|name| parsed::<DeviceName>(&name, "device name", report));
    let proof = proof(&mut section, costs, report);
    let scope = Scope {
        protocols: protocols(&mut section, report),
        networks: networks(&mut section, report).into_iter().map(Spanned::into_inner).collect(),
        expires: section.text("expires", report).and_then(|day| parsed::<Day>(&day, "day", report)),
    };
    let span = section.span();
    section.finish(report);
    Some(Spanned::new(span, Device::new(address, name?, Some(proof?), scope)))
}

/// The protocols at `protocols`, empty where it isn't there.
fn protocols(section: &mut Section<'_>, report: &Report<'_>) -> Vec<&'static str> {
    let names = section.texts("protocols", report).unwrap_or_default();
    let known = |name: &Spanned<String>| {
        let protocol = Protocol::named(name.get_ref());
        if protocol.is_none() {
            let all: Vec<&str> = PROTOCOLS.iter().map(|protocol| protocol.name).collect();
            unknown_word("protocol", name, &all, report);
        }
        protocol.map(|protocol| protocol.name)
    };
    names.iter().filter_map(known).collect()
}

/// The networks at `networks`, empty where it isn't there.
pub(in crate::config) fn networks(
    section: &mut Section<'_>,
    report: &Report<'_>,
) -> Vec<Spanned<Network>> {
    let texts = section.texts("networks", report).unwrap_or_default();
    let network = |text: &Spanned<String>| match text.get_ref().parse() {
        Ok(network) => Some(Spanned::new(text.span(), network)),
        Err(error) => {
            let error: InvalidNetwork = error;
            let title = format!("{:?} is no network", text.get_ref());
            report.problem(text.span(), title, error.to_string());
            None
        }
    };
    texts.iter().filter_map(network).collect()
}

fn proof(section: &mut Section<'_>, costs: &mut Costs, report: &Report<'_>) -> Option<Proof> {
    let forms = Forms::take(section, "password_hash", report);
    if forms.is_empty() {
        let title = "a device without a password";
        let help = "`gatepost password add --print MAILBOX NAME` makes one";
        report.problem_with_help(section.span(), title, "needs password_hash", help);
        return None;
    }
    let text = forms.resolve("password_hash", Inline::Welcome, report)?;
    match Proof::parse(text.get_ref().reveal()) {
        Ok(proof) => {
            if let Proof::Hash(hash) = &proof {
                costs.note(hash.parameters(), text.span());
            }
            Some(proof)
        }
        Err(error) => {
            complain(&error, text.span(), report);
            None
        }
    }
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(
    text: &Spanned<String>,
    what: &str,
    report: &Report<'_>,
) -> Option<T> {
    let parsed = text.get_ref().parse();
    parsed
        .map_err(|error: T::Err| {
            let title = format!("{:?} is no {what}", text.get_ref());
            report.problem(text.span(), title, error.to_string());
        })
        .ok()
}
