//! The header of a message while it streams in: where it ends, and its fields.
//!
//! Whom a message goes to is decided by how Exchange reads it. So that this reading can't differ from
//! the one here, what could be read in two ways goes on in a form that can't, or not at all.

use memchr::{memchr, memchr2};

/// The longest header. Room for 500 recipients, which is all that Exchange takes, and for the traces
/// of many hops; it is the one part of a message that is held in memory whole.
pub(super) const LONGEST: usize = 128 * 1024;

/// A header that isn't whole yet.
#[derive(Debug, Default)]
pub(super) struct Reader {
    octets: Vec<u8>,
    /// Where the line begins whose end isn't there yet.
    line: usize,
    /// As far as was looked for that end.
    searched: usize,
}

/// A message's header, and what came of its body with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// The fields, each line with its ending.
    pub(super) header: Vec<u8>,
    /// The octets behind the blank line.
    pub(super) body: Vec<u8>,
}

/// The header outgrew [`LONGEST`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// A line of the header holds a NUL, or a carriage return in its middle: one reader's line may be
/// another's two.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ambiguous;

impl Reader {
    /// Takes the next octets; `None` where the header goes on.
    pub(super) fn take(&mut self, octets: &[u8]) -> Result<Option<Split>, TooLong> {
        self.octets.extend_from_slice(octets);
        while let Some(at) = memchr(b'\n', &self.octets[self.searched..]) {
            let end = self.searched + at + 1;
            let line = &self.octets[self.line..end];
            if content(line).is_empty() {
                return Ok(Some(self.split(self.line, end)));
            }
            if self.line == 0 && is_envelope(line) {
                self.octets.drain(..end);
                (self.line, self.searched) = (0, 0);
                continue;
            }
            if !self.is_of_header(line) {
                return Ok(Some(self.split(self.line, self.line)));
            }
            (self.line, self.searched) = (end, end);
        }
        self.searched = self.octets.len();
        if self.searched > LONGEST { Err(TooLong) } else { Ok(None) }
    }

    /// The message has ended.
    pub(super) fn finish(mut self) -> Split {
        if self.line < self.octets.len() {
            if !self.is_of_header(&self.octets[self.line..]) {
                return self.split(self.line, self.line);
            }
            self.octets.extend_from_slice(b"\r\n");
        }
        Split { header: self.octets, body: Vec::new() }
    }

    /// Whether the next line belongs to the header. Programs that forget the blank line have their
    /// body where the first line is that doesn't. A continuation has to have something before it, or
    /// it would continue a field that is put in front.
    fn is_of_header(&self, line: &[u8]) -> bool {
        let continues = self.line > 0 && line.first().is_some_and(|octet| b" \t".contains(octet));
        continues || name(line).is_some()
    }

    fn split(&mut self, header: usize, body: usize) -> Split {
        let mut octets = std::mem::take(&mut self.octets);
        let body = octets.split_off(body);
        octets.truncate(header);
        Split { header: octets, body }
    }
}

/// A mailbox file's separator, which some programs leave above a message.
fn is_envelope(line: &[u8]) -> bool {
    line.starts_with(b"From ") && name(line).is_none() || line.starts_with(b">From ")
}

/// A line without its ending, before whose line feed some programs write carriage returns for two.
fn content(line: &[u8]) -> &[u8] {
    let mut content = line.strip_suffix(b"\n").unwrap_or(line);
    while let Some(shorter) = content.strip_suffix(b"\r") {
        content = shorter;
    }
    content
}

/// The header as every reader reads it: all lines end in CRLF, and none consists of blanks, which some
/// take for the header's end.
pub(super) fn unambiguous(header: &[u8]) -> Result<Vec<u8>, Ambiguous> {
    let mut lines = Vec::with_capacity(header.len());
    for line in header.split_inclusive(|octet| *octet == b'\n').map(content) {
        if memchr2(b'\r', b'\0', line).is_some() {
            return Err(Ambiguous);
        }
        if !line.trim_ascii().is_empty() {
            lines.extend_from_slice(line);
            lines.extend_from_slice(b"\r\n");
        }
    }
    Ok(lines)
}

/// `field-name`, which blanks may follow before the colon (RFC 5322 section 4.5).
fn name(line: &[u8]) -> Option<&[u8]> {
    let name = line[..memchr(b':', line)?].trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(name)
}

/// The fields of a header, each with its continuation lines.
pub(super) fn fields(header: &[u8]) -> Vec<Field<'_>> {
    let mut starts = Vec::new();
    let mut at = 0;
    for line in header.split_inclusive(|octet| *octet == b'\n') {
        if name(line).is_some() || starts.is_empty() {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([header.len()]);
    starts.iter().zip(ends).map(|(start, end)| Field(&header[*start..end])).collect()
}

/// A field with its continuation lines and line endings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a>(pub(super) &'a [u8]);

impl<'a> Field<'a> {
    /// Whether it is called `other`.
    pub(super) fn is(self, other: &str) -> bool {
        name(self.0).is_some_and(|name| name.eq_ignore_ascii_case(other.as_bytes()))
    }

    /// What stands behind the colon, folded as it is.
    pub(super) fn value(self) -> &'a [u8] {
        memchr(b':', self.0).map_or(&[], |colon| &self.0[colon + 1..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The message in pieces of that many octets, put together from its split again.
    fn split(message: &[u8], piece: usize) -> Split {
        let mut reader = Reader::default();
        let mut pieces = message.chunks(piece);
        let mut split = loop {
            let Some(octets) = pieces.next() else {
                return reader.finish();
            };
            if let Some(split) = reader.take(octets).unwrap() {
                break split;
            }
        };
        split.body.extend(pieces.flatten());
        split
    }

    #[test]
    fn a_header_ends_where_its_fields_do() {
        for (message, header, body) in [
            ("A: 1\r\nB: 2\r\n 3\r\n\r\nbody\r\n", "A: 1\r\nB: 2\r\n 3\r\n", "body\r\n"),
            ("A: 1\n\nbody\n", "A: 1\n", "body\n"),
            ("\r\nbody", "", "body"),
            ("hello\r\nA: 1\r\n", "", "hello\r\nA: 1\r\n"),
            ("A: 1\r\nhello, world\r\n", "A: 1\r\n", "hello, world\r\n"),
            ("A: 1\r\nB: 2", "A: 1\r\nB: 2\r\n", ""),
            ("A: 1\r\nhello", "A: 1\r\n", "hello"),
            // Nothing stands before the first line that it could continue.
            (" A: 1\r\nB: 2\r\n\r\nx", "", " A: 1\r\nB: 2\r\n\r\nx"),
            ("From a@b Mon\n A: 1\nB: 2\n", "", " A: 1\nB: 2\n"),
            // A continuation line all the same.
            ("A: 1\r\n \t\r\nB: 2\r\n\r\nx", "A: 1\r\n \t\r\nB: 2\r\n", "x"),
            ("A: 1\r\r\n\r\r\nx", "A: 1\r\r\n", "x"),
            ("From : a@b\r\n\r\nx", "From : a@b\r\n", "x"),
            ("From a@b Mon Nov 23 10:00:00\nA : 1\n\nx", "A : 1\n", "x"),
            ("", "", ""),
        ] {
            for piece in 1..=message.len().max(1) {
                let Split { header: found, body: rest } = split(message.as_bytes(), piece);
                assert_eq!(String::from_utf8_lossy(&found), header, "{message:?} by {piece}");
                assert_eq!(String::from_utf8_lossy(&rest), body, "{message:?} by {piece}");
            }
        }
    }

    #[test]
    fn a_header_without_end_is_too_long() {
        let mut reader = Reader::default();
        let line = [&b"X: "[..], &[b'x'; 1000], b"\r\n"].concat();
        let taken = (0..200).find_map(|_| reader.take(&line).err());
        assert_eq!(taken, Some(TooLong));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_written_in_one() {
        let read = |header: &[u8]| unambiguous(header).map(|text| String::from_utf8(text).unwrap());
        let plain = "A: 1\r\n 2\r\nB: 3\r\n";
        for header in [
            plain,
            "A: 1\n 2\nB: 3\n",
            "A: 1\r\n \t \r\n 2\r\nB: 3\r\n\t\r\n",
            "A: 1\r\r\n 2\r\nB: 3\r\r\r\n",
        ] {
            assert_eq!(read(header.as_bytes()).as_deref(), Ok(plain), "{header:?}");
        }
        for header in
            [&b"A: 1\rBcc: x@y.example\r\n"[..], b"A: 1\r\n\0B: 2\r\n", b"A: 1\r \r\n", b"\rA: 1\n"]
        {
            assert_eq!(read(header), Err(Ambiguous), "{header:?}");
        }
    }

    #[test]
    fn fields_keep_their_continuation_lines() {
        let header = b"To : a\r\n b\r\nSubject: c\r\n";
        let found = fields(header);
        assert_eq!(found.len(), 2);
        assert!(found[0].is("to") && !found[0].is("Subject"));
        assert_eq!(found[0].value(), b" a\r\n b\r\n");
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            message in proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), Just(b' '), any::<u8>()], 0..120),
            piece in 1_usize..20,
        ) {
            prop_assert_eq!(split(&message, piece), split(&message, message.len().max(1)));
        }
    }
}
