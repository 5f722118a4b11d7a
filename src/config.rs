//! The configuration: TOML in, finished values of the floors below out.
//!
//! All that is wrong with a file is said at once, each problem with its line, column and the words
//! that would be right. A secret never shows in a problem.

mod allow;
mod bounds;
mod credential;
mod document;
mod endpoints;
mod excerpt;
mod graph;
mod hooks;
mod host;
mod listener;
mod mailbox;
mod network;
mod place;
mod preset;
mod problem;
mod provider;
mod proxy;
mod scope;
mod secret;
mod span;
mod store;
mod submission;

use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeTable;

use document::Section;
use listener::Claims;
use mailbox::{Mailboxes, Providers};
use problem::Report;

use crate::mailbox::{Directory, KEY_LENGTH, Provider};
use crate::notice::Hooks;
use crate::notice::expiry::Expiry;
use crate::proto::smtp;
use crate::proto::smtp::submission::Mode;
use crate::relay::{Limits, Timeouts};
use crate::secret::Secret;
use crate::store::KeySource;
use crate::tls::Trust;
use crate::wire::Proxy;

pub use listener::{Address, Listener, Proxies, TLS_MODES};
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
    /// Where the key comes from that seals what is kept there.
    pub store_key: KeySource,
    /// Files of trust roots in PEM, found to hold some, on top of the system's.
    pub ca_files: Vec<PathBuf>,
    /// The way out to authorities and mail hosts, where it leads through a proxy.
    pub proxy: Option<Proxy>,
    /// What to listen on; at least one.
    pub listeners: Vec<Listener>,
    /// Who keeps mailboxes, in the order of their names.
    pub providers: Vec<Arc<Provider>>,
    /// When client secrets end, as far as it is said.
    pub expiries: Vec<Expiry>,
    /// Who is told what needs a person.
    pub hooks: Hooks,
    /// Who may log in.
    pub directory: Arc<Directory>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How much to take.
    pub limits: Limits,
    /// How to write the journal.
    pub log: Log,
    /// What works, but should change.
    pub warnings: Vec<String>,
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
    /// The folder of the refresh tokens: one of its own, whose mode is theirs.
    pub fn sign_ins(&self) -> PathBuf {
        self.state_directory.join("sign-ins")
    }

    /// Reads the file at `path` and all the files and secrets it names. Waits for the commands that
    /// print secrets, if it names any.
    ///
    /// # Errors
    /// Why there is no configuration: everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let mut key = [0; KEY_LENGTH];
        getrandom::fill(&mut key).map_err(Error::Randomness)?;
        let text = problem::read(path)?;
        let table = DeTable::parse(&text).map_err(|error| Invalid::syntax(path, &text, &error))?;
        let report = Report::new(path, &text);
        let draft = Self::read(Section::root(table), &Secret::new(key), &report);
        Ok(Self { warnings: report.close()?, ..draft })
    }

    /// What the file says, with defaults in place of what is wrong: all of it shall be reported.
    fn read(mut root: Section<'_>, key: &Secret<[u8; KEY_LENGTH]>, report: &Report<'_>) -> Self {
        let name = name(&mut root, report);
        let state_directory = root.file("state_directory", report);
        let (providers, expiries) = providers(&mut root, report);
        let listeners = listeners(&mut root, &providers, report);
        let empty = Directory::new(key);
        let directory = directory(&mut root, &providers, (empty, usual(&listeners)), report);
        let mut tls = root.section("tls", report);
        let ca_files = ca_files(&mut tls, report);
        tls.finish(report);
        let config = Self {
            path: report.path.to_owned(),
            name: name.unwrap_or_else(host::default_name),
            state_directory: state_directory
                .map_or_else(place::state_directory, Spanned::into_inner),
            store_key: store::read(root.section("store", report), report),
            ca_files,
            proxy: proxy::read(root.section("proxy", report), report),
            listeners,
            providers: providers.into_values().flatten().collect(),
            expiries,
            hooks: hooks::read(root.section("hooks", report), report),
            directory: Arc::new(directory),
            timeouts: Timeouts::read(root.section("timeouts", report), report),
            limits: Limits::read(root.section("limits", report), report),
            log: Log::read(root.section("log", report), report),
            warnings: Vec::new(),
        };
        root.finish(report);
        config
    }
}

fn name(root: &mut Section<'_>, report: &Report<'_>) -> Option<String> {
    let name = root.text("name", report)?;
    if !host::is_ehlo_name(name.get_ref()) {
        let title = format!("{:?} is no name that mail servers accept", name.get_ref());
        report.problem(name.span(), title, "a domain name, or an address as in \"[192.0.2.1]\"");
    }
    Some(name.into_inner())
}

fn providers(root: &mut Section<'_>, report: &Report<'_>) -> (Providers, Vec<Expiry>) {
    let (mut providers, mut expiries) = (Providers::new(), Vec::new());
    for (name, mut section) in root.named_sections("provider", report) {
        expiries.extend(hooks::expiry(name.get_ref(), &mut section, report));
        let provider = provider::read(&name, section, report);
        expiries.extend(provider.as_deref().and_then(hooks::certificate_expiry));
        providers.insert(name.into_inner(), provider);
    }
    (providers, expiries)
}

fn listeners(root: &mut Section<'_>, providers: &Providers, report: &Report<'_>) -> Vec<Listener> {
    let sections = root.sections("listener", report);
    if sections.is_empty() {
        report.problem(0..0, "nothing to listen on", "add a [[listener]]");
    }
    let mut taken = Claims::default();
    let mut listeners = Vec::new();
    for section in sections {
        let span = section.span();
        let Some(listener) = Listener::read(section, &mut taken, report) else {
            continue;
        };
        let name = listener.protocol.name;
        if !providers.values().flatten().any(|provider| provider.service(name).is_some()) {
            report.warn(
                &span,
                format!("no provider has a host for {name}: every login here will fail"),
            );
        }
        listeners.push(listener);
    }
    listeners
}

/// How messages are served that come in by SMTP: followed, if no listener leaves it to the mailbox.
fn usual(listeners: &[Listener]) -> Mode {
    let mut modes = listeners
        .iter()
        .filter(|listener| listener.protocol.name == smtp::PROTOCOL.name)
        .map(|listener| listener.smtp_mode)
        .peekable();
    let followed = modes.peek().is_some() && modes.all(|mode| mode == Mode::Submission);
    if followed { Mode::Submission } else { Mode::Splice }
}

fn directory(
    root: &mut Section<'_>,
    providers: &Providers,
    (empty, usual): (Directory, Mode),
    report: &Report<'_>,
) -> Directory {
    let sections = root.sections("mailbox", report);
    if sections.is_empty() {
        report.problem(0..0, "no one to let in", "add a [[mailbox]]");
    }
    let mut mailboxes = Mailboxes::new(providers, empty, usual);
    for section in sections {
        mailboxes.read(section, report);
    }
    let (mut directory, idle) = mailboxes.close(report);
    for section in root.sections("allow", report) {
        allow::read(section, &mut directory, report);
    }
    idle.into_iter().for_each(|idle| idle.check(&directory, report));
    directory
}

/// Trust roots that can be read. They are loaded once more with the system's when the service starts.
fn ca_files(tls: &mut Section<'_>, report: &Report<'_>) -> Vec<PathBuf> {
    let files = tls.files("ca_file", report);
    for file in &files {
        if let Err(error) = Trust::load(slice::from_ref(file.get_ref())) {
            report.problem(file.span(), format!("no trust roots: {error}"), "this file");
        }
    }
    files.into_iter().map(Spanned::into_inner).collect()
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Its content is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The system has no randomness to remember logins under.
    #[error("the system gives no random numbers: {0}")]
    Randomness(getrandom::Error),
}
