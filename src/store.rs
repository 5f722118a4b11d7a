//! What must survive a restart: the refresh tokens, one record a mailbox, and the device passwords.

mod devices;
mod directory;
mod record;
mod seal;

use std::path::PathBuf;
use std::{fmt, io};

pub use devices::{DeviceRecord, DeviceStore, Found, Uses};
pub use directory::Store;
pub use record::Record;

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
        }
    }
}

impl std::error::Error for Trouble {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Exposed { .. } | Self::Damaged { .. } => None,
        }
    }
}
