//! The messages that one session sees: the Inbox as it was at the login (RFC 1939 section 3).

use std::sync::Arc;

use memchr::memmem;

use crate::store::{Mailbox, Message};

const INBOX: &str = "INBOX";

/// An exclusive look at an Inbox, or what passes for it: Exchange locks nothing either.
pub(super) struct Maildrop {
    mailbox: Arc<Mailbox>,
    uid_validity: u32,
    messages: Vec<Entry>,
}

struct Entry {
    message: Message,
    deleted: bool,
}

impl Maildrop {
    pub(super) fn open(mailbox: Arc<Mailbox>) -> Self {
        // Every mailbox has an Inbox.
        let (uid_validity, messages) = mailbox
            .read(INBOX, |folder| (folder.uid_validity, folder.messages().to_vec()))
            .unwrap_or_default();
        let messages =
            messages.into_iter().map(|message| Entry { message, deleted: false }).collect();
        Self { mailbox, uid_validity, messages }
    }

    /// The message with this number, unless it is marked as deleted.
    pub(super) fn message(&self, number: usize) -> Option<&Message> {
        let entry = self.messages.get(number.checked_sub(1)?)?;
        (!entry.deleted).then_some(&entry.message)
    }

    /// The numbers, counted from 1, and messages that are not marked as deleted.
    pub(super) fn present(&self) -> impl Iterator<Item = (usize, &Message)> {
        (1..)
            .zip(&self.messages)
            .filter(|(_, entry)| !entry.deleted)
            .map(|(number, entry)| (number, &entry.message))
    }

    /// Their count and octets.
    pub(super) fn size(&self) -> (usize, usize) {
        self.present()
            .fold((0, 0), |(count, octets), (_, message)| (count + 1, octets + message.raw.len()))
    }

    /// A name of the message that no other message of the mailbox has or will have.
    pub(super) fn unique_id(&self, message: &Message) -> String {
        format!("{}-{}", self.uid_validity, message.uid)
    }

    pub(super) fn delete(&mut self, number: usize) {
        if let Some(entry) = number.checked_sub(1).and_then(|index| self.messages.get_mut(index)) {
            entry.deleted = true;
        }
    }

    /// Takes all deletions back.
    pub(super) fn reset(&mut self) {
        for entry in &mut self.messages {
            entry.deleted = false;
        }
    }

    /// Removes what is marked as deleted.
    pub(super) fn update(&self) {
        let deleted: Vec<u32> = self
            .messages
            .iter()
            .filter(|entry| entry.deleted)
            .map(|entry| entry.message.uid)
            .collect();
        // An Inbox that has gone has nothing to remove.
        let _ = self.mailbox.expunge(INBOX, &deleted);
    }
}

/// The header, the blank line and `lines` lines of the body.
pub(super) fn top(message: &[u8], lines: usize) -> &[u8] {
    let Some(header) = memmem::find(message, b"\r\n\r\n") else { return message };
    let body = header + 4;
    let end = match lines.checked_sub(1) {
        None => Some(body),
        Some(last) => {
            memmem::find_iter(&message[body..], b"\r\n").nth(last).map(|at| body + at + 2)
        }
    };
    &message[..end.unwrap_or(message.len())]
}

#[cfg(test)]
mod tests {
    use super::top;

    #[test]
    fn top_gives_the_header_and_so_many_lines() {
        let message = b"A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree";
        assert_eq!(top(message, 0), b"A: 1\r\nB: 2\r\n\r\n");
        assert_eq!(top(message, 1), b"A: 1\r\nB: 2\r\n\r\none\r\n");
        assert_eq!(top(message, 2), b"A: 1\r\nB: 2\r\n\r\none\r\n\r\n");
        assert_eq!(top(message, 3), message);
        assert_eq!(top(message, usize::MAX), message);
        assert_eq!(top(b"no body\r\n", 1), b"no body\r\n");
    }
}
