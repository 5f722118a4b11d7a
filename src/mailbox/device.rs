//! Device passwords: named local passwords of a mailbox, each for one device and revocable by itself.
//!
//! One that gatepost makes is found by its digest: a login costs the same however many passwords a
//! mailbox has, and no user name, prefix or device name has to be typed into a scanner. With 100
//! random bits a slow hash would add nothing: 10^12 guesses a second take 10^10 years. One that an
//! operator chooses is hashed with argon2id and found by the login `user+device`, so that no login
//! is checked against more than one hash.

mod index;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::day::Day;
use super::network::Network;
use super::password::{Hash, InvalidHash};
use crate::secret::Secret;

pub use index::Devices;

/// A device password.
pub struct Device {
    /// The address of the mailbox that it opens, in lower case.
    pub mailbox: String,
    /// The device.
    pub name: DeviceName,
    /// What its password is known by; `None` once it is revoked.
    pub proof: Option<Proof>,
    /// Where it is good.
    pub scope: Scope,
    /// Sessions that began before are over.
    pub cut: Option<SystemTime>,
    /// The keyed digest of the chosen password that proved right.
    pub(super) proven: Mutex<Option<[u8; 32]>>,
}

/// What a password is known by.
#[derive(Clone)]
pub enum Proof {
    /// The digest of a generated password.
    Digest(PasswordDigest),
    /// The hash of a chosen one.
    Hash(Hash),
}

/// SHA-256 over a generated password and the mailbox that it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PasswordDigest([u8; 32]);

/// Where a device password is good. Empty lists don't limit it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The protocols, as in [`PROTOCOLS`](crate::proto::PROTOCOLS).
    pub protocols: Vec<&'static str>,
    /// Where the device stands.
    pub networks: Vec<Network>,
    /// The last day, in UTC.
    pub expires: Option<Day>,
}

/// The circumstances of a login.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// The protocol's name.
    pub protocol: &'static str,
    /// Where it comes from; `None` for a socket of this machine's file system, which no network holds.
    pub peer: Option<IpAddr>,
    /// When it comes.
    pub now: SystemTime,
}

/// The name of a device: 1 to 40 of `a-z 0-9 . _ -`, in lower case, so that it can stand behind a user
/// name's `+`, in a file name and in the journal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceName(String);

/// A text that is no device name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a device name has 1 to 40 characters of a-z, 0-9, '.', '_' and '-', and begins with a letter or digit"
)]
pub struct InvalidName;

/// Characters of a generated password: Crockford's base 32, five bits each, of which people confuse
/// none.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of a generated password: 100 bits, and still typed on a keypad in a minute.
pub const PASSWORD_LENGTH: usize = 20;

/// Characters in a row before a hyphen: as many as people keep in mind.
const GROUP: usize = 5;

/// What a digest in writing begins with.
const DIGEST_PREFIX: &str = "sha256:";

impl Device {
    pub(super) fn remembers(&self, digest: &[u8; 32]) -> bool {
        use subtle::ConstantTimeEq;
        let proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        proven.is_some_and(|proven| proven.ct_eq(digest).into())
    }

    pub(super) fn remember(&self, digest: [u8; 32]) {
        *self.proven.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
    }

    /// A device password as it is configured or stored.
    pub fn new(mailbox: &str, name: DeviceName, proof: Option<Proof>, scope: Scope) -> Self {
        let mailbox = super::fold(mailbox);
        Self { mailbox, name, proof, scope, cut: None, proven: Mutex::default() }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({} of {})", self.name, self.mailbox)
    }
}

impl Scope {
    /// Why it isn't good for `visit`, in the operator's words.
    pub fn objection(&self, visit: &Visit) -> Option<String> {
        if !self.protocols.is_empty() && !self.protocols.contains(&visit.protocol) {
            return Some(format!("is for {} only", self.protocols.join(", ")));
        }
        let inside = |peer| self.networks.iter().any(|network| network.contains(peer));
        if !self.networks.is_empty() && !visit.peer.is_some_and(inside) {
            let peer = visit.peer.map(|peer| peer.to_canonical().to_string());
            return Some(format!("isn't for use from {}", peer.as_deref().unwrap_or("here")));
        }
        let expired = self.expires.filter(|last| Day::of(visit.now) > *last);
        expired.map(|last| format!("was good until {last}"))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks: Vec<_> = self.networks.iter().map(ToString::to_string).collect();
        let mut parts = Vec::new();
        parts.extend((!self.protocols.is_empty()).then(|| self.protocols.join(",")));
        parts.extend((!networks.is_empty()).then(|| format!("from {}", networks.join(","))));
        parts.extend(self.expires.map(|day| format!("until {day}")));
        f.write_str(&if parts.is_empty() { "everywhere".to_owned() } else { parts.join(" ") })
    }
}

impl Proof {
    /// Reads a digest, `sha256:` and 64 hexadecimal digits, or a hash as of
    /// [`Hash::parse`](super::password::Hash::parse).
    ///
    /// # Errors
    /// [`InvalidHash`].
    pub fn parse(text: &str) -> Result<Self, InvalidHash> {
        match text.strip_prefix(DIGEST_PREFIX) {
            Some(digits) => {
                PasswordDigest::from_hex(digits).map(Self::Digest).ok_or(InvalidHash::NotPhc)
            }
            None => Hash::parse(text).map(Self::Hash),
        }
    }
}

impl PasswordDigest {
    /// The digest of `password` for the mailbox at `address`. Case, hyphens and spaces don't count,
    /// nor whether an `o` or `l` was typed where a digit stands.
    pub fn of(address: &str, password: &Secret<String>) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"gatepost device password\0");
        digest.update(super::fold(address).as_bytes());
        digest.update(b"\0");
        for byte in password.reveal().bytes() {
            let typed = match byte.to_ascii_lowercase() {
                b'-' | b' ' => continue,
                b'o' => b'0',
                b'i' | b'l' => b'1',
                other => other,
            };
            digest.update([typed]);
        }
        Self(digest.finalize().into())
    }

    fn from_hex(digits: &str) -> Option<Self> {
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let octets = pairs.iter().map(|&[high, low]| Some(digit(high)? * 16 + digit(low)?));
        let octets: Option<Vec<u8>> = octets.collect();
        octets.filter(|_| rest.is_empty())?.try_into().ok().map(Self)
    }
}

impl fmt::Display for PasswordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DIGEST_PREFIX)?;
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// A new password of these random octets, in groups for typing.
pub fn generate(random: &Secret<[u8; PASSWORD_LENGTH]>) -> Secret<String> {
    // Room for all of it at once: growth would leave copies behind.
    let mut password = String::with_capacity(PASSWORD_LENGTH * 2);
    for (at, octet) in random.reveal().iter().enumerate() {
        if at > 0 && at % GROUP == 0 {
            password.push('-');
        }
        password.push(char::from(ALPHABET[usize::from(octet % 32)]));
    }
    Secret::new(password)
}

impl DeviceName {
    /// The name as it is stored and shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let starts = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if !starts || text.len() > 40 || !text.bytes().all(fits) {
            return Err(InvalidName);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
