//! `gatepost key`: the keys that seal stored sign-ins.

use clap::Subcommand;

use super::{Arguments, Exit, Failure};
use crate::config::Config;
use crate::store::{KeySource, Keys, Store};

/// What to do with them.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Print a new key
    ///
    /// For a key file or another secret store, named by `key_file` or its other forms. Without
    /// such a name gatepost makes a key file of its own in the state directory.
    #[command(after_long_help = GENERATE_EXAMPLES)]
    Generate,
    /// Seal all stored sign-ins with a new key
    ///
    /// May be run beside a running service, and again after a crash: the old key goes when every
    /// sign-in is sealed with the new one. Where the configuration names the keys, its first key is
    /// the one to seal with: put the new key above the old one, rotate, then remove the old one.
    Rotate,
}

const GENERATE_EXAMPLES: &str = "\
Examples:
  (umask 077; gatepost key generate > /etc/gatepost/store.key)
  gatepost key generate | systemd-creds encrypt - /etc/credstore.encrypted/gatepost-store";

impl Command {
    /// Does it.
    pub(super) fn perform(&self, arguments: &Arguments) -> Result<(), Failure> {
        match self {
            Self::Generate => generate(),
            Self::Rotate => rotate(&arguments.load()?),
        }
    }
}

/// Prints a new key, alone on its line.
fn generate() -> Result<(), Failure> {
    let keys = Keys::generate().map_err(|error| Failure::new(Exit::System, error))?;
    print!("{}", *keys.to_text());
    Ok(())
}

/// Seals all stored sign-ins anew.
///
/// # Errors
/// Where not all are: the old key is then still needed.
fn rotate(config: &Config) -> Result<(), Failure> {
    let store = Store::open_with(config.sign_ins(), config.store_key.clone());
    let rotation = store.and_then(|store| store.rotate());
    let rotation = rotation.map_err(|trouble| {
        Failure::new(Exit::Io, format!("{trouble}\nThe old key is still needed; run this again."))
    })?;
    for lost in &rotation.lost {
        eprintln!("warning: {lost}");
    }
    let count = rotation.resealed;
    let records =
        if count == 1 { "1 sign-in is".to_owned() } else { format!("{count} sign-ins are") };
    match (rotation.key_file, &config.store_key) {
        (Some(path), _) => println!("{records} sealed with the new key in {}.", path.display()),
        (None, KeySource::File(_)) => println!(
            "{records} sealed with the first key of the key file; the others may be removed from it."
        ),
        (None, _) => println!(
            "{records} sealed with the first key of [store]. Restart the service if it doesn't have that key \
             yet, and run this once more; then the others may be removed."
        ),
    }
    Ok(())
}
