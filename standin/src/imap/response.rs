//! Responses on their way out: text, and octets that stay where the store keeps them.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

/// The longest quoted string that is sent; anything longer goes as a literal, which no client has to buffer as a line.
const QUOTED_LIMIT: usize = 1000;

/// What goes out in one write. Large bodies are not copied into it.
#[derive(Debug, Default)]
pub(super) struct Response {
    segments: Vec<Segment>,
}

#[derive(Debug)]
pub(super) enum Segment {
    Text(Vec<u8>),
    Octets(Arc<[u8]>, Range<usize>),
}

impl Segment {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text,
            Self::Octets(raw, range) => &raw[range.clone()],
        }
    }
}

impl Response {
    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// A whole line; the CRLF is added.
    pub(super) fn line(&mut self, line: &str) {
        self.text(line);
        self.text("\r\n");
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// `string = quoted / literal`
    pub(super) fn string(&mut self, value: &[u8]) {
        if !fits_quoted(value) {
            self.text(&format!("{{{}}}\r\n", value.len()));
            return self.bytes(value);
        }
        self.text("\"");
        for byte in value {
            if matches!(byte, b'"' | b'\\') {
                self.bytes(b"\\");
            }
            self.bytes(&[*byte]);
        }
        self.text("\"");
    }

    /// `nstring = string / "NIL"`
    pub(super) fn nstring(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.string(value),
            None => self.text("NIL"),
        }
    }

    /// `mailbox = astring`: an atom where the name is one.
    pub(super) fn folder(&mut self, name: &str) {
        let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./&,+".contains(&byte);
        if !name.is_empty() && name.bytes().all(atom) {
            return self.text(name);
        }
        self.string(name.as_bytes());
    }

    /// A literal whose octets are written straight from the store. `range` lies within `raw`.
    pub(super) fn octets(&mut self, raw: &Arc<[u8]>, range: Range<usize>) {
        self.text(&format!("{{{}}}\r\n", range.len()));
        self.segments.push(Segment::Octets(Arc::clone(raw), range));
    }

    pub(super) fn append(&mut self, other: Self) {
        self.segments.extend(other.segments);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(Segment::Text(text)) = self.segments.last_mut() {
            return text.extend_from_slice(bytes);
        }
        self.segments.push(Segment::Text(bytes.to_vec()));
    }
}

/// `uid-set` of RFC 4315, runs folded into ranges. `uids` ascend.
pub(super) fn uid_set(uids: &[u32]) -> String {
    let mut set = String::new();
    for run in uids.chunk_by(|left, right| left + 1 == *right) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            continue;
        };
        let comma = if set.is_empty() { "" } else { "," };
        // Writing to a string does not fail.
        let _ = match first == last {
            true => write!(set, "{comma}{first}"),
            false => write!(set, "{comma}{first}:{last}"),
        };
    }
    set
}

/// Joins with spaces, in parentheses: `(a b c)`.
pub(super) fn parenthesized<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("({})", items.join(" "))
}

fn fits_quoted(value: &[u8]) -> bool {
    value.len() <= QUOTED_LIMIT && value.iter().all(|byte| (0x20..0x7f).contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Response)) -> Vec<u8> {
        let mut response = Response::default();
        write(&mut response);
        response.segments().iter().flat_map(Segment::bytes).copied().collect()
    }

    #[test]
    fn strings_are_quoted_where_they_may_be() {
        assert_eq!(written(|r| r.string(b"a \"b\"")), b"\"a \\\"b\\\"\"");
        assert_eq!(written(|r| r.string("ä".as_bytes())), "{2}\r\nä".as_bytes());
        assert_eq!(written(|r| r.nstring(None)), b"NIL");
    }

    #[test]
    fn folders_with_spaces_are_quoted() {
        assert_eq!(written(|r| r.folder("Sent Items")), b"\"Sent Items\"");
        assert_eq!(written(|r| r.folder("INBOX")), b"INBOX");
    }

    #[test]
    fn octets_are_a_literal() {
        let raw: Arc<[u8]> = Arc::from(*b"0123456789");
        assert_eq!(written(|r| r.octets(&raw, 2..5)), b"{3}\r\n234");
    }

    #[test]
    fn uid_sets_fold_runs() {
        assert_eq!(uid_set(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(uid_set(&[]), "");
    }
}
