//! The drafts that nobody has sent yet, and the attachments on their way to them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::draft::{Attachment, Draft};
use super::refusal::Refusal;
use crate::entropy;

/// All drafts and upload sessions of one stand-in.
#[derive(Debug, Default)]
pub(crate) struct Drafts(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    drafts: HashMap<String, Owned>,
    uploads: HashMap<String, Upload>,
}

#[derive(Debug)]
struct Owned {
    mailbox: String,
    draft: Draft,
}

/// An upload session.
#[derive(Debug)]
struct Upload {
    draft: String,
    attachment: Attachment,
    size: usize,
}

/// A piece of an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) total: usize,
}

/// What a piece has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The first octet that is missing.
    Next(usize),
    /// All is there, and the draft has its attachment.
    Whole,
}

impl Drafts {
    /// Keeps a draft, and gives its id.
    pub(super) fn keep(&self, mailbox: &str, draft: Draft) -> String {
        let id = format!("AAMk{}", entropy::guid());
        self.kept().drafts.insert(id.clone(), Owned { mailbox: mailbox.into(), draft });
        id
    }

    pub(super) fn read(&self, mailbox: &str, id: &str) -> Result<Draft, Refusal> {
        let kept = self.kept();
        let owned = kept.drafts.get(id).filter(|owned| owned.mailbox == mailbox);
        owned.map(|owned| owned.draft.clone()).ok_or_else(Refusal::item_not_found)
    }

    /// Adds an attachment that came in one request.
    pub(super) fn attach(
        &self,
        mailbox: &str,
        id: &str,
        attachment: Attachment,
    ) -> Result<(), Refusal> {
        let mut kept = self.kept();
        let owned = kept.drafts.get_mut(id).filter(|owned| owned.mailbox == mailbox);
        owned.ok_or_else(Refusal::item_not_found)?.draft.attachments.push(attachment);
        Ok(())
    }

    /// How many drafts there are.
    pub(crate) fn count(&self) -> usize {
        self.kept().drafts.len()
    }

    /// Forgets a draft and the uploads for it.
    pub(super) fn remove(&self, mailbox: &str, id: &str) -> Result<(), Refusal> {
        let mut kept = self.kept();
        if kept.drafts.get(id).is_none_or(|owned| owned.mailbox != mailbox) {
            return Err(Refusal::item_not_found());
        }
        kept.drafts.remove(id);
        kept.uploads.retain(|_, upload| upload.draft != id);
        Ok(())
    }

    /// Opens an upload session for an attachment of `size` octets, and gives its id.
    pub(super) fn open_upload(&self, draft: &str, attachment: Attachment, size: usize) -> String {
        let id = entropy::guid();
        self.kept().uploads.insert(id.clone(), Upload { draft: draft.into(), attachment, size });
        id
    }

    /// Takes the next piece of an attachment. Pieces come in order (fragments out of order are refused by Graph too).
    pub(super) fn upload(
        &self,
        session: &str,
        range: Range,
        octets: &[u8],
    ) -> Result<Progress, Refusal> {
        let mut kept = self.kept();
        let upload = kept.uploads.get_mut(session).ok_or_else(Refusal::item_not_found)?;
        let received = upload.attachment.octets.len();
        let fits = range.first == received
            && range.total == upload.size
            && range.last < range.total
            && range.last + 1 - range.first == octets.len();
        if !fits {
            return Err(Refusal::bad_request(
                "ErrorInvalidRange",
                "The range is not the one that is expected next.",
            ));
        }
        upload.attachment.octets.extend_from_slice(octets);
        if upload.attachment.octets.len() < upload.size {
            return Ok(Progress::Next(upload.attachment.octets.len()));
        }
        let Some(Upload { draft, attachment, .. }) = kept.uploads.remove(session) else {
            return Err(Refusal::item_not_found());
        };
        let owned = kept.drafts.get_mut(&draft).ok_or_else(Refusal::item_not_found)?;
        owned.draft.attachments.push(attachment);
        Ok(Progress::Whole)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
