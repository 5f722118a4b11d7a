//! The header of a message on its way out (RFC 5322 section 2.2): where it ends, and what is changed
//! in it. Fields that aren't changed keep every octet, their folding included.

use std::ops::Range;

use super::submission::Pattern;

/// What to change in a header.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// Whose address the author's has to be.
    pub author: Option<Author>,
    /// The value of a Date field, where there is none.
    pub date: Option<String>,
    /// The value of a Message-ID field, where there is none.
    pub message_id: Option<String>,
}

/// Who may stand in the From field.
#[derive(Clone, Debug)]
pub struct Author {
    /// The address that takes the place of others.
    pub mailbox: String,
    /// The others that may stay.
    pub permitted: Vec<Pattern>,
}

/// What was done with a message, or why something wasn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The From field names the mailbox now.
    From,
    /// The former author stands in the Reply-To field.
    ReplyTo,
    /// A Date field was added.
    Date,
    /// A Message-ID field was added.
    MessageId,
    /// Line feeds without carriage returns became line ends.
    LineFeeds,
    /// The message is signed or sealed (DKIM, ARC, S/MIME, PGP/MIME), so its header was left alone.
    LeftSigned,
    /// The header is longer than is held, so it was left alone.
    LeftLong,
}

impl Change {
    /// Its name in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::ReplyTo => "reply_to",
            Self::Date => "date",
            Self::MessageId => "message_id",
            Self::LineFeeds => "bare_lf",
            Self::LeftSigned => "left_alone_signed",
            Self::LeftLong => "left_alone_long_header",
        }
    }
}

impl Edits {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.author.is_none() && self.date.is_none() && self.message_id.is_none()
    }

    /// The header `block`, changed; it ends where the [`Scan`] says.
    pub fn apply(&self, block: &[u8]) -> (Vec<u8>, Vec<Change>) {
        let fields: Vec<Field<'_>> = Fields(block).collect();
        if fields.iter().any(Field::vouches) {
            return (block.to_vec(), vec![Change::LeftSigned]);
        }
        let mut draft = Draft::default();
        let has = |name| fields.iter().any(|field| field.is(name));
        // The line before the header in a mailbox file stays first.
        let postmark = fields.first().filter(|first| is_postmark(first.0));
        draft.text.extend_from_slice(postmark.map_or(&[], |line| line.0));
        if let Some(author) = self.author.as_ref().filter(|_| !has("From")) {
            draft.add("From", &format!("<{}>", author.mailbox), Change::From);
        }
        if let Some(date) = self.date.as_ref().filter(|_| !has("Date")) {
            draft.add("Date", date, Change::Date);
        }
        if let Some(id) = self.message_id.as_ref().filter(|_| !has("Message-ID")) {
            draft.add("Message-ID", id, Change::MessageId);
        }
        let replies = fields.iter().find(|field| field.is("Reply-To"));
        for field in fields.iter().skip(usize::from(postmark.is_some())) {
            match &self.author {
                Some(author) if field.is("From") => draft.author(field, author, replies),
                _ => draft.text.extend_from_slice(field.0),
            }
        }
        if block.is_empty() && !draft.text.is_empty() {
            // A message without a header: what follows is its body.
            draft.text.extend_from_slice(b"\r\n");
        }
        (draft.text, draft.changes)
    }
}

#[derive(Default)]
struct Draft {
    text: Vec<u8>,
    changes: Vec<Change>,
    authored: bool,
}

impl Draft {
    fn add(&mut self, name: &str, value: &str, change: Change) {
        self.text.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        self.changes.push(change);
    }

    /// A From field: it stays if everyone in it may, else the mailbox takes their place. Of several
    /// From fields (550 5.1.20 at Exchange) only the first is kept then.
    fn author(&mut self, field: &Field<'_>, author: &Author, replies: Option<&Field<'_>>) {
        let addresses = addresses(field.value());
        let permitted = |address: &Range<usize>| author.permits(&field.value()[address.clone()]);
        if !addresses.is_empty() && addresses.iter().all(permitted) {
            return self.text.extend_from_slice(field.0);
        }
        if std::mem::replace(&mut self.authored, true) {
            return;
        }
        self.changes.push(Change::From);
        self.text.extend_from_slice(b"From:");
        self.text.extend_from_slice(name(field.value(), &addresses));
        self.text.extend_from_slice(format!("<{}>\r\n", author.mailbox).as_bytes());
        if !addresses.is_empty() && replies.is_none() {
            self.changes.push(Change::ReplyTo);
            self.text.extend_from_slice(b"Reply-To:");
            self.text.extend_from_slice(field.value());
        }
    }
}

impl Author {
    fn permits(&self, address: &[u8]) -> bool {
        let Ok(address) = std::str::from_utf8(address) else {
            return false;
        };
        address.eq_ignore_ascii_case(&self.mailbox)
            || self.permitted.iter().any(|pattern| pattern.matches(address))
    }
}

/// A name this long, with an address behind it, stays within a line of 998 octets (RFC 5322 section
/// 2.1.1).
const LONGEST_NAME: usize = 700;

/// What stands before the address of the only author, its folding included; else a space.
fn name<'v>(value: &'v [u8], addresses: &[Range<usize>]) -> &'v [u8] {
    match addresses {
        [address] if address.start > 0 && value[address.start - 1] == b'<' => {
            let name = &value[..address.start - 1];
            let fits = name.len() <= LONGEST_NAME && name.starts_with(b" ");
            if fits { name } else { b" " }
        }
        _ => b" ",
    }
}

/// Where the addresses of a From field's value stand (RFC 5322 sections 3.4 and 4.4): in angle
/// brackets, or words with an `@` outside quoted strings and comments.
fn addresses(value: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut at, mut depth, mut start) = (0, 0_usize, None);
    while at < value.len() {
        let byte = value[at];
        match byte {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            b'"' => {
                start.get_or_insert(at);
                at = quoted(value, at);
            }
            b'<' | b'>' | b',' | b';' | b':' | b' ' | b'\t' | b'\r' | b'\n' => {
                push(&mut found, value, start.take(), at);
            }
            _ => {
                start.get_or_insert(at);
            }
        }
        if depth > 0 && byte == b'(' {
            push(&mut found, value, start.take(), at);
        }
        at += 1;
    }
    push(&mut found, value, start, value.len());
    found
}

/// Where the quoted string that begins at `start` ends.
fn quoted(value: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < value.len() && value[at] != b'"' {
        at += if value[at] == b'\\' { 2 } else { 1 };
    }
    at
}

fn push(found: &mut Vec<Range<usize>>, value: &[u8], start: Option<usize>, end: usize) {
    let Some(start) = start else {
        return;
    };
    let word = &value[start..end.min(value.len())];
    let local = memchr::memrchr(b'@', word).filter(|at| *at > 0 && at + 1 < word.len());
    // An `@` within quotes is part of a name.
    if local.is_some_and(|at| word[0] != b'"' || word[at - 1] == b'"') {
        found.push(start..end.min(value.len()));
    }
}

/// A field with its line ending, or a line that is none.
#[derive(Clone, Copy)]
struct Field<'b>(&'b [u8]);

impl<'b> Field<'b> {
    fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    fn name(&self) -> &'b [u8] {
        let end = memchr::memchr(b':', self.0).unwrap_or_default();
        self.0[..end].trim_ascii_end()
    }

    /// What stands behind the colon, line ending included.
    fn value(&self) -> &'b [u8] {
        let end = memchr::memchr(b':', self.0).map_or(self.0.len(), |colon| colon + 1);
        &self.0[end..]
    }

    /// Whether it says that somebody vouches for the message as it is.
    fn vouches(&self) -> bool {
        const SEALS: [&str; 4] =
            ["DKIM-Signature", "DomainKey-Signature", "ARC-Message-Signature", "ARC-Seal"];
        if SEALS.iter().any(|name| self.is(name)) {
            return true;
        }
        if !self.is("Content-Type") {
            return false;
        }
        let value = self.value().trim_ascii_start().to_ascii_lowercase();
        ["multipart/signed", "application/pkcs7-mime", "application/x-pkcs7-mime"]
            .iter()
            .any(|kind| value.starts_with(kind.as_bytes()))
    }
}

/// The fields of a block, each with its continuation lines; the blank line at the end is one more.
struct Fields<'b>(&'b [u8]);

impl<'b> Iterator for Fields<'b> {
    type Item = Field<'b>;

    fn next(&mut self) -> Option<Field<'b>> {
        let mut end = line_end(self.0, 0)?;
        while self.0.get(end).is_some_and(|byte| is_space(*byte)) {
            end = line_end(self.0, end)?;
        }
        let (field, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(Field(field))
    }
}

fn line_end(block: &[u8], from: usize) -> Option<usize> {
    let rest = block.get(from..).filter(|rest| !rest.is_empty())?;
    Some(from + memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1))
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Looks for the end of a header that comes in pieces.
#[derive(Debug, Default)]
pub struct Scan {
    at: usize,
}

impl Scan {
    /// Where the header at the beginning of `text` ends: behind its blank line, or before a line that
    /// is no field. `text` has grown since the last call, and is otherwise the same.
    pub fn end(&mut self, text: &[u8]) -> Option<usize> {
        while let Some(length) = memchr::memchr(b'\n', &text[self.at..]) {
            let (start, end) = (self.at, self.at + length + 1);
            let line = &text[start..end];
            if line == b"\r\n" || line == b"\n" {
                return Some(end);
            }
            let continues = start > 0 && is_space(line[0]);
            let first = start == 0 && is_postmark(line);
            if !(continues || first || is_field(line)) {
                return Some(start);
            }
            self.at = end;
        }
        None
    }
}

/// `field-name ":"`, a space before the colon tolerated (RFC 5322 sections 2.2 and 4.5).
fn is_field(line: &[u8]) -> bool {
    memchr::memchr(b':', line).is_some_and(|colon| {
        let name = line[..colon].trim_ascii_end();
        !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
    })
}

/// `From someone Thu Jan  1 00:00:00 1970`, the line before a message in a mailbox file.
fn is_postmark(line: &[u8]) -> bool {
    line.starts_with(b"From ") && !is_field(line) || line.starts_with(b">From ")
}

#[cfg(test)]
mod tests;
