//! How a command ends: its exit code, and what it says where it comes to nothing.

use std::fmt;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use annotate_snippets::Renderer;
use serde::{Serialize, Serializer};

use crate::config::{self, NotFound};

/// Exit codes of sysexits.h: what a service manager or script can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The command line makes no sense.
    Usage = 64,
    /// What was read makes no sense.
    Data = 65,
    /// The configuration can't be found or read.
    NoInput = 66,
    /// A host can't be reached.
    Unavailable = 69,
    /// gatepost itself is at fault.
    #[cfg(feature = "demo")]
    Software = 70,
    /// The operating system lacks something.
    System = 71,
    /// A file can't be written.
    Io = 74,
    /// It would pass with time.
    TryAgain = 75,
    /// Somebody must sign in, or be granted something.
    Denied = 77,
    /// The configuration is wrong.
    Config = 78,
}

impl Exit {
    /// Which of several to end with: what an operator must mend here comes before what must be mended
    /// elsewhere, and that before what mends itself.
    pub(super) fn gravity(self) -> u8 {
        match self {
            Self::TryAgain => 0,
            Self::Unavailable => 1,
            Self::Denied => 2,
            Self::Config => 3,
            _ => 4,
        }
    }
}

impl Serialize for Exit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(exit: Exit, error: impl fmt::Display) -> Self {
        Self { exit, text: format!("gatepost: {error}") }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<NotFound> for Failure {
    fn from(error: NotFound) -> Self {
        Self::new(Exit::NoInput, error)
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        match error {
            config::Error::Unreadable(error) => Self::new(Exit::NoInput, error),
            config::Error::Invalid(invalid) => {
                Self { exit: Exit::Config, text: invalid.render(&renderer()) }
            }
            config::Error::Randomness(_) => Self::new(Exit::System, error),
        }
    }
}

/// Colours where a person reads, unless they said no (no-color.org).
fn renderer() -> Renderer {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stderr().is_terminal() && !plain { Renderer::styled() } else { Renderer::plain() }
}
