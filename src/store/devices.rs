//! Device passwords on disk: a directory with a file a device, and a file that says when each was
//! last used.
//!
//! The command line writes the directory, the service writes the other file: neither has to wait for
//! the other. A file of its own for each device makes each change one rename, so that two people at
//! work lose nothing, and a change shows in the directory's time of modification.

mod record;

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::Trouble;
use crate::mailbox::{DeviceName, fold};

pub use record::DeviceRecord;

/// The device passwords in a state directory. Its calls wait for the disk.
#[derive(Clone, Debug)]
pub struct DeviceStore {
    directory: PathBuf,
    uses: PathBuf,
}

/// When each device's password was last used: mailbox, device, seconds since 1970.
pub type Uses = BTreeMap<String, BTreeMap<String, u64>>;

/// What a directory held.
#[derive(Debug, Default)]
pub struct Found {
    /// The device passwords, revoked ones too.
    pub records: Vec<DeviceRecord>,
    /// Files that are of no use.
    pub troubles: Vec<Trouble>,
}

impl DeviceStore {
    /// The device passwords kept in `state_directory`. Nothing needs to be there yet.
    pub fn at(state_directory: &Path) -> Self {
        Self {
            directory: state_directory.join("device-passwords"),
            uses: state_directory.join("device-uses.json"),
        }
    }

    /// When something was last changed; `None` before the first device.
    ///
    /// # Errors
    /// [`Trouble::Io`]; [`Trouble::Exposed`] where others may write, and so let themselves in.
    pub fn modified(&self) -> Result<Option<SystemTime>, Trouble> {
        match fs::metadata(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.trouble("can't read")(error)),
            Ok(metadata) if is_exposed(&metadata) => {
                Err(Trouble::Exposed { path: self.directory.clone(), mode: 0o700 })
            }
            Ok(metadata) => metadata.modified().map(Some).map_err(self.trouble("can't read")),
        }
    }

    /// All that is there. One file that is of no use doesn't keep the others from being read.
    ///
    /// # Errors
    /// As [`modified`](Self::modified).
    pub fn load(&self) -> Result<Found, Trouble> {
        let mut found = Found::default();
        if self.modified()?.is_none() {
            return Ok(found);
        }
        let listed = fs::read_dir(&self.directory).and_then(Iterator::collect);
        let entries: Vec<fs::DirEntry> = listed.map_err(self.trouble("can't list"))?;
        for path in entries.iter().map(fs::DirEntry::path) {
            if path.extension().is_some_and(|extension| extension == "json") {
                match read(&path) {
                    Ok(record) => found.records.extend(record),
                    Err(trouble) => found.troubles.push(trouble),
                }
            }
        }
        found
            .records
            .sort_by(|one, other| (&one.mailbox, &one.name).cmp(&(&other.mailbox, &other.name)));
        Ok(found)
    }

    /// The record of one device.
    ///
    /// # Errors
    /// As [`modified`](Self::modified), and where the file is of no use.
    pub fn find(&self, mailbox: &str, name: &DeviceName) -> Result<Option<DeviceRecord>, Trouble> {
        self.modified()?;
        read(&self.path(mailbox, name))
    }

    /// Writes `record`, in place of the device's former one. On return it is on the disk.
    ///
    /// # Errors
    /// [`Trouble::Io`]; a former record is then untouched.
    pub fn save(&self, record: &DeviceRecord) -> Result<(), Trouble> {
        let path = self.path(&record.mailbox, &record.name);
        let written = self.make().and_then(|()| {
            let bytes = record.encode()?;
            write(&path, &bytes)
        });
        written.map_err(|source| Trouble::Io { doing: "can't write", path, source })
    }

    /// When each password was last used; nothing where that isn't known.
    pub fn uses(&self) -> Uses {
        let bytes = fs::read(&self.uses).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Writes when each password was last used.
    ///
    /// # Errors
    /// [`Trouble::Io`].
    pub fn save_uses(&self, uses: &Uses) -> Result<(), Trouble> {
        let written = serde_json::to_vec(uses).map_err(io::Error::from);
        written.and_then(|bytes| write(&self.uses, &bytes)).map_err(|source| Trouble::Io {
            doing: "can't write",
            path: self.uses.clone(),
            source,
        })
    }

    fn make(&self) -> io::Result<()> {
        let state = self.directory.parent().unwrap_or_else(|| Path::new("."));
        let missing = |path: &Path| fs::symlink_metadata(path).is_err();
        if missing(state) {
            private(state)?;
        }
        if missing(&self.directory) {
            private(&self.directory)?;
            belong(&self.directory, state);
        }
        Ok(())
    }

    fn path(&self, mailbox: &str, name: &DeviceName) -> PathBuf {
        let digest = Sha256::digest(fold(mailbox).as_bytes());
        let mailbox: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        self.directory.join(format!("{name}~{mailbox}.json"))
    }

    fn trouble(&self, doing: &'static str) -> impl FnOnce(io::Error) -> Trouble {
        let path = self.directory.clone();
        move |source| Trouble::Io { doing, path, source }
    }
}

fn read(path: &Path) -> Result<Option<DeviceRecord>, Trouble> {
    let trouble = |source| Trouble::Io { doing: "can't read", path: path.to_owned(), source };
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(trouble(error)),
        Ok(bytes) => {
            DeviceRecord::decode(&bytes).map(Some).map_err(|why| trouble(io::Error::other(why)))
        }
    }
}

/// Replaces the file as a whole. tempfile makes its files for the owner alone.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    belong(file.path(), directory);
    file.persist(path)?;
    // Without it the new name may be gone after a power cut.
    if cfg!(unix) { fs::File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Gives what root made to the owner of the directory around it: the service, which has to read it.
/// Anybody else can't, and needn't.
#[cfg(unix)]
fn belong(path: &Path, directory: &Path) {
    use std::os::unix::fs::{MetadataExt, chown};
    if let (Ok(own), Ok(around)) = (fs::metadata(path), fs::metadata(directory))
        && own.uid() != around.uid()
    {
        let _ = chown(path, Some(around.uid()), Some(around.gid()));
    }
}

#[cfg(not(unix))]
fn belong(_path: &Path, _directory: &Path) {}

fn private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

#[cfg(unix)]
fn is_exposed(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o022 != 0
}

/// Elsewhere access is the directory's inherited control list, which this program doesn't judge.
#[cfg(not(unix))]
fn is_exposed(_metadata: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests;
