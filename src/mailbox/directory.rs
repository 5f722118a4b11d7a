//! Who may log in, and how that is checked without telling strangers anything.

mod claim;
mod route;

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::password::{Hash, Parameters};
use super::{Allowance, Device, Devices, Mailbox, Proof, Provider, Service, Via, Visit, fold};
use crate::proto::{Cause, Refusal};
use crate::sasl::Login;
use crate::secret::Secret;
use claim::Claim;
use route::Route;

/// Octets of the key that logins are remembered under: SHA-256's block, so that HMAC takes it as it is.
pub const KEY_LENGTH: usize = 64;

/// Octets of a mail address (RFC 5321 section 4.5.3.1.3, less the brackets).
pub(super) const LONGEST_ADDRESS: usize = 254;

/// Local user names and the mailboxes they lead to. User names are compared without regard to case.
pub struct Directory {
    entries: HashMap<String, Entry>,
    /// The entries for all of a domain, by the domain.
    domains: HashMap<String, Entry>,
    /// All mailboxes by their address in lower case, with and without users.
    mailboxes: HashMap<String, Arc<Mailbox>>,
    /// The device passwords that the configuration holds.
    devices: Devices,
    allowances: Vec<Allowance>,
    providers: Vec<Arc<Provider>>,
    ways: Vec<Via>,
    digests: Hmac<Sha256>,
    decoy: Decoy,
}

/// What a local user proves itself by.
pub enum Password {
    /// A hash of it.
    Hash(Hash),
    /// The password itself. Only a digest of it is kept, under a key that nobody else has.
    Plain(Secret<String>),
    /// None but those of devices.
    OfDevices,
}

/// A login that was let in.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Where it leads.
    pub mailbox: Arc<Mailbox>,
    /// Whose password it was, where it was a device's.
    pub device: Option<Arc<Device>>,
}

/// A user name that the directory has already.
#[derive(Debug)]
pub struct UserTaken {
    /// Where it leads.
    pub by: Arc<Mailbox>,
}

struct Entry {
    mailbox: Arc<Mailbox>,
    folded_address: String,
    hash: Option<Hash>,
    /// The digest of the password that proved right. What is right changes only with the
    /// configuration, which makes a new directory: so it never expires.
    proven: Mutex<Option<Digest>>,
}

/// HMAC-SHA256 over an address and a password.
type Digest = [u8; 32];

impl Directory {
    /// An empty directory. `key` is random and belongs to this directory alone: what it remembers of
    /// logins is worth nothing elsewhere.
    pub fn new(key: &Secret<[u8; KEY_LENGTH]>) -> Self {
        Self {
            entries: HashMap::new(),
            domains: HashMap::new(),
            mailboxes: HashMap::new(),
            devices: Devices::default(),
            allowances: Vec::new(),
            providers: Vec::new(),
            ways: Vec::new(),
            digests: Hmac::new(key.reveal().into()),
            decoy: Decoy::default(),
        }
    }

    /// Lets `user` in with `password`, to `mailbox`. Where that stands for a domain, `user` doesn't
    /// count: each address of the domain is one.
    ///
    /// # Errors
    /// [`UserTaken`], which leaves the directory as it was.
    pub fn insert(
        &mut self,
        user: &str,
        password: Password,
        mailbox: Arc<Mailbox>,
    ) -> Result<(), UserTaken> {
        let folded_address = fold(&mailbox.address);
        let (digest, hash) = match password {
            Password::Plain(password) => (Some(self.digest(&folded_address, &password)), None),
            Password::Hash(hash) => (None, Some(hash)),
            Password::OfDevices => (None, None),
        };
        let slot = match mailbox.domain() {
            Some(domain) => self.domains.entry(fold(domain)),
            None => self.entries.entry(fold(user)),
        };
        let slot = match slot {
            Slot::Vacant(slot) => slot,
            Slot::Occupied(taken) => {
                return Err(UserTaken { by: Arc::clone(&taken.get().mailbox) });
            }
        };
        if !self.providers.iter().any(|known| Arc::ptr_eq(known, &mailbox.provider)) {
            self.providers.push(Arc::clone(&mailbox.provider));
        }
        if !self.ways.contains(&mailbox.smtp_via) {
            self.ways.push(mailbox.smtp_via);
        }
        self.mailboxes.entry(folded_address.clone()).or_insert_with(|| Arc::clone(&mailbox));
        if let Some(hash) = &hash {
            self.decoy.cover(hash);
        }
        slot.insert(Entry { mailbox, folded_address, hash, proven: Mutex::new(digest) });
        Ok(())
    }

    /// Adds a device password that the configuration holds.
    pub fn insert_device(&mut self, device: Device) {
        if let Some(Proof::Hash(hash)) = &device.proof {
            self.decoy.cover(hash);
        }
        self.devices.insert(Arc::new(device));
    }

    /// Adds leave to send without a login.
    pub fn allow(&mut self, allowance: Allowance) {
        self.allowances.push(allowance);
    }

    /// What a login leads to that has proven right before, in microseconds. `live` are the device
    /// passwords beside those of the configuration. `None` says nothing yet:
    /// [`verify`](Self::verify) decides.
    pub fn recall(&self, login: &Login, visit: &Visit, live: &Devices) -> Option<Admitted> {
        let route = self.route(&fold(&login.authcid));
        let digest = self.digest_on(route.as_ref(), login);
        let route = route?;
        let claim = self.claim(&route, login, live);
        let proven = claim.remembers(&digest) && !is_empty(login);
        if !proven || claim.objection(visit).is_some() {
            return None;
        }
        let mailbox = self.destination(&route, login)?;
        Some(Admitted { mailbox, device: claim.device() })
    }

    /// What a login leads to. Blocks for as long as one hash demands, for unknown users, empty
    /// passwords and remembered ones too, so that time tells nothing.
    ///
    /// # Errors
    /// [`Cause::LoginRejected`] alike for an unknown user, a wrong password, and a device's password
    /// where it isn't good; [`Cause::NotAuthorized`] where the password is right, but the login wants
    /// a mailbox that it may not open.
    pub fn verify(
        &self,
        login: &Login,
        visit: &Visit,
        live: &Devices,
    ) -> Result<Admitted, Refusal> {
        let route = self.route(&fold(&login.authcid));
        let digest = self.digest_on(route.as_ref(), login);
        let claim = route.as_ref().map_or(Claim::Nothing, |route| self.claim(route, login, live));
        let hash = claim.hash();
        let matches = hash.unwrap_or(&self.decoy.hash).matches(&login.password) && hash.is_some();
        let (Some(route), true) = (&route, matches || claim.remembers(&digest)) else {
            return Err(rejected(login));
        };
        if is_empty(login) {
            return Err(rejected_for(login, "an empty password"));
        }
        claim.remember(digest);
        if let (Some(device), Some(objection)) = (claim.device(), claim.objection(visit)) {
            return Err(rejected_for(
                login,
                &format!("the password of {} {objection}", device.name),
            ));
        }
        match self.destination(route, login) {
            Some(mailbox) => Ok(Admitted { mailbox, device: claim.device() }),
            None => Err(not_authorized(login, route)),
        }
    }

    /// A keyed digest of what a login offers: alike for those that one check decides.
    pub fn pair(&self, login: &Login) -> [u8; 32] {
        self.digest(&self.guessed(&login.authcid), &login.password)
    }

    /// Who may send without a login.
    pub fn allowances(&self) -> &[Allowance] {
        &self.allowances
    }

    /// Whether a client at `peer` may send without a login; one that has no address may not.
    pub fn allows(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| self.allowances.iter().any(|allowance| allowance.is_for(peer)))
    }

    /// The mailbox that sends what a client at `peer` sends from `sender` without a login.
    pub fn sender(&self, peer: Option<IpAddr>, sender: &str) -> Option<Arc<Mailbox>> {
        let peer = peer?;
        let fits = |allowance: &&Allowance| allowance.is_for(peer) && allowance.permits(sender);
        self.allowances.iter().find(fits).map(|allowance| Arc::clone(&allowance.mailbox))
    }

    /// The mailbox at `address`, and no whole domain.
    pub fn mailbox(&self, address: &str) -> Option<Arc<Mailbox>> {
        let found = self.mailboxes.get(&fold(address)).filter(|found| found.domain().is_none());
        found.map(Arc::clone)
    }

    /// The address of the mailbox that `name`, a user or an address, stands for.
    pub fn address(&self, name: &str) -> Option<String> {
        let name = fold(name);
        if self.mailboxes.contains_key(&name) {
            return Some(name);
        }
        let route = self.route(&name).filter(|route| route.device.is_none());
        route.filter(|route| route.wanted.is_none()).map(|route| route.address.into_owned())
    }

    /// The mailbox that `name`, a user or an address, stands for: also one that is configured with all
    /// of its domain.
    pub fn reached(&self, name: &str) -> Option<Arc<Mailbox>> {
        let name = fold(name);
        let route = self.route(&name).filter(|route| route.device.is_none());
        route.filter(|route| route.wanted.is_none()).map(|route| route.mailbox())
    }

    /// The device passwords that the configuration holds.
    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    /// The upstreams that logins of `protocol` may lead to, one a provider.
    pub fn services(&self, protocol: &str) -> impl Iterator<Item = &Service> {
        self.providers.iter().filter_map(move |provider| provider.service(protocol))
    }

    /// Where mail goes out, each way once.
    pub fn ways(&self) -> &[Via] {
        &self.ways
    }

    /// All mailboxes, once for each user, in no order.
    pub fn mailboxes(&self) -> impl Iterator<Item = (&str, &Arc<Mailbox>)> {
        let users = self.entries.iter().map(|(user, entry)| (user.as_str(), &entry.mailbox));
        users.chain(self.domains.values().map(|all| (all.folded_address.as_str(), &all.mailbox)))
    }

    /// The number of users; a whole domain counts as one.
    pub fn len(&self) -> usize {
        self.entries.len() + self.domains.len()
    }

    /// Whether no one may log in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn digest_on(&self, route: Option<&Route<'_>>, login: &Login) -> Digest {
        let salt = route.map_or(login.authcid.as_str(), |route| &route.entry.folded_address);
        self.digest(salt, &login.password)
    }

    fn digest(&self, address: &str, password: &Secret<String>) -> Digest {
        let mut mac = self.digests.clone();
        mac.update(address.as_bytes());
        // Addresses and user names hold no control characters, so no two logins share an input.
        mac.update(b"\0");
        mac.update(password.reveal().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// What a stranger's check is spent on: as much as the best protected user's takes, and no more, for both
/// would tell who exists.
struct Decoy {
    hash: Hash,
    covered: u64,
}

impl Default for Decoy {
    fn default() -> Self {
        Self { hash: Hash::decoy(Parameters::default()), covered: 0 }
    }
}

impl Decoy {
    fn cover(&mut self, hash: &Hash) {
        let cost = cost(hash.parameters());
        if cost > self.covered {
            *self = Self { hash: Hash::decoy(hash.parameters().clone()), covered: cost };
        }
    }
}

fn is_empty(login: &Login) -> bool {
    login.password.reveal().is_empty()
}

fn cost(parameters: &Parameters) -> u64 {
    u64::from(parameters.m_cost()) * u64::from(parameters.t_cost())
}

/// The answer to a login whose user is unknown or whose password is wrong.
pub fn rejected(login: &Login) -> Refusal {
    rejected_for(login, "unknown user or wrong password")
}

fn rejected_for(login: &Login, why: &str) -> Refusal {
    let user = &login.authcid;
    Refusal::new(Cause::LoginRejected, format!("login of {user:?}: {why}"))
}

fn not_authorized(login: &Login, route: &Route<'_>) -> Refusal {
    let (user, address) = (&login.authcid, &route.address);
    let wanted = login.authzid.as_deref().or(route.wanted.as_deref()).unwrap_or_default();
    Refusal::new(
        Cause::NotAuthorized,
        format!(
            "login of {user:?} wants to act as {wanted:?}, but leads to {address}; let the client leave \
             the authorization identity empty, or name the mailbox's address in `may_open` of {address}"
        ),
    )
}

#[cfg(test)]
mod tests;
