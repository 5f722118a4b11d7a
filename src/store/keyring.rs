//! Where the keys come from, and when they are looked at again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::warn;

use super::Trouble;
use super::files::{self, Lock, trouble};
use super::key::{Key, Keys};
use crate::secret::Secret;

/// The generated key file's name. No mailbox's file has it: addresses hold an `@`.
const GENERATED: &str = "store.key";

/// The lock of who makes or replaces the generated key file.
const LOCK: &str = "key";

/// Where the keys come from.
#[derive(Clone, Debug, Default)]
pub enum KeySource {
    /// From a file in the store's directory, which is made with the first record.
    #[default]
    Generated,
    /// From a file of the operator's, which may change while gatepost runs.
    File(PathBuf),
    /// From elsewhere; they stay as they are.
    Given(Keys),
}

/// A store's keys.
#[derive(Clone, Debug)]
pub(super) struct Keyring {
    directory: PathBuf,
    source: KeySource,
    /// The keys as they were last read; a record under another key has them read again.
    seen: Arc<Mutex<Option<Keys>>>,
}

impl Keyring {
    pub(super) fn new(directory: &Path, source: KeySource) -> Self {
        Self { directory: directory.to_owned(), source, seen: Arc::default() }
    }

    /// The key called `name`, if there is one.
    pub(super) fn named(&self, name: &str) -> Result<Option<Key>, Trouble> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(key) = seen.as_ref().and_then(|keys| keys.named(name)) {
            return Ok(Some(key.clone()));
        }
        Ok(self.read()?.and_then(|keys| keys.named(name).cloned()))
    }

    /// The keys to seal with, as they are at this moment: another process may have changed them, and
    /// a record sealed with a key that was taken out would be lost.
    pub(super) fn current(&self) -> Result<Keys, Trouble> {
        match self.read()? {
            Some(keys) => Ok(keys),
            None => self.make(),
        }
    }

    /// The generated key file's path, where that is the source.
    pub(super) fn generated(&self) -> Option<PathBuf> {
        matches!(self.source, KeySource::Generated).then(|| self.directory.join(GENERATED))
    }

    /// Keeps others from making or replacing the generated key file.
    pub(super) fn lock(&self) -> Result<Lock, Trouble> {
        files::lock(&self.directory, LOCK)
    }

    /// Replaces the generated key file. To be called under the lock.
    pub(super) fn replace(&self, keys: &Keys) -> Result<(), Trouble> {
        let path = self.directory.join(GENERATED);
        files::replace(&path, keys.to_text().as_bytes()).map_err(trouble("can't write", &path))?;
        self.remember(keys);
        Ok(())
    }

    /// The keys there are; `None` before the first record of a generated key.
    pub(super) fn read(&self) -> Result<Option<Keys>, Trouble> {
        let path = match &self.source {
            KeySource::Given(keys) => return Ok(Some(keys.clone())),
            KeySource::File(path) => path.clone(),
            KeySource::Generated => self.directory.join(GENERATED),
        };
        let text = match fs::read_to_string(&path).map(Secret::new) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.generated().is_some() => {
                return Ok(None);
            }
            text => text.map_err(trouble("can't read", &path))?,
        };
        if self.generated().is_some() {
            files::check_private(&path)?;
        }
        let keys = Keys::parse(&text).map_err(|source| Trouble::Keys { path, source })?;
        self.remember(&keys);
        Ok(Some(keys))
    }

    fn make(&self) -> Result<Keys, Trouble> {
        let _lock = self.lock()?;
        if let Some(keys) = self.read()? {
            return Ok(keys);
        }
        let path = self.directory.join(GENERATED);
        let keys = Keys::generate().map_err(trouble("no random numbers for", &path))?;
        self.replace(&keys)?;
        warn!(
            path = %path.display(),
            "made a key that seals the stored sign-ins; whoever has both can read them. \
             Keep it out of backups of the state directory, or name a key under [store]"
        );
        Ok(keys)
    }

    fn remember(&self, keys: &Keys) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys.clone());
    }
}
