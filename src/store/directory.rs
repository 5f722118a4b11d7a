//! The store as a directory: one file a mailbox, replaced as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::files::{self, Lock, check_private, trouble};
use super::keyring::Keyring;
use super::seal::{self, Content};
use super::{KeySource, Record, Trouble};

/// The longest part of an address in a file name: file systems end names at 255 bytes.
const LONGEST_NAME: usize = 150;

/// What the names of records end in.
pub(super) const SUFFIX: &str = ".json";

/// A directory of refresh tokens.
///
/// Its calls wait for the disk. Each file is replaced by renaming a finished one over it, so that a
/// crash leaves the old record or the new one. Processes may share the directory.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) directory: PathBuf,
    pub(super) keyring: Keyring,
}

/// What became of a record that succeeds another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is on the disk.
    Written,
    /// Somebody else has written one since, a sign-in as a rule, and that one stays.
    Overtaken,
}

impl Store {
    /// The store in `directory`, which is made if need be, for the owner alone. Records are sealed
    /// with a key that is made with the first one and kept beside them.
    ///
    /// # Errors
    /// [`Trouble::Io`] where it can't be made or listed; [`Trouble::Exposed`] where others may write
    /// to it, and so put their records in place of ours.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, Trouble> {
        Self::open_with(directory, KeySource::Generated)
    }

    /// The same, with keys from elsewhere.
    ///
    /// # Errors
    /// As of [`open`](Self::open), and [`Trouble::Keys`] where the source holds none.
    pub fn open_with(directory: impl Into<PathBuf>, keys: KeySource) -> Result<Self, Trouble> {
        let directory = directory.into();
        files::prepare(&directory)?;
        let keyring = Keyring::new(&directory, keys);
        keyring.read()?;
        Ok(Self { directory, keyring })
    }

    /// The record of `mailbox`, if it has one.
    ///
    /// # Errors
    /// Any [`Trouble`]. A damaged record is renamed, so that the mailbox has none the next time; one
    /// under a key that isn't here stays, since the key may come back.
    pub fn load(&self, mailbox: &str) -> Result<Option<Record>, Trouble> {
        let mailbox = mailbox.to_lowercase();
        if let Ok(record) = self.read(&mailbox)? {
            return Ok(record);
        }
        let _lock = self.lock(&self.path(&mailbox))?;
        self.read_or_set_aside(&mailbox)
    }

    /// Writes `record` in place of its mailbox's former one, whatever that is. On return it is on the
    /// disk.
    ///
    /// # Errors
    /// Any [`Trouble`] but that of a damaged record; the former one is then untouched.
    pub fn save(&self, record: &Record) -> Result<(), Trouble> {
        let mailbox = record.mailbox.to_lowercase();
        let _lock = self.lock(&self.path(&mailbox))?;
        self.write(&mailbox, record)
    }

    /// Writes `record` as [`save`](Self::save) does, if the mailbox's record still is `former`.
    ///
    /// # Errors
    /// As of [`save`](Self::save).
    pub fn succeed(&self, former: Option<&Record>, record: &Record) -> Result<Saved, Trouble> {
        let mailbox = record.mailbox.to_lowercase();
        let _lock = self.lock(&self.path(&mailbox))?;
        // A record that nobody can read any more is nobody's.
        let present = self.read(&mailbox)?.unwrap_or(None);
        if present.is_some() && present.as_ref() != former {
            return Ok(Saved::Overtaken);
        }
        self.write(&mailbox, record).map(|()| Saved::Written)
    }

    /// The lock that the record at `path` is changed under. A few serve for all mailboxes; with one
    /// alone, a thousand renewals at once would wait for the disk in a row.
    pub(super) fn lock(&self, path: &Path) -> Result<Lock, Trouble> {
        let name = path.file_name().unwrap_or_default();
        let shard = Sha256::digest(name.as_encoded_bytes())[0] & 0x0f;
        files::lock(&self.directory, &format!("records-{shard:x}"))
    }

    pub(super) fn read_or_set_aside(&self, mailbox: &str) -> Result<Option<Record>, Trouble> {
        self.read(mailbox)?.map_err(|reason| set_aside(&self.path(mailbox), reason))
    }

    /// The record, or what is wrong with it.
    fn read(&self, mailbox: &str) -> Result<Result<Option<Record>, String>, Trouble> {
        let path = self.path(mailbox);
        let file = match fs::read(&path).map(Zeroizing::new) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ok(None)),
            result => result.map_err(trouble("can't read", &path))?,
        };
        check_private(&path)?;
        let content = match seal::read(file) {
            Ok(content) => content,
            Err(reason) => return Ok(Err(reason)),
        };
        let record = match content {
            Content::Clear(record) => Ok(record),
            Content::Sealed(envelope) => {
                let Some(key) = self.keyring.named(&envelope.key)? else {
                    return Err(Trouble::UnknownKey { path, key: envelope.key });
                };
                envelope.open(mailbox, &key)
            }
        };
        Ok(record.and_then(|record| Record::decode(mailbox, &record)).map(Some))
    }

    pub(super) fn write(&self, mailbox: &str, record: &Record) -> Result<(), Trouble> {
        let path = self.path(mailbox);
        let record = Record { mailbox: mailbox.to_owned(), ..record.clone() };
        let keys = self.keyring.current()?;
        let key = keys.first().ok_or_else(|| io::Error::other("there is no key"));
        key.and_then(|key| seal::seal(key, mailbox, &record.encode()?))
            .and_then(|bytes| files::replace(&path, &bytes))
            .map_err(trouble("can't write", &path))
    }

    pub(super) fn path(&self, mailbox: &str) -> PathBuf {
        self.directory.join(file_name(mailbox))
    }
}

/// A name that no address can lead out of the directory with, and no two addresses share: all but
/// letters, digits and `@-_+.` is written as `%` and two digits.
fn file_name(mailbox: &str) -> String {
    let mut name = String::new();
    for (at, byte) in mailbox.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'@' | b'-' | b'_' | b'+' => name.push(char::from(byte)),
            b'.' if at > 0 => name.push('.'),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if name.len() > LONGEST_NAME {
        let digest = Sha256::digest(mailbox.as_bytes());
        name.truncate(LONGEST_NAME - 70);
        name.push_str("%~");
        name.extend(digest.iter().map(|byte| format!("{byte:02x}")));
    }
    name + SUFFIX
}

/// Keeps a damaged record for whoever wants to look into it, out of the way of the next one.
pub(super) fn set_aside(path: &Path, reason: String) -> Trouble {
    let aside = path.with_extension("json.damaged");
    match fs::rename(path, &aside) {
        Ok(()) => Trouble::Damaged { aside, reason },
        Err(source) => {
            Trouble::Io { doing: "can't set aside the damaged", path: path.into(), source }
        }
    }
}

#[cfg(test)]
mod tests;
