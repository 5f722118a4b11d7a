//! Device passwords, found by what a login knows of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Device, DeviceName, PasswordDigest, Proof};
use crate::secret::Secret;

/// All device passwords of one source.
#[derive(Default)]
pub struct Devices {
    by_digest: HashMap<PasswordDigest, Arc<Device>>,
    by_name: HashMap<(String, DeviceName), Arc<Device>>,
}

impl Devices {
    /// Adds `device`, in place of one of the same name.
    pub fn insert(&mut self, device: Arc<Device>) {
        if let Some(Proof::Digest(digest)) = device.proof {
            self.by_digest.insert(digest, Arc::clone(&device));
        }
        let name = (device.mailbox.clone(), device.name.clone());
        let former = self.by_name.insert(name, device);
        if let Some(Proof::Digest(digest)) = former.and_then(|former| former.proof.clone()) {
            self.forget(&digest);
        }
    }

    /// The device of the mailbox at `address` whose generated password this is.
    pub fn known_by(&self, address: &str, password: &Secret<String>) -> Option<&Arc<Device>> {
        // The digest stands for 100 bits that nobody can steer, so a lookup's time tells nothing.
        self.by_digest.get(&PasswordDigest::of(address, password))
    }

    /// The device called `name` of the mailbox at `address`, which is in lower case.
    pub fn named(&self, address: &str, name: &str) -> Option<&Arc<Device>> {
        self.by_name.get(&(address.to_owned(), name.parse().ok()?))
    }

    /// Whether a session that began with `device`'s password at `start` may go on.
    pub fn lets_go_on(&self, device: &Device, start: SystemTime) -> bool {
        let current = self.by_name.get(&(device.mailbox.clone(), device.name.clone()));
        current.and_then(|current| current.cut).is_none_or(|cut| start >= cut)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Device>> {
        self.by_name.values()
    }

    /// Drops the way in by a digest that its device no longer has.
    fn forget(&mut self, digest: &PasswordDigest) {
        let stale = self.by_digest.get(digest).is_some_and(|holder| {
            let current = self.by_name.get(&(holder.mailbox.clone(), holder.name.clone()));
            current.is_none_or(|current| !Arc::ptr_eq(current, holder))
        });
        if stale {
            self.by_digest.remove(digest);
        }
    }
}

impl FromIterator<Arc<Device>> for Devices {
    fn from_iter<T: IntoIterator<Item = Arc<Device>>>(devices: T) -> Self {
        let mut all = Self::default();
        devices.into_iter().for_each(|device| all.insert(device));
        all
    }
}
