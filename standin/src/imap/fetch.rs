//! FETCH: what is asked of each message, written out.

use std::sync::Arc;

use imap_codec::imap_types::IntoStatic;
use imap_codec::imap_types::core::AString;
use imap_codec::imap_types::fetch::{
    MacroOrMessageDataItemNames, MessageDataItemName, Part, Section,
};
use mail_parser::MessageParser;

use crate::store::{Flag, Message};

use super::envelope;
use super::response::Response;
use super::section::{Anatomy, Octets};
use super::selection::Numbering;
use super::structure::{self, Detail};

type Item<'c> = MessageDataItemName<'c>;

/// The items of a FETCH, in the order in which they are answered.
pub(super) struct Items<'c>(Vec<Item<'c>>);

impl<'c> Items<'c> {
    /// UID FETCH answers with the UID whether it was asked for or not.
    pub(super) fn new(asked: MacroOrMessageDataItemNames<'c>, numbering: Numbering) -> Self {
        let mut items = match asked {
            MacroOrMessageDataItemNames::Macro(all) => {
                all.expand().into_iter().map(IntoStatic::into_static).collect()
            }
            MacroOrMessageDataItemNames::MessageDataItemNames(items) => items,
        };
        if numbering == Numbering::Uid && !items.contains(&Item::Uid) {
            items.insert(0, Item::Uid);
        }
        Self(items)
    }

    /// Whether reading these marks a message as seen.
    pub(super) fn set_seen(&self) -> bool {
        self.0.iter().any(|item| match item {
            Item::Rfc822 | Item::Rfc822Text => true,
            Item::BodyExt { peek, .. } => !peek,
            _ => false,
        })
    }

    /// The flags are told although nobody asked, because reading has changed them.
    pub(super) fn with_flags(&self) -> Self {
        let mut items = self.0.clone();
        if !items.contains(&Item::Flags) {
            items.push(Item::Flags);
        }
        Self(items)
    }

    /// Writes one FETCH response. `flags` as this session sees them.
    pub(super) fn write(
        &self,
        sequence: usize,
        message: &Message,
        flags: &str,
        response: &mut Response,
    ) {
        let page = Page { message, flags, anatomy: Anatomy::new(&message.raw) };
        response.text(&format!("* {sequence} FETCH ("));
        for (index, item) in self.0.iter().enumerate() {
            if index > 0 {
                response.text(" ");
            }
            page.write(item, response);
        }
        response.line(")");
    }
}

/// One message while its items are written.
struct Page<'m> {
    message: &'m Message,
    flags: &'m str,
    anatomy: Anatomy<'m>,
}

impl Page<'_> {
    fn write(&self, item: &Item<'_>, response: &mut Response) {
        let raw = &self.message.raw;
        match item {
            Item::Uid => response.text(&format!("UID {}", self.message.uid)),
            Item::Flags => response.text(&format!("FLAGS {}", self.flags)),
            Item::InternalDate => {
                let date = internal_date(self.message.internal_date);
                response.text(&format!("INTERNALDATE \"{date}\""));
            }
            Item::Rfc822Size => response.text(&format!("RFC822.SIZE {}", raw.len())),
            Item::Envelope => self.write_envelope(response),
            Item::Body => self.write_structure("BODY ", Detail::Basic, response),
            Item::BodyStructure => {
                self.write_structure("BODYSTRUCTURE ", Detail::Extended, response);
            }
            Item::Rfc822 => self.write_section("RFC822 ", None, None, response),
            Item::Rfc822Header => {
                self.write_section("RFC822.HEADER ", Some(&Section::Header(None)), None, response);
            }
            Item::Rfc822Text => {
                self.write_section("RFC822.TEXT ", Some(&Section::Text(None)), None, response);
            }
            Item::BodyExt { section, partial, .. } => {
                let partial = partial.map(|(from, count)| (from, count.get()));
                let origin = partial.map_or_else(String::new, |(from, _)| format!("<{from}>"));
                let label = format!("BODY[{}]{origin} ", label(section.as_ref()));
                self.write_section(&label, section.as_ref(), partial, response);
            }
            // BINARY is not announced; an item of it has no value.
            _ => response.text("X-UNKNOWN NIL"),
        }
    }

    fn write_envelope(&self, response: &mut Response) {
        response.text("ENVELOPE ");
        let header = MessageParser::default().parse_headers(&self.message.raw[..]);
        let part = header.as_ref().and_then(|message| message.parts.first());
        let headers = part.map(|part| part.headers.as_slice());
        envelope::write(headers.unwrap_or_default(), &self.message.raw, response);
    }

    fn write_structure(&self, label: &str, detail: Detail, response: &mut Response) {
        response.text(label);
        structure::write(&self.message.raw, &self.anatomy, detail, response);
    }

    fn write_section(
        &self,
        label: &str,
        section: Option<&Section<'_>>,
        partial: Option<(u32, u32)>,
        response: &mut Response,
    ) {
        response.text(label);
        let whole = 0..self.message.raw.len();
        let octets = match section {
            None => Some(Octets::Stretch(whole)),
            Some(section) => self.anatomy.section(section),
        };
        match octets {
            None => response.text("NIL"),
            Some(Octets::Stretch(range)) => {
                let (from, to) = window(range.len(), partial);
                let range = range.start + from..range.start + to;
                response.octets(&self.message.raw, range);
            }
            Some(Octets::Picked(picked)) => {
                let (from, to) = window(picked.len(), partial);
                response.octets(&Arc::from(picked), from..to);
            }
        }
    }
}

/// Reading without PEEK marks a message as seen.
pub(super) fn unseen(message: &Message) -> bool {
    !message.has(&Flag::Seen)
}

/// `date-time` of RFC 3501: ` 7-Nov-2026 10:00:00 +0000`.
fn internal_date(seconds: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = mail_parser::DateTime::from_timestamp(seconds);
    let month = MONTHS.get(usize::from(date.month).wrapping_sub(1));
    format!(
        "{:2}-{}-{:04} {:02}:{:02}:{:02} +0000",
        date.day,
        month.unwrap_or(&"Jan"),
        date.year,
        date.hour,
        date.minute,
        date.second
    )
}

/// What a partial fetch leaves of `length` octets.
fn window(length: usize, partial: Option<(u32, u32)>) -> (usize, usize) {
    let Some((from, count)) = partial else {
        return (0, length);
    };
    let from = length.min(from as usize);
    (from, length.min(from.saturating_add(count as usize)))
}

/// The section as it stands between the brackets of the response.
fn label(section: Option<&Section<'_>>) -> String {
    match section {
        None => String::new(),
        Some(Section::Part(part)) => number(part),
        Some(Section::Mime(part)) => format!("{}.MIME", number(part)),
        Some(Section::Header(part)) => format!("{}HEADER", prefix(part.as_ref())),
        Some(Section::Text(part)) => format!("{}TEXT", prefix(part.as_ref())),
        Some(Section::HeaderFields(part, names)) => {
            let names = field_names(names.as_ref());
            format!("{}HEADER.FIELDS {names}", prefix(part.as_ref()))
        }
        Some(Section::HeaderFieldsNot(part, names)) => {
            let names = field_names(names.as_ref());
            format!("{}HEADER.FIELDS.NOT {names}", prefix(part.as_ref()))
        }
    }
}

fn prefix(part: Option<&Part>) -> String {
    part.map_or_else(String::new, |part| format!("{}.", number(part)))
}

fn number(part: &Part) -> String {
    let numbers: Vec<String> = part.0.as_ref().iter().map(ToString::to_string).collect();
    numbers.join(".")
}

fn field_names(names: &[AString<'_>]) -> String {
    let name = |name: &AString<'_>| String::from_utf8_lossy(name.as_ref()).to_ascii_uppercase();
    super::response::parenthesized(names.iter().map(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use imap_codec::imap_types::command::CommandBody;

    use crate::store::MailStore;

    use super::*;
    use crate::imap::grammar;

    const ALL: &[u8] =
        b"a FETCH 1 (BODY BODYSTRUCTURE ENVELOPE RFC822 RFC822.HEADER BODY[1] BODY[1.MIME] \
        BODY[2.HEADER] BODY[2.TEXT] BODY[2.1]<1.2> BODY[2.HEADER.FIELDS (A Subject)])\r\n";

    const MESSAGE: &[u8] = b"Subject: =?utf-8?B?w5w=?=\r\nFrom: group: a@b, \"c\" <d>;\r\n\
        Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        AAAA\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n--x--\r\n";

    fn fetch(raw: &[u8]) -> Vec<u8> {
        let CommandBody::Fetch { macro_or_item_names, .. } = grammar::read(ALL).unwrap().body
        else {
            panic!("not a FETCH");
        };
        let store = MailStore::new();
        store.deliver("a", "INBOX", raw);
        let items = Items::new(macro_or_item_names, Numbering::Sequence);
        let mut response = Response::default();
        items.write(1, &store.messages("a", "INBOX")[0], "()", &mut response);
        response.segments().iter().flat_map(|segment| segment.bytes().iter().copied()).collect()
    }

    /// imap-codec reads what was written here, whatever is left of the message.
    fn is_well_formed(response: &[u8]) -> bool {
        use imap_codec::ResponseCodec;
        use imap_codec::decode::Decoder as _;
        matches!(ResponseCodec::new().decode(response), Ok((b"", _)))
    }

    #[test]
    fn a_message_cut_anywhere_is_shown_in_good_form() {
        for end in 0..=MESSAGE.len() {
            let response = fetch(&MESSAGE[..end]);
            assert!(is_well_formed(&response), "{}", String::from_utf8_lossy(&response));
        }
    }

    #[test]
    fn a_message_without_any_one_octet_is_shown_in_good_form() {
        for gap in 0..MESSAGE.len() {
            let raw = [&MESSAGE[..gap], &MESSAGE[gap + 1..]].concat();
            let response = fetch(&raw);
            assert!(is_well_formed(&response), "{}", String::from_utf8_lossy(&response));
        }
    }

    #[test]
    fn octets_that_are_no_message_are_shown_in_good_form() {
        for raw in [&b"\r\n"[..], b"\n\n\n", b"\xff\xfe", b": \r\n :\r\n", b"--x--"] {
            let response = fetch(raw);
            assert!(is_well_formed(&response), "{}", String::from_utf8_lossy(&response));
        }
    }
}
