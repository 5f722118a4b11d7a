//! The mail of all mailboxes: what SMTP has accepted and what IMAP shows, kept in memory.

mod folder;
mod mailbox;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use folder::{Flag, Flags, Message};
pub(crate) use folder::{FlagChange, Folder};
pub(crate) use mailbox::{Copied, FolderError, Mailbox, Transfer};

/// The mailboxes of the tenant by address. A clone is another handle on the same mail.
///
/// Addresses are compared without regard to case. A mailbox comes into being, with Exchange's usual folders, when it
/// is first named.
#[derive(Clone, Debug, Default)]
pub struct MailStore {
    mailboxes: Arc<Mutex<HashMap<String, Arc<Mailbox>>>>,
}

impl MailStore {
    /// A store without mail.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a message into a folder, which is created if the mailbox lacks it, and gives the message's UID.
    ///
    /// Sessions that have the folder selected are told: at once in IDLE, else with their next command.
    pub fn deliver(&self, mailbox: &str, folder: &str, raw: impl Into<Arc<[u8]>>) -> u32 {
        self.open(mailbox).deliver(folder, raw.into())
    }

    /// The messages of a folder in the order of their UIDs; none for a folder that does not exist.
    pub fn messages(&self, mailbox: &str, folder: &str) -> Vec<Message> {
        self.open(mailbox).read(folder, |folder| folder.messages().to_vec()).unwrap_or_default()
    }

    /// The names of a mailbox's folders, `/` between the levels.
    pub fn folders(&self, mailbox: &str) -> Vec<String> {
        self.open(mailbox).folder_names()
    }

    pub(crate) fn open(&self, address: &str) -> Arc<Mailbox> {
        let mut mailboxes = lock(&self.mailboxes);
        Arc::clone(mailboxes.entry(address.to_ascii_lowercase()).or_default())
    }
}

/// A panic elsewhere leaves the mail readable: no update here is left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_compared_without_case() {
        let store = MailStore::new();
        store.deliver("Bob@Contoso.example", "INBOX", *b"x");
        assert_eq!(store.messages("bob@contoso.EXAMPLE", "inbox").len(), 1);
    }

    #[test]
    fn uids_grow_and_are_not_used_twice() {
        let store = MailStore::new();
        assert_eq!(store.deliver("bob@contoso.example", "INBOX", *b"1"), 1);
        assert_eq!(store.deliver("bob@contoso.example", "INBOX", *b"2"), 2);
        let mailbox = store.open("bob@contoso.example");
        mailbox.expunge("INBOX", &[2]).unwrap();
        assert_eq!(store.deliver("bob@contoso.example", "INBOX", *b"3"), 3);
    }

    #[test]
    fn a_new_mailbox_has_the_folders_of_exchange() {
        let folders = MailStore::new().folders("new@contoso.example");
        assert_eq!(folders.len(), 6);
        assert!(folders.iter().any(|name| name == "Sent Items"));
    }

    #[test]
    fn a_renamed_folder_takes_its_children_along() {
        let store = MailStore::new();
        let mailbox = store.open("bob@contoso.example");
        mailbox.create("Work").unwrap();
        store.deliver("bob@contoso.example", "Work/2026", *b"x");
        mailbox.rename("Work", "Past").unwrap();
        assert_eq!(store.messages("bob@contoso.example", "Past/2026").len(), 1);
        assert_eq!(mailbox.delete("Work"), Err(FolderError::Missing));
    }
}
