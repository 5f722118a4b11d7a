//! The keys that records are sealed with.

use std::{fmt, io};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Octets of a key, as XChaCha20-Poly1305 wants them.
const LENGTH: usize = 32;

/// Sets a key's name apart from any other digest of it.
const NAMING: &[u8] = b"gatepost store key\0";

/// Keys, of which the first seals and all open: at least one.
#[derive(Clone, Debug)]
pub struct Keys(Vec<Key>);

/// One key and the name that sealed records know it by.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) octets: Secret<[u8; LENGTH]>,
}

/// A text that isn't made of keys.
#[derive(Debug, PartialEq, Eq)]
pub enum InvalidKeys {
    /// No line holds a key.
    None,
    /// This line, counted from 1, isn't a key.
    Line(usize),
}

impl fmt::Display for InvalidKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("there is no key")?,
            Self::Line(line) => write!(f, "line {line} is no key")?,
        }
        f.write_str("; a key is 32 octets in base64 or hex, and `gatepost key generate` prints one")
    }
}

impl std::error::Error for InvalidKeys {}

impl Keys {
    /// Keys in base64 or hex, one a line. Empty lines and those that begin with `#` don't count.
    ///
    /// # Errors
    /// [`InvalidKeys`], which quotes nothing of the text.
    pub fn parse(text: &Secret<String>) -> Result<Self, InvalidKeys> {
        let lines = text.reveal().lines().enumerate();
        let meant = lines.map(|(at, line)| (at, line.trim()));
        let keys: Vec<Key> = meant
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(at, line)| octets(line).map(Key::new).ok_or(InvalidKeys::Line(at + 1)))
            .collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(InvalidKeys::None) } else { Ok(Self(keys)) }
    }

    /// One new key.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn generate() -> io::Result<Self> {
        let mut octets = Zeroizing::new([0; LENGTH]);
        getrandom::fill(&mut *octets).map_err(io::Error::other)?;
        Ok(Self(vec![Key::new(Secret::new(*octets))]))
    }

    /// What [`parse`](Self::parse) reads: base64, a key a line.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.0.len() * 45));
        for key in &self.0 {
            STANDARD.encode_string(key.octets.reveal(), &mut text);
            text.push('\n');
        }
        text
    }

    /// These, and then `others`.
    pub(super) fn before(mut self, others: &Self) -> Self {
        self.0.extend(others.0.iter().cloned());
        self
    }

    /// The key that seals.
    pub(super) fn first(&self) -> Option<&Key> {
        self.0.first()
    }

    pub(super) fn named(&self, name: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.name == name)
    }
}

impl Key {
    fn new(octets: Secret<[u8; LENGTH]>) -> Self {
        let digest = Sha256::new().chain_update(NAMING).chain_update(octets.reveal()).finalize();
        let name = digest.iter().take(8).map(|octet| format!("{octet:02x}")).collect();
        Self { name, octets }
    }
}

fn octets(text: &str) -> Option<Secret<[u8; LENGTH]>> {
    let mut octets = Zeroizing::new([0; LENGTH]);
    if text.len() == 2 * LENGTH && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        for (octet, digits) in octets.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            *octet = u8::from_str_radix(digits, 16).ok()?;
        }
    } else {
        let decoded = Zeroizing::new(STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()?);
        *octets = decoded.as_slice().try_into().ok()?;
    }
    Some(Secret::new(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Keys, InvalidKeys> {
        Keys::parse(&Secret::from(text))
    }

    #[test]
    fn a_key_is_the_same_in_each_spelling() {
        let hex = "00".repeat(32);
        let padded = format!("{}=", "A".repeat(43));
        let names: Vec<_> =
            [hex.as_str(), &padded, &padded[..43], &format!("# mine\n\n {hex}\r\n")]
                .into_iter()
                .map(|text| parse(text).unwrap().first().unwrap().name.clone())
                .collect();
        assert!(names.iter().all(|name| *name == names[0]));
    }

    #[test]
    fn what_is_generated_is_read_back() {
        let keys = Keys::generate().unwrap().before(&Keys::generate().unwrap());
        let read = parse(&keys.to_text()).unwrap();
        assert_eq!(read.0.len(), 2);
        assert!(read.named(&keys.0[1].name).unwrap().octets == keys.0[1].octets);
        assert_ne!(read.0[0].name, read.0[1].name);
    }

    #[test]
    fn a_line_that_is_no_key_is_named_and_not_shown() {
        for (text, error) in [
            ("", InvalidKeys::None),
            ("# only words\n", InvalidKeys::None),
            ("hunter2", InvalidKeys::Line(1)),
            (&format!("{}\nhunter2", "00".repeat(32)), InvalidKeys::Line(2)),
            (&"+f".repeat(32), InvalidKeys::Line(1)),
        ] {
            let found = parse(text).unwrap_err();
            assert!(!found.to_string().contains("hunter2"));
            assert_eq!(found, error);
        }
        assert!(format!("{:?}", Keys::generate().unwrap()).contains("[secret]"));
    }
}
