//! What people were told already, so that a restart doesn't tell it again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Trouble;
use super::files::{self, trouble};

/// The file's name. No mailbox's file has it: addresses hold an `@`.
const FILE: &str = "announced";

/// The last thing said about each subject. No secret is among them, so they aren't sealed.
#[derive(Debug)]
pub struct Announced {
    path: PathBuf,
    said: Mutex<BTreeMap<String, String>>,
}

impl Announced {
    /// What was said by those who used `directory` before. A file that can't be read counts as empty:
    /// to be told twice is better than not to start.
    pub fn open(directory: &Path) -> Self {
        let path = directory.join(FILE);
        let said = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { path, said: Mutex::new(said.unwrap_or_default()) }
    }

    /// Whether `what` is the last thing said about `subject`.
    pub fn has(&self, subject: &str, what: &str) -> bool {
        self.lock().get(subject).is_some_and(|said| said == what)
    }

    /// Whether anything was said about `subject`.
    pub fn knows(&self, subject: &str) -> bool {
        self.lock().contains_key(subject)
    }

    /// Notes that `what` was said about `subject`. Waits for the disk.
    ///
    /// # Errors
    /// [`Trouble::Io`]; it is then noted until the restart.
    pub fn note(&self, subject: &str, what: &str) -> Result<(), Trouble> {
        let mut said = self.lock();
        said.insert(subject.to_owned(), what.to_owned());
        self.write(&said)
    }

    /// Forgets what was said about `subject`, so that it is said again. Waits for the disk, if there
    /// is something to forget.
    ///
    /// # Errors
    /// [`Trouble::Io`]; it is then forgotten until the restart.
    pub fn forget(&self, subject: &str) -> Result<(), Trouble> {
        let mut said = self.lock();
        match said.remove(subject) {
            Some(_) => self.write(&said),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, said: &BTreeMap<String, String>) -> Result<(), Trouble> {
        let written = serde_json::to_vec_pretty(said).map_err(std::io::Error::from);
        written
            .and_then(|bytes| files::replace(&self.path, &bytes))
            .map_err(trouble("can't write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_known_after_a_restart_until_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let announced = Announced::open(directory.path());
        assert!(!announced.has("secret contoso", "30 days"));
        announced.note("secret contoso", "30 days").unwrap();
        announced.note("secret other", "1 day").unwrap();
        announced.forget("secret other").unwrap();

        let next = Announced::open(directory.path());
        assert!(next.has("secret contoso", "30 days"));
        assert!(!next.has("secret contoso", "7 days"));
        assert!(!next.has("secret other", "1 day"));
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "{").unwrap();
        let announced = Announced::open(directory.path());
        announced.note("subject", "what").unwrap();
        assert!(Announced::open(directory.path()).has("subject", "what"));
    }
}
