//! `gatepost password add`, `revoke` and `rotate`.

use std::time::{Duration, SystemTime};

use super::{DeviceArguments, hash};
use crate::cli::{Exit, Failure};
use crate::config::Config;
use crate::mailbox::{
    Day, DeviceName, Mailbox, PASSWORD_LENGTH, PasswordDigest, Scope, fold, generate,
};
use crate::secret::Secret;
use crate::store::{DeviceRecord, DeviceStore, Trouble};

/// Where a password comes from.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    Made,
    Asked,
}

/// Where a new password goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sink {
    State,
    Print,
}

/// What becomes of the sessions that a password opened.
#[derive(Clone, Copy)]
pub(super) enum Former {
    GoesOn,
    Cut,
}

/// A password, and what it will be known by.
enum Password {
    Made(Secret<String>, PasswordDigest),
    Asked { hash: String },
}

pub(super) fn add(
    config: &Config,
    device: &DeviceArguments,
    scope: Scope,
    (origin, sink): (Origin, Sink),
) -> Result<(), Failure> {
    let mailbox = address(config, device)?;
    let store = DeviceStore::at(&config.state_directory);
    let former = match sink {
        Sink::State => store.find(&mailbox, &device.name)?,
        Sink::Print => None,
    };
    if former.as_ref().is_some_and(|former| former.password.is_some()) {
        let text = format!(
            "{mailbox} has a device called {0} already; `gatepost password rotate {mailbox} {0}` gives it \
             another password",
            device.name
        );
        return Err(Failure::new(Exit::Data, text));
    }
    let password = Password::new(&mailbox, origin)?;
    let record = DeviceRecord {
        mailbox,
        name: device.name.clone(),
        password: Some(password.written()),
        scope,
        created: Day::of(SystemTime::now()),
        revoked: None,
        cut: former.and_then(|former| former.cut),
    };
    if sink == Sink::Print {
        print!("{}", lines(&record));
        password.show_beside(&record, device);
        return Ok(());
    }
    store.save(&record)?;
    password.show(&record, &login_name(config, &record.mailbox, device));
    Ok(())
}

pub(super) fn rotate(
    config: &Config,
    device: &DeviceArguments,
    (origin, former): (Origin, Former),
) -> Result<(), Failure> {
    let (store, record) = existing(config, device)?;
    let password = Password::new(&record.mailbox, origin)?;
    let created = Day::of(SystemTime::now());
    let record = DeviceRecord { password: Some(password.written()), created, ..record };
    former.save(&store, &record)?;
    password.show(&record, &login_name(config, &record.mailbox, device));
    Ok(())
}

pub(super) fn revoke(
    config: &Config,
    device: &DeviceArguments,
    former: Former,
) -> Result<(), Failure> {
    let (store, record) = existing(config, device)?;
    let revoked = Some(Day::of(SystemTime::now()));
    former.save(&store, &DeviceRecord { password: None, revoked, ..record })?;
    eprintln!("{} has no password any more.", device.name);
    Ok(())
}

/// The device as it is stored, which has a password.
fn existing(
    config: &Config,
    device: &DeviceArguments,
) -> Result<(DeviceStore, DeviceRecord), Failure> {
    let mailbox = address(config, device)?;
    let store = DeviceStore::at(&config.state_directory);
    let found = store.find(&mailbox, &device.name)?;
    let found = found.filter(|record| record.password.is_some());
    let record = found.ok_or_else(|| {
        let text = format!("{mailbox} has no device called {} with a password", device.name);
        Failure::new(Exit::Data, text)
    })?;
    Ok((store, record))
}

/// The mailbox's address, if the configuration leaves the device to the state directory.
fn address(
    config: &Config,
    DeviceArguments { mailbox, name }: &DeviceArguments,
) -> Result<String, Failure> {
    let Some(address) =
        config.directory.address(mailbox).filter(|address| !address.starts_with("*@"))
    else {
        return Err(Failure::new(
            Exit::Data,
            format!("the configuration has no mailbox {mailbox:?}"),
        ));
    };
    if config.directory.devices().named(&address, name.as_str()).is_some() {
        let text = format!("{name} of {address} stands in the configuration; change it there");
        return Err(Failure::new(Exit::Data, text));
    }
    Ok(address)
}

/// The user name that opens the mailbox at `address`: the one that was typed where it is one, which an address
/// isn't where the mailbox has another user.
fn login_name(config: &Config, address: &str, typed: &DeviceArguments) -> String {
    let directory = &config.directory;
    let opens = |mailbox: &Mailbox| fold(&mailbox.address) == address;
    if directory.reached(&typed.mailbox).is_some_and(|mailbox| opens(&mailbox)) {
        return typed.mailbox.clone();
    }
    let users = directory.mailboxes().filter(|(_, mailbox)| opens(mailbox)).map(|(user, _)| user);
    users.min().unwrap_or(address).to_owned()
}

impl Former {
    /// Writes `record`, which no longer has the former password, and then ends what that opened: a login
    /// that still found it there began before the first of the two was written.
    fn save(self, store: &DeviceStore, record: &DeviceRecord) -> Result<(), Trouble> {
        store.save(record)?;
        match self {
            // Rounded up to the millisecond that records keep.
            Self::Cut => {
                let cut = Some(SystemTime::now() + Duration::from_millis(1));
                store.save(&DeviceRecord { cut, ..record.clone() })
            }
            Self::GoesOn => Ok(()),
        }
    }
}

impl Password {
    fn new(mailbox: &str, origin: Origin) -> Result<Self, Failure> {
        if let Origin::Asked = origin {
            return hash::ask_for().map(|hash| Self::Asked { hash });
        }
        let mut random = [0; PASSWORD_LENGTH];
        getrandom::fill(&mut random).map_err(|error| Failure::new(Exit::System, error))?;
        let password = generate(&Secret::new(random));
        let digest = PasswordDigest::of(mailbox, &password);
        Ok(Self::Made(password, digest))
    }

    fn written(&self) -> String {
        match self {
            Self::Made(_, digest) => digest.to_string(),
            Self::Asked { hash } => hash.clone(),
        }
    }

    /// The password alone on the standard output, so that scripts can take it from there.
    fn show(&self, record: &DeviceRecord, user: &str) {
        eprintln!("{} opens {}, {}.", record.name, record.mailbox, record.scope);
        if let Self::Made(password, _) = self {
            eprintln!("Its password, shown this once (case, hyphens and spaces don't count):\n");
            println!("{}", password.reveal());
            eprintln!("\nIt logs in as {user}.");
        } else {
            eprintln!("It logs in as {user}+{}.", record.name);
        }
    }

    /// The same where the standard output has lines for the configuration.
    fn show_beside(&self, record: &DeviceRecord, device: &DeviceArguments) {
        eprintln!("Put these lines below the [[mailbox]] of {}.", record.mailbox);
        if let Self::Made(password, _) = self {
            eprintln!("The password of {}, shown this once: {}", device.name, password.reveal());
        }
    }
}

/// The record as the configuration has it.
fn lines(record: &DeviceRecord) -> String {
    let list = |key: &str, words: Vec<String>| match words.as_slice() {
        [] => String::new(),
        words => format!("{key} = {words:?}\n"),
    };
    let DeviceRecord { name, password, scope, .. } = record;
    let name: &DeviceName = name;
    let mut lines = format!("[[mailbox.device]]\nname = \"{name}\"\n");
    lines += &format!("password_hash = \"{}\"\n", password.as_deref().unwrap_or_default());
    lines += &list("protocols", scope.protocols.iter().map(ToString::to_string).collect());
    lines += &list("networks", scope.networks.iter().map(ToString::to_string).collect());
    if let Some(day) = scope.expires {
        lines += &format!("expires = \"{day}\"\n");
    }
    lines
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::new(Exit::System, trouble)
    }
}
