//! SEARCH: whether a message is what the client looks for (RFC 3501 section 6.4.4).

use imap_codec::imap_types::datetime::NaiveDate;
use imap_codec::imap_types::search::SearchKey;
use mail_parser::{Header, HeaderValue};

use crate::store::{Flag, Message};

use super::section::{Anatomy, field_name, header_end, header_fields};
use super::selection::{Numbering, Place, Selection};

const SECONDS_PER_DAY: i64 = 86_400;

/// One message that is held against the keys.
pub(super) struct Search<'s> {
    selection: &'s Selection,
    place: Place,
    message: &'s Message,
    anatomy: Anatomy<'s>,
}

impl<'s> Search<'s> {
    pub(super) fn new(selection: &'s Selection, place: Place, message: &'s Message) -> Self {
        Self { selection, place, message, anatomy: Anatomy::new(&message.raw) }
    }

    pub(super) fn matches(&self, key: &SearchKey<'_>) -> bool {
        match key {
            SearchKey::All => true,
            SearchKey::And(keys) => keys.as_ref().iter().all(|key| self.matches(key)),
            SearchKey::Or(one, other) => self.matches(one) || self.matches(other),
            SearchKey::Not(key) => !self.matches(key),
            SearchKey::SequenceSet(set) => {
                self.selection.contains(set, Numbering::Sequence, self.place)
            }
            SearchKey::Uid(set) => self.selection.contains(set, Numbering::Uid, self.place),
            SearchKey::Larger(size) => self.message.raw.len() > *size as usize,
            SearchKey::Smaller(size) => self.message.raw.len() < *size as usize,
            key => self
                .matches_flag(key)
                .or_else(|| self.matches_date(key))
                .unwrap_or_else(|| self.matches_text(key)),
        }
    }

    fn matches_flag(&self, key: &SearchKey<'_>) -> Option<bool> {
        let recent = self.selection.is_recent(self.place.uid);
        let has = |flag| self.message.has(&flag);
        Some(match key {
            SearchKey::Answered => has(Flag::Answered),
            SearchKey::Deleted => has(Flag::Deleted),
            SearchKey::Draft => has(Flag::Draft),
            SearchKey::Flagged => has(Flag::Flagged),
            SearchKey::Seen => has(Flag::Seen),
            SearchKey::Keyword(keyword) => has(Flag::Keyword(keyword.to_string())),
            SearchKey::Unanswered => !has(Flag::Answered),
            SearchKey::Undeleted => !has(Flag::Deleted),
            SearchKey::Undraft => !has(Flag::Draft),
            SearchKey::Unflagged => !has(Flag::Flagged),
            SearchKey::Unseen => !has(Flag::Seen),
            SearchKey::Unkeyword(keyword) => !has(Flag::Keyword(keyword.to_string())),
            SearchKey::Recent => recent,
            SearchKey::Old => !recent,
            SearchKey::New => recent && !has(Flag::Seen),
            _ => return None,
        })
    }

    /// Dates are days; what day it was is said by the date itself, not by a time zone.
    fn matches_date(&self, key: &SearchKey<'_>) -> Option<bool> {
        let received = self.message.internal_date.div_euclid(SECONDS_PER_DAY);
        let sent = || self.sent_day();
        Some(match key {
            SearchKey::Before(date) => received < day(date),
            SearchKey::On(date) => received == day(date),
            SearchKey::Since(date) => received >= day(date),
            SearchKey::SentBefore(date) => sent().is_some_and(|sent| sent < day(date)),
            SearchKey::SentOn(date) => sent().is_some_and(|sent| sent == day(date)),
            SearchKey::SentSince(date) => sent().is_some_and(|sent| sent >= day(date)),
            _ => return None,
        })
    }

    fn matches_text(&self, key: &SearchKey<'_>) -> bool {
        match key {
            SearchKey::Bcc(text) => self.header_has(b"Bcc", text.as_ref()),
            SearchKey::Cc(text) => self.header_has(b"Cc", text.as_ref()),
            SearchKey::From(text) => self.header_has(b"From", text.as_ref()),
            SearchKey::Subject(text) => self.header_has(b"Subject", text.as_ref()),
            SearchKey::To(text) => self.header_has(b"To", text.as_ref()),
            SearchKey::Header(name, text) => self.header_has(name.as_ref(), text.as_ref()),
            SearchKey::Body(text) => self.body_has(text.as_ref()),
            SearchKey::Text(text) => {
                let header = &self.message.raw[..header_end(&self.message.raw)];
                has(header, text.as_ref()) || self.body_has(text.as_ref())
            }
            _ => false,
        }
    }

    /// In the field as it stands, and in what its encoded words mean.
    fn header_has(&self, name: &[u8], text: &[u8]) -> bool {
        let header = &self.message.raw[..header_end(&self.message.raw)];
        let named = |field: &&[u8]| field_name(field).eq_ignore_ascii_case(name);
        let value = |field: &[u8]| {
            field.get(field_name(field).len() + 1..).is_some_and(|value| has(value, text))
        };
        header_fields(header).filter(named).any(value) || self.decoded_header_has(name, text)
    }

    fn decoded_header_has(&self, name: &[u8], text: &[u8]) -> bool {
        let headers = self.anatomy.parsed().map(mail_parser::Message::headers);
        let mut named = headers
            .unwrap_or_default()
            .iter()
            .filter(|header| header.name().as_bytes().eq_ignore_ascii_case(name));
        named.any(|header| decoded_has(header, text))
    }

    /// In the octets as they are, and in the parts decoded.
    fn body_has(&self, text: &[u8]) -> bool {
        let body = &self.message.raw[header_end(&self.message.raw)..];
        let decoded = || {
            let parts = self.anatomy.parsed().map(|message| message.parts.as_slice());
            parts
                .unwrap_or_default()
                .iter()
                .any(|part| part.is_text() && has(part.contents(), text))
        };
        has(body, text) || decoded()
    }

    fn sent_day(&self) -> Option<i64> {
        let date = self.anatomy.parsed()?.date()?;
        Some(date.to_timestamp_local().div_euclid(SECONDS_PER_DAY))
    }
}

fn decoded_has(header: &Header<'_>, text: &[u8]) -> bool {
    match &header.value {
        HeaderValue::Text(value) => has(value.as_bytes(), text),
        HeaderValue::Address(addresses) => addresses
            .iter()
            .filter_map(|address| address.name.as_deref())
            .any(|name| has(name.as_bytes(), text)),
        _ => false,
    }
}

/// Days since the Unix epoch.
fn day(date: &NaiveDate) -> i64 {
    let midnight = date.as_ref().and_hms_opt(0, 0, 0);
    midnight.map_or(0, |midnight| midnight.and_utc().timestamp().div_euclid(SECONDS_PER_DAY))
}

/// Case is ignored, for ASCII on the octets and else by what Unicode takes for lower case.
fn has(haystack: &[u8], needle: &[u8]) -> bool {
    if needle.is_ascii() {
        return needle.is_empty()
            || haystack.windows(needle.len()).any(|part| part.eq_ignore_ascii_case(needle));
    }
    let lower = |octets: &[u8]| String::from_utf8_lossy(octets).to_lowercase();
    lower(haystack).contains(&lower(needle))
}
