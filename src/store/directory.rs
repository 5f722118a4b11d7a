//! The store as a directory: one file a mailbox, replaced as a whole.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::{Record, Trouble, seal};

/// The beginning of a name of a file that isn't finished. No mailbox's file begins so.
const UNFINISHED: &str = "%unfinished-";

/// More than the writing of a few hundred bytes takes on the slowest disk.
const WORK: Duration = Duration::from_secs(60);

/// The longest part of an address in a file name: file systems end names at 255 bytes.
const LONGEST_NAME: usize = 150;

/// A directory of refresh tokens.
///
/// Its calls wait for the disk. Each file is replaced by renaming a finished one over it, so that a
/// crash leaves the old record or the new one. Processes may share the directory: the last write
/// of a mailbox's record wins.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// The store in `directory`, which is made if need be, for the owner alone.
    ///
    /// # Errors
    /// [`Trouble::Io`] where it can't be made or listed; [`Trouble::Exposed`] where others may write
    /// to it, and so put their records in place of ours.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, Trouble> {
        let directory = directory.into();
        private_builder().create(&directory).map_err(trouble("can't make", &directory))?;
        let metadata = fs::metadata(&directory).map_err(trouble("can't read", &directory))?;
        if mode(&metadata) & 0o022 != 0 {
            return Err(Trouble::Exposed { path: directory, mode: 0o700 });
        }
        sweep(&directory).map_err(trouble("can't list", &directory))?;
        Ok(Self { directory })
    }

    /// The record of `mailbox`, if it has one.
    ///
    /// # Errors
    /// Any [`Trouble`]. A damaged record is renamed, so that the mailbox has none the next time.
    pub fn load(&self, mailbox: &str) -> Result<Option<Record>, Trouble> {
        let mailbox = mailbox.to_lowercase();
        let path = self.path(&mailbox);
        let metadata = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(trouble("can't read", &path))?,
        };
        if mode(&metadata) & 0o077 != 0 {
            return Err(Trouble::Exposed { path, mode: 0o600 });
        }
        let sealed = fs::read(&path).map(Zeroizing::new).map_err(trouble("can't read", &path))?;
        seal::open(&mailbox, sealed)
            .and_then(|record| Record::decode(&mailbox, &record))
            .map(Some)
            .map_err(|reason| set_aside(&path, reason))
    }

    /// Writes `record` in place of its mailbox's former one. On return it is on the disk.
    ///
    /// # Errors
    /// [`Trouble::Io`]; the former record is then untouched.
    pub fn save(&self, record: &Record) -> Result<(), Trouble> {
        let mailbox = record.mailbox.to_lowercase();
        let path = self.path(&mailbox);
        let record = Record { mailbox: mailbox.clone(), ..record.clone() };
        record
            .encode()
            .map_err(io::Error::from)
            .and_then(|bytes| self.replace(&path, &seal::seal(&mailbox, bytes)))
            .map_err(trouble("can't write", &path))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // tempfile makes its files for the owner alone.
        let mut file: NamedTempFile =
            tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync_directory(&self.directory)
    }

    fn path(&self, mailbox: &str) -> PathBuf {
        self.directory.join(file_name(mailbox))
    }
}

/// Removes what a crash left between write and rename: it holds a token, and nobody will read it. A
/// young file may be another process's work.
fn sweep(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) && is_old(&entry) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_old(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
    modified.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > WORK)
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
    name + ".json"
}

/// Keeps a damaged record for whoever wants to look into it, out of the way of the next one.
fn set_aside(path: &Path, reason: String) -> Trouble {
    let aside = path.with_extension("json.damaged");
    match fs::rename(path, &aside) {
        Ok(()) => Trouble::Damaged { aside, reason },
        Err(source) => {
            Trouble::Io { doing: "can't set aside the damaged", path: path.into(), source }
        }
    }
}

fn trouble(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Trouble {
    let path = path.to_owned();
    move |source| Trouble::Io { doing, path, source }
}

#[cfg(unix)]
fn private_builder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
}

#[cfg(not(unix))]
fn private_builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    builder
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode()
}

/// Elsewhere access is the directory's inherited control list, which this program doesn't judge.
#[cfg(not(unix))]
fn mode(_metadata: &fs::Metadata) -> u32 {
    0
}

/// Without it the new name may be gone after a power cut, though the file's contents are not.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

/// Other systems have no way to ask for it.
#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
