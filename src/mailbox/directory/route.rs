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

use super::{Directory, Entry};

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

    /// The route by an entry for all of a domain, where `name` is an address of it.
    fn of_domain<'d>(&'d self, name: &str) -> Option<Route<'d>> {
        let (local, domain) = name.rsplit_once('@')?;
        let odd = |c: char| c.is_whitespace() || c.is_control() || "@*\\<>\"".contains(c);
        if local.is_empty() || local.contains(odd) || name.len() > super::LONGEST_ADDRESS {
            return None;
        }
        let entry = self.domains.get(domain)?;
        Some(Route { entry, address: name.to_owned().into(), device: None, wanted: None })
    }
}

/// `user+device`, or `local+device@domain` for the user `local@domain`.
fn split_device(name: &str) -> Option<(Cow<'_, str>, &str)> {
    let (user, device) = name.rsplit_once('+')?;
    match device.split_once('@') {
        None => Some((user.into(), device)),
        Some((device, domain)) => Some((format!("{user}@{domain}").into(), device)),
    }
}
