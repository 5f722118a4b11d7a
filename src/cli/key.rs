//! `gatepost key`: the keys that seal stored sign-ins.

use super::{Exit, Failure};
use crate::config::Config;
use crate::store::{KeySource, Keys, Store};

/// Prints a new key, alone on its line.
pub(super) fn generate() -> Result<(), Failure> {
    let keys = Keys::generate().map_err(|error| Failure::new(Exit::System, error))?;
    print!("{}", *keys.to_text());
    Ok(())
}

/// Seals all stored sign-ins anew.
///
/// # Errors
/// Where not all are: the old key is then still needed.
pub(super) fn rotate(config: &Config) -> Result<(), Failure> {
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
