//! Who may log in, and how that is checked without telling strangers anything.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::{Arc, Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::password::{Hash, Parameters};
use super::{Mailbox, Provider, Service, Via};
use crate::proto::{Cause, Refusal};
use crate::sasl::Login;
use crate::secret::Secret;

/// Octets of the key that logins are remembered under: SHA-256's block, so that HMAC takes it as it is.
pub const KEY_LENGTH: usize = 64;

/// Local user names and the mailboxes they lead to. User names are compared without regard to case.
pub struct Directory {
    entries: HashMap<String, Entry>,
    providers: Vec<Arc<Provider>>,
    ways: Vec<Via>,
    digests: Hmac<Sha256>,
    decoy: Hash,
}

/// What a local user proves itself by.
pub enum Password {
    /// A hash of it.
    Hash(Hash),
    /// The password itself. Only a digest of it is kept, under a key that nobody else has.
    Plain(Secret<String>),
}

/// A user name that the directory has already.
#[derive(Debug)]
pub struct UserTaken {
    /// Where it leads.
    pub by: Arc<Mailbox>,
}

struct Entry {
    mailbox: Arc<Mailbox>,
    hash: Option<Hash>,
    /// The digest of the password that proved right. What is right changes only with the
    /// configuration, which makes a new directory: so it never expires.
    proven: Mutex<Option<Digest>>,
}

/// HMAC-SHA256 over user name and password.
type Digest = [u8; 32];

impl Directory {
    /// An empty directory. `key` is random and belongs to this directory alone: what it remembers of
    /// logins is worth nothing elsewhere.
    pub fn new(key: &Secret<[u8; KEY_LENGTH]>) -> Self {
        Self {
            entries: HashMap::new(),
            providers: Vec::new(),
            ways: Vec::new(),
            digests: Hmac::new(key.reveal().into()),
            decoy: Hash::decoy(Parameters::default()),
        }
    }

    /// Lets `user` in with `password`, to `mailbox`.
    ///
    /// # Errors
    /// [`UserTaken`], which leaves the directory as it was.
    pub fn insert(
        &mut self,
        user: &str,
        password: Password,
        mailbox: Arc<Mailbox>,
    ) -> Result<(), UserTaken> {
        let name = fold(user);
        let digest = match &password {
            Password::Plain(password) => Some(self.digest(&name, password)),
            Password::Hash(_) => None,
        };
        let hash = match password {
            Password::Hash(hash) => Some(hash),
            Password::Plain(_) => None,
        };
        let slot = match self.entries.entry(name) {
            Slot::Vacant(slot) => slot,
            Slot::Occupied(taken) => {
                return Err(UserTaken { by: Arc::clone(&taken.get().mailbox) });
            }
        };
        // A stranger's check takes as long as that of the best protected user.
        if let Some(hash) = &hash
            && cost(hash.parameters()) > cost(self.decoy.parameters())
        {
            self.decoy = Hash::decoy(hash.parameters().clone());
        }
        if !self.providers.iter().any(|known| Arc::ptr_eq(known, &mailbox.provider)) {
            self.providers.push(Arc::clone(&mailbox.provider));
        }
        if !self.ways.contains(&mailbox.smtp_via) {
            self.ways.push(mailbox.smtp_via);
        }
        slot.insert(Entry { mailbox, hash, proven: Mutex::new(digest) });
        Ok(())
    }

    /// The mailbox of a login that has proven right before, in microseconds. `None` says nothing yet:
    /// [`verify`](Self::verify) decides.
    pub fn recall(&self, login: &Login) -> Option<Arc<Mailbox>> {
        let name = fold(&login.authcid);
        let digest = self.digest(&name, &login.password);
        let entry = self.entries.get(&name)?;
        let admitted = entry.remembers(&digest) && !is_empty(login) && entry.may_act(login);
        admitted.then(|| Arc::clone(&entry.mailbox))
    }

    /// The mailbox of a login. Blocks for as long as the hash demands, for unknown users, empty
    /// passwords and remembered ones too, so that time tells nothing.
    ///
    /// # Errors
    /// [`Cause::LoginRejected`] alike for an unknown user and a wrong password;
    /// [`Cause::NotAuthorized`] where the password is right, but the login wants to act as someone else.
    pub fn verify(&self, login: &Login) -> Result<Arc<Mailbox>, Refusal> {
        let name = fold(&login.authcid);
        let digest = self.digest(&name, &login.password);
        let entry = self.entries.get(&name);
        let hash = entry.and_then(|entry| entry.hash.as_ref());
        let matches = hash.unwrap_or(&self.decoy).matches(&login.password) && hash.is_some();
        let Some(entry) = entry.filter(|entry| matches || entry.remembers(&digest)) else {
            return Err(rejected(login));
        };
        if is_empty(login) {
            return Err(rejected(login));
        }
        entry.remember(digest);
        if entry.may_act(login) {
            Ok(Arc::clone(&entry.mailbox))
        } else {
            Err(not_authorized(login, &entry.mailbox))
        }
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
        self.entries.iter().map(|(user, entry)| (user.as_str(), &entry.mailbox))
    }

    /// The number of users.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no one may log in.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn digest(&self, name: &str, password: &Secret<String>) -> Digest {
        let mut mac = self.digests.clone();
        mac.update(name.as_bytes());
        // User names hold no control characters, so no two logins share an input.
        mac.update(b"\0");
        mac.update(password.reveal().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl Entry {
    fn remembers(&self, digest: &Digest) -> bool {
        let proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        proven.is_some_and(|proven| proven.ct_eq(digest).into())
    }

    fn remember(&self, digest: Digest) {
        *self.proven.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
    }

    /// Whether a login with the right password may act as whom it names (RFC 4616 section 2): itself
    /// or the mailbox.
    fn may_act(&self, login: &Login) -> bool {
        let Some(wanted) = login.authzid.as_deref().map(fold) else {
            return true;
        };
        wanted == fold(&login.authcid) || wanted == fold(&self.mailbox.address)
    }
}

/// Case folded character by character: lower-casing a whole string would make sigmas depend on what
/// stands beside them.
fn fold(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    folded.extend(name.chars().flat_map(char::to_lowercase));
    folded
}

fn is_empty(login: &Login) -> bool {
    login.password.reveal().is_empty()
}

fn cost(parameters: &Parameters) -> u64 {
    u64::from(parameters.m_cost()) * u64::from(parameters.t_cost())
}

fn rejected(login: &Login) -> Refusal {
    let user = &login.authcid;
    Refusal::new(Cause::LoginRejected, format!("login of {user:?}: unknown user or wrong password"))
}

fn not_authorized(login: &Login, mailbox: &Mailbox) -> Refusal {
    let (user, address) = (&login.authcid, &mailbox.address);
    let wanted = login.authzid.as_deref().unwrap_or_default();
    Refusal::new(
        Cause::NotAuthorized,
        format!(
            "login of {user:?} wants to act as {wanted:?}, but leads to {address}; let the client leave \
             the authorization identity empty, or give {wanted:?} a [[mailbox]] of its own"
        ),
    )
}

#[cfg(test)]
mod tests;
