//! The selected folder as one session sees it: which sequence number is which message (RFC 3501 section 2.3.1.2).

use std::ops::{Range, RangeInclusive};

use imap_codec::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};

use crate::store::{Folder, FolderError, Mailbox, Message};

use super::response::{Response, parenthesized};

/// The flags that Exchange keeps.
const FLAGS: &str = "(\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    ReadOnly,
}

/// What the numbers of a command mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbering {
    Sequence,
    Uid,
}

impl From<bool> for Numbering {
    fn from(uid: bool) -> Self {
        if uid { Self::Uid } else { Self::Sequence }
    }
}

/// Whether a report may renumber the messages: not within FETCH, STORE and SEARCH (RFC 3501 section 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expunges {
    Tell,
    Hold,
}

/// A message by both of its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sequence: usize,
    pub(super) uid: u32,
}

impl Place {
    fn is_within(self, ranges: &[RangeInclusive<u32>], numbering: Numbering) -> bool {
        let number = match numbering {
            Numbering::Sequence => u32::try_from(self.sequence).unwrap_or(u32::MAX),
            Numbering::Uid => self.uid,
        };
        ranges.iter().any(|range| range.contains(&number))
    }
}

#[derive(Debug)]
pub(super) struct Selection {
    pub(super) folder: String,
    pub(super) access: Access,
    /// The UIDs in the order of their sequence numbers, messages expunged elsewhere still among them.
    view: Vec<u32>,
    revision: u64,
    recent_from: u32,
}

impl Selection {
    /// Selects, and writes the untagged responses that tell of the folder.
    pub(super) fn open(
        mailbox: &Mailbox,
        folder: String,
        access: Access,
        response: &mut Response,
    ) -> Result<Self, FolderError> {
        let recent_from = match access {
            Access::ReadWrite => mailbox.claim_recent(&folder)?,
            Access::ReadOnly => mailbox.read(&folder, |folder| folder.uid_next)?,
        };
        mailbox.read(&folder.clone(), |contents| {
            let uids = contents.messages().iter().map(|message| message.uid);
            let selection = Self {
                folder,
                access,
                view: uids.collect(),
                revision: contents.revision(),
                recent_from,
            };
            selection.describe(contents, response);
            selection
        })
    }

    pub(super) fn is_recent(&self, uid: u32) -> bool {
        uid >= self.recent_from
    }

    /// The flags as FETCH shows them to this session.
    pub(super) fn flags(&self, message: &Message) -> String {
        let kept = message.flags.iter().map(ToString::to_string);
        let recent = self.is_recent(message.uid).then(|| "\\Recent".to_owned());
        parenthesized(kept.chain(recent))
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let numbered = self.view.iter().enumerate();
        numbered.map(|(index, uid)| Place { sequence: index + 1, uid: *uid })
    }

    /// The messages of a set in ascending order; numbers without a message are passed over.
    pub(super) fn resolve(&self, set: &SequenceSet, numbering: Numbering) -> Vec<Place> {
        let ranges = self.ranges(set, numbering);
        self.places().filter(|place| place.is_within(&ranges, numbering)).collect()
    }

    pub(super) fn contains(&self, set: &SequenceSet, numbering: Numbering, place: Place) -> bool {
        place.is_within(&self.ranges(set, numbering), numbering)
    }

    /// Tells what has happened to the folder since the last report.
    pub(super) fn report(
        &mut self,
        mailbox: &Mailbox,
        response: &mut Response,
        expunges: Expunges,
    ) {
        let folder = self.folder.clone();
        // A folder deleted while selected has nothing more to report.
        let _ = mailbox.read(&folder, |folder| {
            if folder.revision() != self.revision {
                self.catch_up(folder, response, expunges);
            }
        });
    }

    /// Takes the folder's state for known: for changes that the session made and has answered itself.
    pub(super) fn skip_own_changes(&mut self, revisions: &Range<u64>) {
        if self.revision == revisions.start {
            self.revision = revisions.end;
        }
    }

    fn catch_up(&mut self, folder: &Folder, response: &mut Response, expunges: Expunges) {
        let held = match expunges {
            Expunges::Tell => self.tell_expunges(folder, response),
            Expunges::Hold => self.view.iter().any(|uid| folder.message(*uid).is_none()),
        };
        self.tell_arrivals(folder, response);
        for message in folder.changed_since(self.revision) {
            if let Ok(index) = self.view.binary_search(&message.uid) {
                let flags = self.flags(message);
                response.line(&format!("* {} FETCH (FLAGS {flags})", index + 1));
            }
        }
        if !held {
            self.revision = folder.revision();
        }
    }

    /// From the last to the first, so that no number told is moved by one told before. Nothing is held back after it.
    fn tell_expunges(&mut self, folder: &Folder, response: &mut Response) -> bool {
        for index in (0..self.view.len()).rev() {
            if folder.message(self.view[index]).is_none() {
                self.view.remove(index);
                response.line(&format!("* {} EXPUNGE", index + 1));
            }
        }
        false
    }

    fn tell_arrivals(&mut self, folder: &Folder, response: &mut Response) {
        let known = self.view.last().copied().unwrap_or(0);
        let before = self.view.len();
        let arrived = folder.messages().iter().map(|message| message.uid);
        self.view.extend(arrived.filter(|uid| *uid > known));
        if self.view.len() != before {
            response.line(&format!("* {} EXISTS", self.view.len()));
            response.line(&format!("* {} RECENT", self.recent()));
        }
    }

    fn recent(&self) -> usize {
        let recent = |uid: &&u32| self.is_recent(**uid);
        self.view.iter().rev().take_while(recent).count()
    }

    fn ranges(&self, set: &SequenceSet, numbering: Numbering) -> Vec<RangeInclusive<u32>> {
        let last = match numbering {
            Numbering::Sequence => u32::try_from(self.view.len()).unwrap_or(u32::MAX),
            Numbering::Uid => self.view.last().copied().unwrap_or(0),
        };
        let number = |number: &SeqOrUid| match number {
            SeqOrUid::Value(value) => value.get(),
            SeqOrUid::Asterisk => last,
        };
        let ends = |sequence: &Sequence| match sequence {
            Sequence::Single(only) => number(only)..=number(only),
            Sequence::Range(one, other) => {
                let (one, other) = (number(one), number(other));
                one.min(other)..=one.max(other)
            }
        };
        set.0.as_ref().iter().map(ends).collect()
    }

    fn describe(&self, contents: &Folder, response: &mut Response) {
        response.line(&format!("* {} EXISTS", self.view.len()));
        response.line(&format!("* {} RECENT", self.recent()));
        response.line(&format!("* FLAGS {FLAGS}"));
        let permanent = match self.access {
            Access::ReadWrite => FLAGS,
            Access::ReadOnly => "()",
        };
        response.line(&format!("* OK [PERMANENTFLAGS {permanent}] Permanent flags"));
        let unseen = |message: &Message| !message.has(&crate::store::Flag::Seen);
        if let Some(index) = contents.messages().iter().position(unseen) {
            let number = index + 1;
            response.line(&format!("* OK [UNSEEN {number}] Is the first unseen message"));
        }
        let validity = contents.uid_validity;
        response.line(&format!("* OK [UIDVALIDITY {validity}] UIDVALIDITY value"));
        let next = contents.uid_next;
        response.line(&format!("* OK [UIDNEXT {next}] The next unique identifier value"));
    }
}
