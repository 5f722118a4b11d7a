//! What must survive a restart: the refresh tokens, one sealed record a mailbox, and the device
//! passwords.

mod announced;
mod devices;
mod directory;
mod files;
mod key;
mod keyring;
mod record;
mod rotation;
mod seal;

use std::path::PathBuf;
use std::{fmt, io};

pub use announced::Announced;
pub use devices::{DeviceRecord, DeviceStore, Found, Uses};
pub use directory::{Saved, Store};
pub use key::{InvalidKeys, Keys};
pub use keyring::KeySource;
pub use record::Record;
pub use rotation::Rotation;

/// Why a record can't be read or written. Says what to do.
#[derive(Debug)]
pub enum Trouble {
    /// The operating system refuses.
    Io {
        /// What was being done, as in "can't write".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// Somebody else could read or replace it.
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// The permissions it should have, in octal.
        mode: u32,
    },
    /// It isn't what gatepost has written. It was set aside.
    Damaged {
        /// Where it is now.
        aside: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is sealed with a key that isn't at hand. It was left where it is.
    UnknownKey {
        /// The record.
        path: PathBuf,
        /// What the key is recognised by.
        key: String,
    },
    /// The key file holds no keys.
    Keys {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidKeys,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, source } => write!(f, "{doing} {}: {source}", path.display()),
            Self::Exposed { path, mode } => {
                write!(f, "others have access to {0}; run: chmod {mode:o} '{0}'", path.display())
            }
            Self::Damaged { aside, reason } => write!(
                f,
                "the stored sign-in is damaged ({reason}) and was set aside as {}",
                aside.display()
            ),
            Self::UnknownKey { path, key } => write!(
                f,
                "{} is sealed with the key {key}, which isn't among the store's keys; \
                 add that key as a further line, or sign in again",
                path.display()
            ),
            Self::Keys { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl std::error::Error for Trouble {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Keys { source, .. } => Some(source),
            Self::Exposed { .. } | Self::Damaged { .. } | Self::UnknownKey { .. } => None,
        }
    }
}
