//! Which octets a section of a message names: `BODY[1.2.HEADER.FIELDS (…)]` (RFC 3501 section 6.4.5).

use std::cell::OnceCell;
use std::ops::Range;

use imap_codec::imap_types::core::AString;
use imap_codec::imap_types::fetch::{Part, Section};
use mail_parser::{Encoding, MessageParser, MessagePart, PartType};

/// The octets of a section: a stretch of the message, or headers picked out of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Octets {
    Stretch(Range<usize>),
    Picked(Vec<u8>),
}

/// Which fields of a header are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pick {
    Named,
    Others,
}

/// A message that is taken apart no further than the items asked for need it.
pub(super) struct Anatomy<'m> {
    raw: &'m [u8],
    parsed: OnceCell<Option<mail_parser::Message<'m>>>,
}

impl<'m> Anatomy<'m> {
    pub(super) fn new(raw: &'m [u8]) -> Self {
        Self { raw, parsed: OnceCell::new() }
    }

    /// The MIME tree; `None` for octets that do not even begin with a header field.
    pub(super) fn parsed(&self) -> Option<&mail_parser::Message<'m>> {
        let parse = || MessageParser::default().parse(self.raw);
        self.parsed.get_or_init(parse).as_ref()
    }

    /// `None` where the message has no such part.
    pub(super) fn section(&self, section: &Section<'_>) -> Option<Octets> {
        match section {
            Section::Part(number) => Some(Octets::Stretch(self.part_body(number)?)),
            Section::Mime(number) => Some(Octets::Stretch(self.header_range(self.part(number)?))),
            Section::Header(number) => Some(Octets::Stretch(self.header(number.as_ref())?)),
            Section::Text(number) => Some(Octets::Stretch(self.text(number.as_ref())?)),
            Section::HeaderFields(number, names) => {
                self.fields(number.as_ref(), names.as_ref(), Pick::Named)
            }
            Section::HeaderFieldsNot(number, names) => {
                self.fields(number.as_ref(), names.as_ref(), Pick::Others)
            }
        }
    }

    /// The header with the empty line that ends it.
    pub(super) fn header(&self, number: Option<&Part>) -> Option<Range<usize>> {
        match number {
            None => Some(0..header_end(self.raw)),
            Some(number) => Some(self.header_range(self.enclosed(number)?.1)),
        }
    }

    pub(super) fn text(&self, number: Option<&Part>) -> Option<Range<usize>> {
        let Some(number) = number else {
            return Some(header_end(self.raw)..self.raw.len());
        };
        let (outer, inner) = self.enclosed(number)?;
        Some(self.stretch(inner.offset_body, outer.offset_end))
    }

    fn fields(&self, number: Option<&Part>, names: &[AString<'_>], pick: Pick) -> Option<Octets> {
        let header = &self.raw[self.header(number)?];
        let named = |field: &[u8]| {
            let names = names.iter().map(AsRef::as_ref);
            let name = field_name(field);
            names.into_iter().any(|wanted: &[u8]| name.eq_ignore_ascii_case(wanted))
        };
        let mut picked = Vec::new();
        for field in header_fields(header) {
            if named(field) == (pick == Pick::Named) {
                picked.extend_from_slice(field);
            }
        }
        picked.extend_from_slice(b"\r\n");
        Some(Octets::Picked(picked))
    }

    fn part_body(&self, number: &Part) -> Option<Range<usize>> {
        let part = self.part(number)?;
        Some(self.stretch(part.offset_body, part.offset_end))
    }

    fn header_range(&self, part: &MessagePart<'_>) -> Range<usize> {
        self.stretch(part.offset_header, part.offset_body)
    }

    /// In a broken message the parser's offsets may lead anywhere.
    fn stretch(&self, start: u32, end: u32) -> Range<usize> {
        let end = self.raw.len().min(end as usize);
        end.min(start as usize)..end
    }

    /// The part of type message/rfc822 and the first part of the message within it.
    fn enclosed(&self, number: &Part) -> Option<(&MessagePart<'m>, &MessagePart<'m>)> {
        let outer = self.part(number)?;
        Some((outer, enclosed_message(outer)?.parts.first()?))
    }

    fn part(&self, number: &Part) -> Option<&MessagePart<'m>> {
        let mut message = self.parsed()?;
        let mut part: Option<&MessagePart<'m>> = None;
        for number in number.0.as_ref() {
            let index = usize::try_from(number.get()).ok()? - 1;
            if let Some(nested) = part.and_then(enclosed_message) {
                message = nested;
                part = None;
            }
            part = Some(child(message, part, index)?);
        }
        part
    }
}

/// The message in a part of type message/rfc822. One that is itself encoded has no octets of its own to point at.
pub(super) fn enclosed_message<'p, 'm>(
    part: &'p MessagePart<'m>,
) -> Option<&'p mail_parser::Message<'m>> {
    match &part.body {
        PartType::Message(message) if part.encoding == Encoding::None => Some(message),
        _ => None,
    }
}

/// The fields of a header, each with its folded lines and line ends; the empty line is not among them.
pub(super) fn header_fields(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = header;
    std::iter::from_fn(move || {
        let end = field_end(rest)?;
        let (field, after) = rest.split_at(end);
        rest = after;
        Some(field)
    })
}

pub(super) fn field_name(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == b':');
    field[..end.unwrap_or(field.len())].trim_ascii_end()
}

/// Where the body begins. A message without an empty line is all header.
pub(super) fn header_end(raw: &[u8]) -> usize {
    let mut at = 0;
    while let Some(end) = line_end(&raw[at..]) {
        let line = &raw[at..at + end];
        at += end;
        if line == b"\r\n" || line == b"\n" {
            return at;
        }
    }
    raw.len()
}

fn child<'p, 'm>(
    message: &'p mail_parser::Message<'m>,
    parent: Option<&'p MessagePart<'m>>,
    index: usize,
) -> Option<&'p MessagePart<'m>> {
    let root = parent.is_none();
    let parent = parent.or_else(|| message.parts.first())?;
    match &parent.body {
        PartType::Multipart(children) => message.parts.get(*children.get(index)? as usize),
        // A message of one part: its number is 1.
        _ if root && index == 0 => Some(parent),
        _ => None,
    }
}

/// The end of the first field of `rest`, its continuation lines included.
fn field_end(rest: &[u8]) -> Option<usize> {
    let first = line_end(rest)?;
    if rest[..first].trim_ascii().is_empty() {
        return None;
    }
    let mut at = first;
    while rest.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
        at += line_end(&rest[at..])?;
    }
    Some(at)
}

/// The length of the first line with its line end; the last line may lack one.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let newline = bytes.iter().position(|byte| *byte == b'\n');
    let end = newline.map_or(bytes.len(), |at| at + 1);
    (end > 0).then_some(end)
}
