//! The header of a message on its way out (RFC 5322 section 2.2): where it ends, and what is changed
//! in it. Fields that aren't changed keep every octet, their folding included.

mod author;

pub use author::Author;

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

/// What was done with a message, or why something wasn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The From field names the mailbox now.
    From,
    /// The Sender field names the mailbox now, or is gone where the From field does so.
    Sender,
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
            Self::Sender => "sender",
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
        let body = fields.get(usize::from(postmark.is_some())..).unwrap_or_default();
        match &self.author {
            Some(author) => draft.authored(body, author),
            None => body.iter().for_each(|field| draft.text.extend_from_slice(field.0)),
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
}

impl Draft {
    fn add(&mut self, name: &str, value: &str, change: Change) {
        self.text.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        self.changes.push(change);
    }

    /// The fields, with the mailbox in place of authors and a sender that aren't permitted. Of several
    /// From fields (550 5.1.20 at Exchange) only the first is kept then.
    fn authored(&mut self, fields: &[Field<'_>], author: &Author) {
        let named = |name| fields.iter().filter(move |field| field.is(name));
        let foreign = named("From").any(|field| !author.may_say(field.value()));
        let authors: usize = named("From").map(|field| author::count(field.value())).sum();
        let replies = named("Reply-To").next().is_some();
        let mut sender = foreign || authors < 2 || named("Sender").next().is_some();
        let mut first = true;
        for field in fields {
            match field {
                _ if foreign && field.is("From") => {
                    if std::mem::take(&mut first) {
                        self.from(field, author);
                        if !replies && author::count(field.value()) > 0 {
                            self.reply_to(field);
                        }
                    }
                }
                _ if field.is("Sender") && !author.may_say(field.value()) => match foreign {
                    true => self.changes.push(Change::Sender),
                    false => self.add("Sender", &format!("<{}>", author.mailbox), Change::Sender),
                },
                _ => self.text.extend_from_slice(field.0),
            }
            let whole = field.0.ends_with(b"\n");
            if whole && field.is("From") && !std::mem::replace(&mut sender, true) {
                // Several authors need one (RFC 5322 section 3.6.2; 550 5.1.20 at Exchange).
                self.add("Sender", &format!("<{}>", author.mailbox), Change::Sender);
            }
        }
    }

    /// The mailbox under the name in the From field `field`.
    fn from(&mut self, field: &Field<'_>, author: &Author) {
        self.changes.push(Change::From);
        self.text.extend_from_slice(b"From:");
        self.text.extend_from_slice(author::name(field.value()));
        self.text.extend_from_slice(format!("<{}>\r\n", author.mailbox).as_bytes());
    }

    /// Whoever stood in the From field `field`.
    fn reply_to(&mut self, field: &Field<'_>) {
        self.changes.push(Change::ReplyTo);
        self.text.extend_from_slice(b"Reply-To:");
        self.text.extend_from_slice(field.value());
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
        const SEALED: [&str; 4] = [
            "multipart/signed",
            "multipart/encrypted",
            "application/pkcs7-mime",
            "application/x-pkcs7-mime",
        ];
        if SEALS.iter().any(|name| self.is(name)) {
            return true;
        }
        if !self.is("Content-Type") {
            return false;
        }
        let value = self.value().trim_ascii_start().to_ascii_lowercase();
        SEALED.iter().any(|kind| value.starts_with(kind.as_bytes()))
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
