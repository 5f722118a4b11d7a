//! The commands of the selected state.

use imap_codec::imap_types::core::Charset;
use imap_codec::imap_types::flag::{Flag as WireFlag, StoreResponse, StoreType};
use imap_codec::imap_types::search::SearchKey;
use imap_codec::imap_types::sequence::SequenceSet;

use crate::store::{Copied, Flag, FlagChange, Flags, FolderError, Mailbox, Message, Transfer};

use super::fetch::{Items, unseen};
use super::folders;
use super::response::{Response, uid_set};
use super::search::Search;
use super::selection::{Access, Numbering, Place, Selection};
use super::session::Verdict;

const READ_ONLY: Verdict = Verdict::No("The folder is read-only.");
const NO_SUCH_MESSAGE: Verdict = Verdict::Bad("The specified message set is invalid.");

/// The selected folder while a command works on it.
pub(super) struct Selected<'s> {
    pub(super) mailbox: &'s Mailbox,
    pub(super) selection: &'s mut Selection,
    pub(super) response: &'s mut Response,
}

/// The arguments of STORE.
pub(super) struct FlagUpdate {
    change: FlagChange,
    flags: Flags,
    answer: StoreResponse,
}

impl FlagUpdate {
    pub(super) fn new(kind: StoreType, answer: StoreResponse, named: &[WireFlag<'_>]) -> Self {
        let change = match kind {
            StoreType::Replace => FlagChange::Replace,
            StoreType::Add => FlagChange::Add,
            StoreType::Remove => FlagChange::Remove,
        };
        Self { change, flags: flags(named), answer }
    }
}

impl Selected<'_> {
    pub(super) fn fetch(
        &mut self,
        set: &SequenceSet,
        items: &Items<'_>,
        numbering: Numbering,
    ) -> Verdict {
        let Some(places) = self.places(set, numbering) else {
            return NO_SUCH_MESSAGE;
        };
        let mut messages = self.messages(&places);
        let newly_seen = match self.selection.access {
            Access::ReadWrite if items.set_seen() => self.mark_seen(&mut messages),
            _ => Vec::new(),
        };
        let items_with_flags = items.with_flags();
        for (place, message) in &messages {
            let flags = self.selection.flags(message);
            let items = match newly_seen.binary_search(&place.uid) {
                Ok(_) => &items_with_flags,
                Err(_) => items,
            };
            items.write(place.sequence, message, &flags, self.response);
        }
        Verdict::Ok
    }

    pub(super) fn store(
        &mut self,
        set: &SequenceSet,
        update: &FlagUpdate,
        numbering: Numbering,
    ) -> Verdict {
        if self.selection.access == Access::ReadOnly {
            return READ_ONLY;
        }
        let Some(places) = self.places(set, numbering) else {
            return NO_SUCH_MESSAGE;
        };
        self.change_flags(&uids(&places), update.change, &update.flags);
        if update.answer == StoreResponse::Silent {
            return Verdict::Ok;
        }
        for (place, message) in self.messages(&places) {
            let flags = self.selection.flags(&message);
            let uid = match numbering {
                Numbering::Uid => format!("UID {} ", place.uid),
                Numbering::Sequence => String::new(),
            };
            self.response.line(&format!("* {} FETCH ({uid}FLAGS {flags})", place.sequence));
        }
        Verdict::Ok
    }

    pub(super) fn search(
        &mut self,
        charset: Option<&Charset<'_>>,
        criteria: &[SearchKey<'_>],
        numbering: Numbering,
    ) -> Verdict {
        let known = |charset: &Charset<'_>| {
            let name = charset.as_ref();
            ["US-ASCII", "UTF-8"].iter().any(|known| name.eq_ignore_ascii_case(known))
        };
        if !charset.is_none_or(known) {
            return Verdict::No(
                "[BADCHARSET (US-ASCII UTF-8)] The specified charset is not supported.",
            );
        }
        let places: Vec<Place> = self.selection.places().collect();
        self.response.text("* SEARCH");
        for (place, message) in self.messages(&places) {
            let search = Search::new(self.selection, place, &message);
            if criteria.iter().all(|key| search.matches(key)) {
                let number = match numbering {
                    Numbering::Sequence => place.sequence.to_string(),
                    Numbering::Uid => place.uid.to_string(),
                };
                self.response.text(&format!(" {number}"));
            }
        }
        self.response.line("");
        Verdict::Ok
    }

    pub(super) fn copy(&mut self, set: &SequenceSet, to: &str, numbering: Numbering) -> Verdict {
        match self.transfer(Transfer::Copy, set, to, numbering) {
            Err(refused) => refused,
            Ok(copied) if copied.from.is_empty() => Verdict::Ok,
            Ok(copied) => Verdict::OkCode(copy_uid(&copied)),
        }
    }

    /// MOVE. Where the messages went is told before they vanish from here (RFC 6851 section 4.3).
    pub(super) fn relocate(
        &mut self,
        set: &SequenceSet,
        to: &str,
        numbering: Numbering,
    ) -> Verdict {
        if self.selection.access == Access::ReadOnly {
            return READ_ONLY;
        }
        match self.transfer(Transfer::Move, set, to, numbering) {
            Err(refused) => return refused,
            Ok(copied) if copied.from.is_empty() => {}
            Ok(copied) => self.response.line(&format!("* OK [{}]", copy_uid(&copied))),
        }
        Verdict::Ok
    }

    /// Removes the messages marked as deleted, of the whole folder or of a set of UIDs. The report tells of each.
    pub(super) fn expunge(&mut self, set: Option<&SequenceSet>) -> Verdict {
        if self.selection.access == Access::ReadOnly {
            return READ_ONLY;
        }
        let places = match set {
            None => self.selection.places().collect(),
            Some(set) => self.selection.resolve(set, Numbering::Uid),
        };
        let messages = self.messages(&places).into_iter();
        let deleted = messages.filter(|(_, message)| message.has(&Flag::Deleted));
        let deleted: Vec<u32> = deleted.map(|(place, _)| place.uid).collect();
        folders::done(self.mailbox.expunge(&self.selection.folder, &deleted))
    }

    /// CLOSE expunges without a word (RFC 3501 section 6.4.2).
    pub(super) fn close(&mut self) {
        if self.selection.access == Access::ReadWrite {
            self.expunge(None);
        }
    }

    fn transfer(
        &mut self,
        transfer: Transfer,
        set: &SequenceSet,
        to: &str,
        numbering: Numbering,
    ) -> Result<Copied, Verdict> {
        let places = self.places(set, numbering).ok_or(NO_SUCH_MESSAGE)?;
        let folder = &self.selection.folder;
        match self.mailbox.transfer(transfer, folder, &uids(&places), to) {
            Ok(copied) => Ok(copied),
            Err(FolderError::Missing) => Err(folders::TRY_CREATE),
            Err(error) => Err(folders::done(Err(error))),
        }
    }

    /// `None` where sequence numbers name nothing; UIDs may (RFC 3501 section 6.4.8).
    fn places(&self, set: &SequenceSet, numbering: Numbering) -> Option<Vec<Place>> {
        let places = self.selection.resolve(set, numbering);
        (numbering == Numbering::Uid || !places.is_empty()).then_some(places)
    }

    /// Those that nobody has expunged meanwhile.
    fn messages(&self, places: &[Place]) -> Vec<(Place, Message)> {
        let found = self.mailbox.read(&self.selection.folder, |folder| {
            let places = places.iter();
            let found =
                places.filter_map(|place| Some((*place, folder.message(place.uid)?.clone())));
            found.collect()
        });
        found.unwrap_or_default()
    }

    /// The UIDs of the messages that were not seen before.
    fn mark_seen(&mut self, messages: &mut [(Place, Message)]) -> Vec<u32> {
        let mut marked = Vec::new();
        for (place, message) in messages.iter_mut().filter(|(_, message)| unseen(message)) {
            message.flags.insert(Flag::Seen);
            marked.push(place.uid);
        }
        self.change_flags(&marked, FlagChange::Add, &Flags::from([Flag::Seen]));
        marked
    }

    fn change_flags(&mut self, uids: &[u32], change: FlagChange, flags: &Flags) {
        let folder = &self.selection.folder;
        if let Ok(revisions) = self.mailbox.change_flags(folder, uids, change, flags) {
            self.selection.skip_own_changes(&revisions);
        }
    }
}

/// The flags of a command as the store keeps them; system flags that it does not know are dropped.
pub(super) fn flags(named: &[WireFlag<'_>]) -> Flags {
    let flag = |flag: &WireFlag<'_>| match flag {
        WireFlag::Seen => Some(Flag::Seen),
        WireFlag::Answered => Some(Flag::Answered),
        WireFlag::Flagged => Some(Flag::Flagged),
        WireFlag::Deleted => Some(Flag::Deleted),
        WireFlag::Draft => Some(Flag::Draft),
        WireFlag::Keyword(keyword) => Some(Flag::Keyword(keyword.to_string())),
        WireFlag::Extension(_) => None,
    };
    named.iter().filter_map(flag).collect()
}

fn uids(places: &[Place]) -> Vec<u32> {
    places.iter().map(|place| place.uid).collect()
}

fn copy_uid(copied: &Copied) -> String {
    let (from, to) = (uid_set(&copied.from), uid_set(&copied.to));
    format!("COPYUID {} {from} {to}", copied.uid_validity)
}
