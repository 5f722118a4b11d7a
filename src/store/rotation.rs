//! The change from one key to the next.

use std::fs;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::directory::{SUFFIX, set_aside};
use super::files::trouble;
use super::key::Keys;
use super::seal::{self, Content};
use super::{Store, Trouble, record};

/// What a rotation came to.
#[derive(Debug)]
pub struct Rotation {
    /// The generated key file, which now holds a new key; `None` where the keys are the operator's,
    /// whose first is the one that seals.
    pub key_file: Option<PathBuf>,
    /// How many records were sealed anew.
    pub resealed: usize,
    /// Records that no key at hand opens, or that are damaged. They stay or were set aside, and
    /// concern their mailboxes alone.
    pub lost: Vec<Trouble>,
}

impl Store {
    /// Seals every record with a new key, or with the first of the operator's keys.
    ///
    /// A daemon may be running: it takes the same locks, and looks at the key file before it seals.
    /// The old key is kept until all records are sealed with the new one, so that a crash at any
    /// point leaves each record with a key that opens it, and the next rotation ends the work.
    ///
    /// # Errors
    /// The first [`Trouble`] with the disk; all keys are then kept.
    pub fn rotate(&self) -> Result<Rotation, Trouble> {
        let key_file = self.keyring.generated();
        let Some(path) = &key_file else {
            return self.reseal(None);
        };
        let _lock = self.keyring.lock()?;
        let new = Keys::generate().map_err(trouble("no random numbers for", path))?;
        let both = match self.keyring.read()? {
            Some(old) => new.clone().before(&old),
            None => new.clone(),
        };
        self.keyring.replace(&both)?;
        let rotation = self.reseal(key_file.clone())?;
        self.keyring.replace(&new)?;
        Ok(rotation)
    }

    fn reseal(&self, key_file: Option<PathBuf>) -> Result<Rotation, Trouble> {
        let mut rotation = Rotation { key_file, resealed: 0, lost: Vec::new() };
        let entries =
            fs::read_dir(&self.directory).map_err(trouble("can't list", &self.directory))?;
        for entry in entries {
            let path = entry.map_err(trouble("can't list", &self.directory))?.path();
            let is_record = path.to_str().is_some_and(|path| path.ends_with(SUFFIX));
            if !is_record {
                continue;
            }
            match self.reseal_file(&path) {
                Ok(count) => rotation.resealed += count,
                Err(lost @ (Trouble::Damaged { .. } | Trouble::UnknownKey { .. })) => {
                    rotation.lost.push(lost);
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(rotation)
    }

    /// Seals one record; how many that were.
    fn reseal_file(&self, path: &Path) -> Result<usize, Trouble> {
        let _lock = self.lock(path)?;
        let file = fs::read(path).map(Zeroizing::new).map_err(trouble("can't read", path))?;
        let mailbox = seal::read(file).and_then(|content| match content {
            Content::Sealed(envelope) => Ok(envelope.mailbox),
            Content::Clear(record) => record::mailbox(&record),
        });
        let mailbox = mailbox.map_err(|reason| set_aside(path, reason))?;
        if self.path(&mailbox) != path {
            // Under this name nothing would ever look for it.
            return Err(set_aside(path, "it is another mailbox's".to_owned()));
        }
        match self.read_or_set_aside(&mailbox)? {
            Some(record) => self.write(&mailbox, &record).map(|()| 1),
            None => Ok(0),
        }
    }
}
