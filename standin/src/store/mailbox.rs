//! One mailbox: its folders and what can be done with them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

use super::folder::{FlagChange, Flags, Folder, Message, now};

const INBOX: &str = "INBOX";

/// What Exchange puts into every mailbox and does not let anyone delete or rename.
const STANDARD_FOLDERS: [&str; 6] =
    [INBOX, "Archive", "Deleted Items", "Drafts", "Junk Email", "Sent Items"];

#[derive(Debug)]
pub(crate) struct Mailbox {
    contents: Mutex<Contents>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Contents {
    folders: BTreeMap<String, Folder>,
    subscriptions: BTreeSet<String>,
    next_uid_validity: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FolderError {
    Missing,
    Exists,
    Reserved,
}

/// Whether the messages stay where they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    Copy,
    Move,
}

/// What the `COPYUID` response code tells (RFC 4315 section 3).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) uid_validity: u32,
    pub(crate) from: Vec<u32>,
    pub(crate) to: Vec<u32>,
}

impl Default for Mailbox {
    fn default() -> Self {
        let mut contents = Contents {
            folders: BTreeMap::new(),
            subscriptions: BTreeSet::new(),
            next_uid_validity: 1,
        };
        for name in STANDARD_FOLDERS {
            contents.add(name.to_owned());
        }
        Self { contents: Mutex::new(contents), changed: watch::Sender::new(()) }
    }
}

impl Mailbox {
    /// Becomes ready after any change of any folder of the mailbox.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(crate) fn read<T>(
        &self,
        folder: &str,
        look: impl FnOnce(&Folder) -> T,
    ) -> Result<T, FolderError> {
        self.contents().folder(folder).map(|folder| look(folder))
    }

    pub(crate) fn claim_recent(&self, folder: &str) -> Result<u32, FolderError> {
        self.contents().folder(folder).map(Folder::claim_recent)
    }

    pub(crate) fn folder_names(&self) -> Vec<String> {
        self.contents().folders.keys().cloned().collect()
    }

    pub(crate) fn subscriptions(&self) -> Vec<String> {
        self.contents().subscriptions.iter().cloned().collect()
    }

    pub(super) fn deliver(&self, folder: &str, raw: Arc<[u8]>) -> u32 {
        let mut contents = self.contents();
        let name = canonical(folder);
        if !contents.folders.contains_key(&name) {
            contents.add(name);
        }
        let uid =
            contents.folder(folder).map_or(0, |folder| folder.append(raw, Flags::new(), now()));
        self.announce(contents);
        uid
    }

    /// Gives UIDVALIDITY and UID, as `APPENDUID` wants them. Without a date the message came now.
    pub(crate) fn append(
        &self,
        folder: &str,
        raw: Arc<[u8]>,
        flags: Flags,
        date: Option<i64>,
    ) -> Result<(u32, u32), FolderError> {
        let mut contents = self.contents();
        let folder = contents.folder(folder)?;
        let uid = folder.append(raw, flags, date.unwrap_or_else(now));
        let appended = (folder.uid_validity, uid);
        self.announce(contents);
        Ok(appended)
    }

    /// Gives the revisions of the folder before and after the change.
    pub(crate) fn change_flags(
        &self,
        folder: &str,
        uids: &[u32],
        change: FlagChange,
        flags: &Flags,
    ) -> Result<Range<u64>, FolderError> {
        let mut contents = self.contents();
        let folder = contents.folder(folder)?;
        let before = folder.revision();
        for uid in uids {
            folder.change_flags(*uid, change, flags);
        }
        let revisions = before..folder.revision();
        self.announce(contents);
        Ok(revisions)
    }

    pub(crate) fn expunge(&self, folder: &str, uids: &[u32]) -> Result<(), FolderError> {
        let mut contents = self.contents();
        let uids = uids.iter().copied().collect();
        contents.folder(folder)?.remove(&uids);
        self.announce(contents);
        Ok(())
    }

    pub(crate) fn transfer(
        &self,
        transfer: Transfer,
        from: &str,
        uids: &[u32],
        to: &str,
    ) -> Result<Copied, FolderError> {
        let mut contents = self.contents();
        let source = contents.folder(from)?;
        let messages: Vec<Message> =
            uids.iter().filter_map(|uid| source.message(*uid).cloned()).collect();
        let target = contents.folder(to)?;
        let from_uids = messages.iter().map(|message| message.uid).collect();
        let to_uids = messages
            .into_iter()
            .map(|message| target.append(message.raw, message.flags, message.internal_date))
            .collect();
        let copied = Copied { uid_validity: target.uid_validity, from: from_uids, to: to_uids };
        if transfer == Transfer::Move {
            let gone = copied.from.iter().copied().collect();
            contents.folder(from)?.remove(&gone);
        }
        self.announce(contents);
        Ok(copied)
    }

    pub(crate) fn create(&self, folder: &str) -> Result<(), FolderError> {
        let mut contents = self.contents();
        let name = canonical(folder.trim_end_matches('/'));
        if contents.folders.contains_key(&name) {
            return Err(FolderError::Exists);
        }
        contents.add(name);
        Ok(())
    }

    pub(crate) fn delete(&self, folder: &str) -> Result<(), FolderError> {
        let mut contents = self.contents();
        let name = canonical(folder);
        if STANDARD_FOLDERS.contains(&name.as_str()) {
            return Err(FolderError::Reserved);
        }
        contents.subscriptions.remove(&name);
        let removed = contents.folders.remove(&name);
        removed.map(drop).ok_or(FolderError::Missing)
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), FolderError> {
        let mut contents = self.contents();
        let (from, to) = (canonical(from), canonical(to));
        if STANDARD_FOLDERS.contains(&from.as_str()) {
            return Err(FolderError::Reserved);
        }
        if contents.folders.contains_key(&to) {
            return Err(FolderError::Exists);
        }
        let moved = contents.subtree(&from);
        if moved.is_empty() {
            return Err(FolderError::Missing);
        }
        for old in moved {
            let new = format!("{to}{}", &old[from.len()..]);
            contents.move_folder(&old, new);
        }
        Ok(())
    }

    pub(crate) fn subscribe(&self, folder: &str) {
        self.contents().subscriptions.insert(canonical(folder));
    }

    pub(crate) fn unsubscribe(&self, folder: &str) {
        self.contents().subscriptions.remove(&canonical(folder));
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        super::lock(&self.contents)
    }

    /// Takes the guard, so that whoever wakes finds the lock free.
    fn announce(&self, contents: MutexGuard<'_, Contents>) {
        drop(contents);
        self.changed.send_replace(());
    }
}

impl Contents {
    fn folder(&mut self, name: &str) -> Result<&mut Folder, FolderError> {
        let folder = self.folders.get_mut(&canonical(name));
        folder.ok_or(FolderError::Missing)
    }

    fn add(&mut self, name: String) {
        let folder = Folder::new(self.next_uid_validity);
        self.next_uid_validity += 1;
        self.subscriptions.insert(name.clone());
        self.folders.insert(name, folder);
    }

    fn subtree(&self, root: &str) -> Vec<String> {
        let below = format!("{root}/");
        let names = self.folders.keys();
        names.filter(|name| *name == root || name.starts_with(&below)).cloned().collect()
    }

    fn move_folder(&mut self, old: &str, new: String) {
        if self.subscriptions.remove(old) {
            self.subscriptions.insert(new.clone());
        }
        if let Some(folder) = self.folders.remove(old) {
            self.folders.insert(new, folder);
        }
    }
}

/// INBOX is one folder however it is spelled (RFC 3501 section 5.1).
fn canonical(name: &str) -> String {
    if name.eq_ignore_ascii_case(INBOX) {
        return INBOX.to_owned();
    }
    name.to_owned()
}
