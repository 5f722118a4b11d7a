//! The mail of all mailboxes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// All messages, by mailbox and folder.
#[derive(Debug, Default)]
pub struct MailStore {
    folders: Mutex<HashMap<(String, String), Vec<Vec<u8>>>>,
}

impl MailStore {
    /// Puts a message into a folder of a mailbox.
    pub fn deliver(&self, mailbox: &str, folder: &str, message: Vec<u8>) {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        folders.entry((mailbox.to_lowercase(), folder.into())).or_default().push(message);
    }
}
