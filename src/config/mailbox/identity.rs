//! Who a mailbox is to its mail host, whose token opens it, and what else its logins may open.

use std::collections::HashMap;
use std::sync::Arc;

use toml::Spanned;

use super::fit_user;
use crate::config::document::Section;
use crate::config::problem::Report;
use crate::mailbox::{Mailbox, fold};
use crate::oauth::Owner;
use crate::proto::PROTOCOLS;

/// The protocol whose mail hosts know the token's owner only: Exchange refuses SMTP logins as a
/// shared mailbox, and lets its delegates send as it.
const SENDING: &str = "smtp";

/// What a mailbox wants of others.
pub(super) struct Wishes {
    /// The identities given, each with its protocol.
    identities: Vec<(&'static str, String)>,
    pub(super) token_of: Option<Spanned<String>>,
    may_open: Vec<Spanned<String>>,
}

impl Wishes {
    pub(super) fn read(section: &mut Section<'_>, report: &Report<'_>) -> Self {
        let identity = |row: &crate::proto::Protocol, section: &mut Section<'_>| {
            let user = section.text(&format!("{}_user", row.name), report)?;
            fit_user(&user, report).then(|| (row.name, user.into_inner()))
        };
        Self {
            identities: PROTOCOLS.iter().filter_map(|row| identity(row, section)).collect(),
            token_of: section.text("token_of", report),
            may_open: section.texts("may_open", report).unwrap_or_default(),
        }
    }

    /// Gives `mailbox` what it wants of those that are `known`, by their addresses in lower case.
    pub(super) fn fulfil(
        self,
        mailbox: &mut Mailbox,
        known: &HashMap<String, Arc<Mailbox>>,
        report: &Report<'_>,
    ) {
        mailbox.identities = self.identities;
        for wanted in &self.may_open {
            let address = fold(wanted.get_ref());
            if known.get(&address).is_none_or(|found| found.domain().is_some()) {
                unknown(wanted, report);
            }
            mailbox.may_open.push(address);
        }
        let Some(wanted) = self.token_of else {
            return;
        };
        let Some(owner) = known.get(&fold(wanted.get_ref())) else {
            return unknown(&wanted, report);
        };
        if let Some(title) = unfit_owner(mailbox, owner) {
            return report.problem(wanted.span(), title, "another mailbox of the same provider");
        }
        if mailbox.identities.iter().all(|(protocol, _)| *protocol != SENDING) {
            mailbox.identities.push((SENDING, owner.address.clone()));
        }
        mailbox.token_owner = Some(Arc::clone(owner));
    }
}

/// Why `owner`'s token doesn't open `mailbox`.
fn unfit_owner(mailbox: &Mailbox, owner: &Mailbox) -> Option<String> {
    let provider = &mailbox.provider;
    if provider.grant.owner == Owner::Application {
        let name = provider.grant.name;
        return Some(format!("with the grant {name} a token has no owner: leave token_of out"));
    }
    if owner.domain().is_some() || fold(&owner.address) == fold(&mailbox.address) {
        return Some(format!("{} has no token of another", owner.address));
    }
    let foreign = !Arc::ptr_eq(provider, &owner.provider);
    foreign.then(|| format!("{} is at another provider", owner.address))
}

fn unknown(wanted: &Spanned<String>, report: &Report<'_>) {
    let title = format!("there is no mailbox {:?}", wanted.get_ref());
    report.problem(wanted.span(), title, "the address of another [[mailbox]]");
}
