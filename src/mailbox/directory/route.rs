//! What a user name says: whose login it is, with which device's password, and for which mailbox.
//!
//! ```text
//! user                  an address or any other name, as configured
//! user+device           with the chosen password of that device; also user+device@domain
//! user\mailbox          asking for another mailbox, as programs for Exchange write it
//! DOMAIN\user           with a Windows domain, which says nothing here
//! ```
//! A name that is configured as it stands is that user and nothing else.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Directory, Entry};
use crate::mailbox::{Mailbox, fold};
use crate::sasl::Login;

/// Where a user name leads. All its names are folded.
pub(super) struct Route<'d> {
    pub(super) entry: &'d Entry,
    /// The mailbox's address, in place of the `*@domain` of an entry for all of a domain.
    pub(super) address: Cow<'d, str>,
    /// The device whose password it is, where the name tells.
    pub(super) device: Option<String>,
    /// The mailbox asked for, where the name tells.
    pub(super) wanted: Option<String>,
}

impl Directory {
    /// The route of `name`, which is folded.
    pub(super) fn route(&self, name: &str) -> Option<Route<'_>> {
        if let Some(route) = self.of_user(name) {
            return Some(route);
        }
        let (left, right) = name.split_once('\\')?;
        match self.of_user(left) {
            Some(route) => Some(Route { wanted: Some(right.to_owned()), ..route }),
            None => self.of_user(right),
        }
    }

    /// What a login as `name` has to guess: names that ask for one password come to one text, so that
    /// nobody gets more guesses at it by writing its user in another way.
    pub fn guessed(&self, name: &str) -> String {
        let name = fold(name);
        match self.route(&name) {
            None => name,
            Some(Route { entry, device: None, .. }) => entry.folded_address.clone(),
            Some(Route { address, device: Some(device), .. }) => format!("{address}+{device}"),
        }
    }

    /// The mailbox to open (RFC 4616 section 2): the login's own, or one that it asks for and its own
    /// may open.
    pub(super) fn destination(&self, route: &Route<'_>, login: &Login) -> Option<Arc<Mailbox>> {
        let authzid = login.authzid.as_deref().map(fold);
        let wanted = match (&authzid, &route.wanted) {
            (Some(one), Some(other)) if one != other => return None,
            (Some(wanted), _) | (None, Some(wanted)) => wanted,
            (None, None) => return Some(route.mailbox()),
        };
        let own = self.route(wanted).filter(|own| own.wanted.is_none());
        if *wanted == *route.address || own.is_some_and(|own| own.address == route.address) {
            return Some(route.mailbox());
        }
        let address = self.wanted_address(wanted, route)?;
        let may_open = route.entry.mailbox.may_open.contains(&address);
        may_open.then(|| self.mailboxes.get(&address).map(Arc::clone)).flatten()
    }

    /// The address asked for: written out, as a user's name, or without the login's own domain.
    fn wanted_address(&self, wanted: &str, route: &Route<'_>) -> Option<String> {
        if self.mailboxes.contains_key(wanted) {
            return Some(wanted.to_owned());
        }
        if let Some(entry) = self.entries.get(wanted) {
            return Some(entry.folded_address.clone());
        }
        let (_, domain) = route.address.rsplit_once('@')?;
        (!wanted.contains('@')).then(|| format!("{wanted}@{domain}"))
    }

    fn of_user(&self, name: &str) -> Option<Route<'_>> {
        if let Some(entry) = self.entries.get(name) {
            let address = entry.folded_address.as_str().into();
            return Some(Route { entry, address, device: None, wanted: None });
        }
        let Some((user, device)) = split_device(name) else {
            return self.of_domain(name);
        };
        let route = match self.entries.get(&*user) {
            Some(entry) => {
                let address = entry.folded_address.as_str().into();
                Route { entry, address, device: None, wanted: None }
            }
            None => self.of_domain(&user)?,
        };
        Some(Route { device: Some(device.to_owned()), ..route })
    }

    /// The route by an entry for all of a domain, where `name` is an address of it. Who has a mailbox
    /// of its own isn't let in by the password of all the others.
    fn of_domain<'d>(&'d self, name: &str) -> Option<Route<'d>> {
        let (local, domain) = name.rsplit_once('@')?;
        if !is_plain(local) || name.len() > super::LONGEST_ADDRESS {
            return None;
        }
        let entry = self.domains.get(domain)?;
        if self.mailboxes.contains_key(name) {
            return None;
        }
        Some(Route { entry, address: name.to_owned().into(), device: None, wanted: None })
    }
}

impl Route<'_> {
    /// The mailbox of the login itself.
    pub(super) fn mailbox(&self) -> Arc<Mailbox> {
        let mailbox = &self.entry.mailbox;
        if mailbox.domain().is_none() {
            return Arc::clone(mailbox);
        }
        let address = self.address.clone().into_owned();
        Arc::new(Mailbox { address, ..Mailbox::clone(mailbox) })
    }
}

/// Whether a local part has one spelling only (RFC 5321's Dot-string): quotes, comments, letters that look or
/// normalise alike, and the routes of old (`%`, `!`, `/`) may lead a service to another mailbox than the one
/// that was looked up here.
fn is_plain(local: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"#$&'-=?^_`{|}~".contains(&b);
    local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(plain))
}

/// `user+device`, or `local+device@domain` for the user `local@domain`.
fn split_device(name: &str) -> Option<(Cow<'_, str>, &str)> {
    let (user, device) = name.rsplit_once('+')?;
    match device.split_once('@') {
        None => Some((user.into(), device)),
        Some((device, domain)) => Some((format!("{user}@{domain}").into(), device)),
    }
}
