//! Files that are whole or not there, are the owner's alone, and are changed by one at a time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::Trouble;

/// The beginning of a name of a file that isn't finished. No mailbox's file begins so.
pub(super) const UNFINISHED: &str = "%unfinished-";

/// More than the writing of a few hundred bytes takes on the slowest disk.
pub(super) const WORK: Duration = Duration::from_secs(60);

/// A lock, which ends with this value or with the process.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code, reason = "held, not used")] File);

/// Waits for the lock `name` of `directory`, which is for threads and processes alike. Its file is
/// never removed: who waits for a removed one would hold a lock that nobody else sees.
pub(super) fn lock(directory: &Path, name: &str) -> Result<Lock, Trouble> {
    let path = directory.join(format!("{name}.lock"));
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path).map_err(trouble("can't write", &path))?;
    hand_over(&file, directory).map_err(trouble("can't give away", &path))?;
    wait_for(&file).map_err(trouble("can't lock", &path))?;
    Ok(Lock(file))
}

#[cfg(unix)]
fn wait_for(file: &File) -> io::Result<()> {
    rustix::io::retry_on_intr(|| {
        rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive)
    })?;
    Ok(())
}

/// Elsewhere the last of two writers at the same moment wins.
#[cfg(not(unix))]
fn wait_for(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Puts `bytes` in the place of the file at `path`, for the owner alone. On return they are on the
/// disk; a crash on the way leaves the old file.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    // tempfile makes its files for the owner alone.
    let mut file: NamedTempFile =
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)?;
    file.write_all(bytes)?;
    hand_over(file.as_file(), directory)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_directory(directory)
}

/// Makes `directory` for the owner alone, if need be, and removes what crashes left there.
pub(super) fn prepare(directory: &Path) -> Result<(), Trouble> {
    let known = directory.exists();
    private_builder().create(directory).map_err(trouble("can't make", directory))?;
    let metadata = fs::metadata(directory).map_err(trouble("can't read", directory))?;
    if mode(&metadata) & 0o022 != 0 {
        return Err(Trouble::Exposed { path: directory.to_owned(), mode: 0o700 });
    }
    if let Some(parent) = directory.parent().filter(|_| !known) {
        let made = File::open(directory).and_then(|made| hand_over(&made, parent));
        made.map_err(trouble("can't give away", directory))?;
    }
    sweep(directory).map_err(trouble("can't list", directory))
}

/// Gives what was made in `directory` to whom that belongs: root, who signs in for a service, must not
/// leave it files that it can't read.
#[cfg(unix)]
fn hand_over(made: &File, directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let house =
        fs::metadata(if directory.as_os_str().is_empty() { Path::new(".") } else { directory })?;
    let root = 0;
    if made.metadata()?.uid() != root || house.uid() == root {
        return Ok(());
    }
    fchown(made, Some(house.uid()), Some(house.gid()))
}

#[cfg(not(unix))]
fn hand_over(_made: &File, _directory: &Path) -> io::Result<()> {
    Ok(())
}

/// Fails where others may read the file at `path`.
pub(super) fn check_private(path: &Path) -> Result<(), Trouble> {
    let metadata = fs::metadata(path).map_err(trouble("can't read", path))?;
    if mode(&metadata) & 0o077 != 0 {
        return Err(Trouble::Exposed { path: path.to_owned(), mode: 0o600 });
    }
    Ok(())
}

/// Puts a path and what was done to it to an error of the system's.
pub(super) fn trouble(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Trouble {
    let path = path.to_owned();
    move |source| Trouble::Io { doing, path, source }
}

/// Removes what a crash left between write and rename: nobody will read it. A young file may be
/// another process's work.
fn sweep(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) && is_old(&entry) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn is_old(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
    modified.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > WORK)
}

/// Two processes that start at once may sweep the same file.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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
pub(super) fn mode(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode()
}

/// Elsewhere access is the directory's inherited control list, which this program doesn't judge.
#[cfg(not(unix))]
pub(super) fn mode(_metadata: &fs::Metadata) -> u32 {
    0
}

/// Without it the new name may be gone after a power cut, though the file's contents are not.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Other systems have no way to ask for it.
#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt, chown};

    use super::*;

    /// Only root can try it; whoever else runs this sees that nothing is given away.
    #[test]
    fn what_root_makes_belongs_to_whom_the_directory_belongs() {
        let parent = tempfile::tempdir().unwrap();
        let root = fs::metadata(parent.path()).unwrap().uid() == 0;
        let owner = if root { 12_345 } else { fs::metadata(parent.path()).unwrap().uid() };
        chown(parent.path(), Some(owner), None).unwrap();
        let directory = parent.path().join("sign-ins");
        prepare(&directory).unwrap();
        let held = lock(&directory, "a").unwrap();
        replace(&directory.join("b"), b"x").unwrap();
        for made in [directory.clone(), directory.join("a.lock"), directory.join("b")] {
            assert_eq!(fs::metadata(&made).unwrap().uid(), owner, "{}", made.display());
        }
        drop(held);
    }
}
