//! The configuration: TOML in, finished values of the floors below out.
//!
//! All that is wrong with a file is said at once, each problem with its line, column and the words
//! that would be right. A secret never shows in a problem.

mod bounds;
mod document;
mod excerpt;
mod host;
mod listener;
mod mailbox;
mod place;
mod preset;
mod problem;
mod provider;
mod secret;
mod top;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::mailbox::{Directory, Provider};
use crate::proto;

pub use listener::{Certificate, Listener};
pub use place::{NotFound, find};
pub use problem::{Invalid, Unreadable};

/// A finished configuration.
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// What gatepost calls itself in greetings and EHLO: a domain name or an address literal.
    pub name: String,
    /// Where what must survive a restart is kept. May not exist yet.
    pub state_directory: PathBuf,
    /// Files of trust roots in PEM, on top of the system's.
    pub ca_files: Vec<PathBuf>,
    /// What to listen on; at least one.
    pub listeners: Vec<Listener>,
    /// Who keeps mailboxes, in the order of their names.
    pub providers: Vec<Arc<Provider>>,
    /// Who may log in.
    pub directory: Directory,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How much to take.
    pub limits: Limits,
    /// How to write the journal.
    pub log: Log,
    /// What works, but should change.
    pub warnings: Vec<String>,
}

/// How long to wait for each thing that may never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection to a mail host or authority, all its addresses together, TLS included.
    pub connect: Duration,
    /// For each reply of an upstream until the mailbox is open.
    pub upstream_reply: Duration,
    /// For an access token: one request to the authority from connect to the last octet.
    pub token_request: Duration,
    /// For a client's next octet before its login.
    pub login_idle: Duration,
    /// For all that a client does before its login succeeds.
    pub login_total: Duration,
    /// For open connections to end by themselves when gatepost stops.
    pub drain: Duration,
}

/// How much to take before saying no.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// What sessions take.
    pub session: proto::Limits,
    /// Connections open at once, all listeners together.
    pub connections: usize,
    /// Failed logins on one connection.
    pub failed_logins: u32,
    /// Octets of an authority's answer.
    pub token_response: usize,
    /// Passwords being checked at once; each check takes a core and the memory of its hash.
    pub password_checks: usize,
}

/// How to write the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// In which form.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
}

/// The form of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much the journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What needs someone to act.
    Error,
    /// What may soon.
    Warn,
    /// A line for the end of each connection.
    Info,
    /// The steps of each connection.
    Debug,
    /// Every step of every session.
    Trace,
}

impl Config {
    /// Reads the file at `path` and all the files and secrets it names. Waits for the commands that
    /// print secrets, if it names any.
    ///
    /// # Errors
    /// [`Unreadable`], or everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = problem::read(path)?;
        top::finish(path, &text).map_err(Error::Invalid)
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Its content is wrong.
    #[error(transparent)]
    Invalid(Invalid),
}
