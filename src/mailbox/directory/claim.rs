//! What a login could prove right.

use std::sync::{Arc, PoisonError};

use subtle::ConstantTimeEq;

use super::route::Route;
use super::{Digest, Directory, Entry};
use crate::mailbox::password::Hash;
use crate::mailbox::{Device, Devices, Proof, Visit};
use crate::sasl::Login;

/// The one password that a login can prove right: no login is checked against two hashes.
pub(super) enum Claim<'a> {
    /// None: an unknown user or device.
    Nothing,
    /// The user's own.
    Own(&'a Entry),
    /// A device's that was generated, which finding it proves.
    Generated(&'a Arc<Device>),
    /// A device's that was chosen.
    Chosen(&'a Arc<Device>, &'a Hash),
}

impl Directory {
    pub(super) fn claim<'a>(
        &'a self,
        route: &'a Route<'_>,
        login: &Login,
        live: &'a Devices,
    ) -> Claim<'a> {
        let sources = [&self.devices, live];
        let fits = |device: &str| route.device.as_deref().is_none_or(|named| named == device);
        let known = sources.iter().find_map(|all| all.known_by(&route.address, &login.password));
        if let Some(device) = known.filter(|device| fits(device.name.as_str())) {
            return Claim::Generated(device);
        }
        let Some(name) = &route.device else {
            return Claim::Own(route.entry);
        };
        let named = sources.iter().find_map(|all| all.named(&route.address, name));
        match named.and_then(|device| Some((device, device.proof.as_ref()?))) {
            Some((device, Proof::Hash(hash))) => Claim::Chosen(device, hash),
            _ => Claim::Nothing,
        }
    }
}

impl Claim<'_> {
    pub(super) fn hash(&self) -> Option<&Hash> {
        match self {
            Self::Own(entry) => entry.hash.as_ref(),
            Self::Chosen(_, hash) => Some(hash),
            Self::Generated(_) | Self::Nothing => None,
        }
    }

    pub(super) fn device(&self) -> Option<Arc<Device>> {
        match self {
            Self::Generated(device) | Self::Chosen(device, _) => Some(Arc::clone(device)),
            Self::Own(_) | Self::Nothing => None,
        }
    }

    pub(super) fn objection(&self, visit: &Visit) -> Option<String> {
        self.device().and_then(|device| device.scope.objection(visit))
    }

    pub(super) fn remembers(&self, digest: &Digest) -> bool {
        match self {
            Self::Generated(_) => true,
            Self::Chosen(device, _) => device.remembers(digest),
            Self::Own(entry) => {
                let proven = entry.proven.lock().unwrap_or_else(PoisonError::into_inner);
                proven.is_some_and(|proven| proven.ct_eq(digest).into())
            }
            Self::Nothing => false,
        }
    }

    pub(super) fn remember(&self, digest: Digest) {
        match self {
            Self::Own(entry) => {
                *entry.proven.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
            }
            Self::Chosen(device, _) => device.remember(digest),
            Self::Generated(_) | Self::Nothing => {}
        }
    }
}
