//! One folder: its messages, their UIDs and flags, and what has changed since when.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The flags of one message.
pub type Flags = BTreeSet<Flag>;

/// A system flag or a keyword (RFC 3501 section 2.3.2); `\Recent` is a property of the session and not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flag {
    /// `\Seen`
    Seen,
    /// `\Answered`
    Answered,
    /// `\Flagged`
    Flagged,
    /// `\Deleted`
    Deleted,
    /// `\Draft`
    Draft,
    /// Anything else, without a backslash.
    Keyword(String),
}

impl fmt::Display for Flag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Seen => "\\Seen",
            Self::Answered => "\\Answered",
            Self::Flagged => "\\Flagged",
            Self::Deleted => "\\Deleted",
            Self::Draft => "\\Draft",
            Self::Keyword(keyword) => keyword,
        })
    }
}

/// A message of a folder. Cloning shares the octets.
#[derive(Clone, Debug)]
pub struct Message {
    /// Unique within the folder and its UIDVALIDITY; never zero.
    pub uid: u32,
    /// The flags at the time of the look.
    pub flags: Flags,
    /// When the message came in, in seconds since the Unix epoch.
    pub internal_date: i64,
    /// The message as it came over the wire, dot-stuffing removed.
    pub raw: Arc<[u8]>,
    /// The revision of the folder that last changed the flags.
    changed_at: u64,
}

impl Message {
    pub(crate) fn has(&self, flag: &Flag) -> bool {
        self.flags.contains(flag)
    }
}

/// What STORE does with the flags it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlagChange {
    Replace,
    Add,
    Remove,
}

#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) uid_validity: u32,
    pub(crate) uid_next: u32,
    /// Messages from this UID on have not been shown to any session: the next one to select sees them as recent.
    unclaimed: u32,
    /// Grows with every change, so that a session can tell cheaply that it has missed nothing.
    revision: u64,
    messages: Vec<Message>,
}

impl Folder {
    pub(super) fn new(uid_validity: u32) -> Self {
        Self { uid_validity, uid_next: 1, unclaimed: 1, revision: 0, messages: Vec::new() }
    }

    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn message(&self, uid: u32) -> Option<&Message> {
        self.position(uid).map(|position| &self.messages[position])
    }

    /// The messages whose flags have changed since `revision`.
    pub(crate) fn changed_since(&self, revision: u64) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(move |message| message.changed_at > revision)
    }

    pub(crate) fn recent(&self) -> usize {
        let recent = |message: &&Message| message.uid >= self.unclaimed;
        self.messages.iter().rev().take_while(recent).count()
    }

    /// The first UID that is recent for the session that asks; the sessions after it start later.
    pub(super) fn claim_recent(&mut self) -> u32 {
        std::mem::replace(&mut self.unclaimed, self.uid_next)
    }

    pub(super) fn append(&mut self, raw: Arc<[u8]>, flags: Flags, internal_date: i64) -> u32 {
        let uid = self.uid_next;
        self.uid_next += 1;
        self.revision += 1;
        self.messages.push(Message {
            uid,
            flags,
            internal_date,
            raw,
            // A session learns of a new message as new, not as changed.
            changed_at: 0,
        });
        uid
    }

    pub(super) fn change_flags(&mut self, uid: u32, change: FlagChange, flags: &Flags) {
        let Some(position) = self.position(uid) else {
            return;
        };
        let message = &mut self.messages[position];
        let wanted = match change {
            FlagChange::Replace => flags.clone(),
            FlagChange::Add => &message.flags | flags,
            FlagChange::Remove => &message.flags - flags,
        };
        if wanted == message.flags {
            return;
        }
        self.revision += 1;
        message.flags = wanted;
        message.changed_at = self.revision;
    }

    pub(super) fn remove(&mut self, uids: &BTreeSet<u32>) {
        let before = self.messages.len();
        self.messages.retain(|message| !uids.contains(&message.uid));
        if self.messages.len() != before {
            self.revision += 1;
        }
    }

    fn position(&self, uid: u32) -> Option<usize> {
        self.messages.binary_search_by_key(&uid, |message| message.uid).ok()
    }
}

/// Now, in seconds since the Unix epoch.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
