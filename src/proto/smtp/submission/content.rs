//! A message on its way through: framing in, framing out, and the header changed in passing. Nothing
//! is held but a header that is to be changed, and that within a limit.

use memchr::memchr_iter;

use crate::proto::smtp::headers::{Change, Edits, Scan};

/// What is held of a header that is to be changed: a thousand recipients with their names fit. A longer
/// one passes unchanged.
const HEADER_LIMIT: usize = 256 * 1024;

/// How a message goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// With the dots of RFC 5321 section 4.5.2, but without the last one.
    Dotted,
    /// Octet by octet as it is.
    Plain,
}

/// What becomes of line feeds without carriage returns in DATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareLf {
    /// They become line ends.
    Mend,
    /// They stay.
    Keep,
}

/// What was taken of the octets that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// All of them, and the message goes on.
    All,
    /// So many; with them the message has ended.
    Last(usize),
}

/// A message between its first and its last octet.
pub struct Content {
    framing: Framing,
    bare_lf: BareLf,
    place: Place,
    /// The last octet was a carriage return; counts only within a line.
    after_cr: bool,
    mended: bool,
    gate: Gate,
    changes: Vec<Change>,
}

/// Where in DATA the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    /// At the beginning of a line that only a repair made one.
    MendedLineStart,
    /// Behind a dot at the beginning of a line, which may be the last line.
    Dot,
    DotCr,
    Text,
}

enum Gate {
    Open,
    Holding { header: Vec<u8>, scan: Scan, edits: Box<Edits> },
}

impl Content {
    /// A message that is to get `edits` and go out in `framing`.
    pub fn new(framing: Framing, bare_lf: BareLf, edits: Edits) -> Self {
        let gate = match edits.is_empty() {
            true => Gate::Open,
            false => {
                Gate::Holding { header: Vec::new(), scan: Scan::default(), edits: Box::new(edits) }
            }
        };
        Self {
            framing,
            bare_lf,
            place: Place::LineStart,
            after_cr: false,
            mended: false,
            gate,
            changes: Vec::new(),
        }
    }

    /// Takes octets of DATA up to the line with the single dot, which isn't handed on, and appends
    /// what goes out to `out`.
    pub fn data(&mut self, input: &[u8], out: &mut Vec<u8>) -> Taken {
        let mut rest = input;
        if let Gate::Holding { header, .. } = &mut self.gate {
            let mut held = std::mem::take(header);
            let taken = self.unframe(&mut rest, &mut held);
            self.hold(held, out);
            if taken {
                self.finish(out);
                return Taken::Last(input.len() - rest.len());
            }
            return Taken::All;
        }
        match self.unframe(&mut rest, out) {
            true => Taken::Last(input.len() - rest.len()),
            false => Taken::All,
        }
    }

    /// Takes octets of a BDAT chunk and appends what goes out to `out`.
    pub fn chunk(&mut self, input: &[u8], out: &mut Vec<u8>) {
        match &mut self.gate {
            Gate::Open => out.extend_from_slice(input),
            Gate::Holding { header, .. } => {
                let mut held = std::mem::take(header);
                held.extend_from_slice(input);
                self.hold(held, out);
            }
        }
    }

    /// Whether octets go out as they come in, none of them held.
    pub fn is_open(&self) -> bool {
        matches!(self.gate, Gate::Open)
    }

    /// The message ends here: appends what is still held.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Gate::Holding { header, edits, .. } = std::mem::replace(&mut self.gate, Gate::Open) {
            self.change(&edits, &header, out);
        }
    }

    /// What was done with the message so far.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let mended = self.mended.then_some(Change::LineFeeds);
        self.changes.iter().copied().chain(mended)
    }

    /// Keeps `held` until the header in it is whole.
    fn hold(&mut self, held: Vec<u8>, out: &mut Vec<u8>) {
        let Gate::Holding { header, scan, edits } = &mut self.gate else {
            return out.extend_from_slice(&held);
        };
        if let Some(end) = scan.end(&held) {
            let edits = std::mem::take(edits);
            self.gate = Gate::Open;
            self.change(&edits, &held[..end], out);
            out.extend_from_slice(&held[end..]);
        } else if held.len() > HEADER_LIMIT {
            self.gate = Gate::Open;
            self.changes.push(Change::LeftLong);
            out.extend_from_slice(&held);
        } else {
            *header = held;
        }
    }

    fn change(&mut self, edits: &Edits, header: &[u8], out: &mut Vec<u8>) {
        let (text, changes) = edits.apply(header);
        out.extend_from_slice(&text);
        self.changes.extend(changes);
    }

    /// Takes octets from the front of `input`; true once the message has ended.
    fn unframe(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> bool {
        while let Some(&first) = input.first() {
            match (self.place, first) {
                (Place::LineStart, b'.') => self.step(input, Place::Dot),
                (Place::Dot, b'\r') => self.step(input, Place::DotCr),
                (Place::DotCr, b'\n') => {
                    self.step(input, Place::LineStart);
                    return true;
                }
                // Mended, the dot would end the message.
                (Place::Dot, b'\n') if self.bare_lf == BareLf::Mend => self.place = Place::Text,
                (Place::Dot, _) => self.dot(out, b""),
                (Place::DotCr, _) => {
                    self.dot(out, b"\r");
                    self.after_cr = true;
                }
                (Place::MendedLineStart, b'.') if self.framing == Framing::Dotted => {
                    // Content that looks like the service's end of the message.
                    out.push(b'.');
                    self.place = Place::Text;
                }
                _ => {
                    let taken = self.text(input, out);
                    *input = &input[taken..];
                }
            }
        }
        false
    }

    fn step(&mut self, input: &mut &[u8], place: Place) {
        *input = &input[1..];
        self.place = place;
        self.after_cr = false;
    }

    /// The dot was the client's stuffing.
    fn dot(&mut self, out: &mut Vec<u8>, behind: &[u8]) {
        if self.framing == Framing::Dotted {
            out.push(b'.');
        }
        out.extend_from_slice(behind);
        self.place = Place::Text;
    }

    /// Hands on octets up to where something has to be looked at: how many.
    fn text(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let after_cr = std::mem::take(&mut self.after_cr);
        self.place = Place::Text;
        for end in memchr_iter(b'\n', input) {
            let whole = if end == 0 { after_cr } else { input[end - 1] == b'\r' };
            if whole && input.get(end + 1).is_none_or(|next| *next == b'.') {
                out.extend_from_slice(&input[..=end]);
                self.place = Place::LineStart;
                return end + 1;
            }
            if !whole && self.bare_lf == BareLf::Mend {
                out.extend_from_slice(&input[..end]);
                out.extend_from_slice(b"\r\n");
                self.mended = true;
                self.place = Place::MendedLineStart;
                return end + 1;
            }
        }
        out.extend_from_slice(input);
        self.after_cr = input.last() == Some(&b'\r');
        input.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn passed(framing: Framing, bare_lf: BareLf, pieces: &[&[u8]]) -> (Vec<u8>, Option<usize>) {
        let mut content = Content::new(framing, bare_lf, Edits::default());
        let (mut out, mut before) = (Vec::new(), 0);
        for piece in pieces {
            if let Taken::Last(count) = content.data(piece, &mut out) {
                return (out, Some(before + count));
            }
            before += piece.len();
        }
        (out, None)
    }

    #[test]
    fn a_message_ends_at_its_dot_alone() {
        for (sent, plain, dotted) in [
            (&b".\r\n"[..], &b""[..], &b""[..]),
            (b"a\r\n.\r\n", b"a\r\n", b"a\r\n"),
            (b"..\r\n.\r\n", b".\r\n", b"..\r\n"),
            (b".a\r\n.\r\n", b"a\r\n", b".a\r\n"),
            (b".\rx\r\n.\r\n", b"\rx\r\n", b".\rx\r\n"),
            (b"a\r\n\r\n.\r\n", b"a\r\n\r\n", b"a\r\n\r\n"),
            // What a lax service would take for the end (SMTP smuggling).
            (b"a\n.\r\nb\r\n.\r\n", b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n"),
            (b"a\n.\nb\r\n.\r\n", b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n"),
            (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\r\nb\r\n", b"a\r\n\r\nb\r\n"),
            (b"\na\r\n.\r\n", b"\r\na\r\n", b"\r\na\r\n"),
        ] {
            let all = Some(sent.len());
            assert_eq!(
                passed(Framing::Plain, BareLf::Mend, &[sent]),
                (plain.to_vec(), all),
                "{sent:?}"
            );
            assert_eq!(
                passed(Framing::Dotted, BareLf::Mend, &[sent]),
                (dotted.to_vec(), all),
                "{sent:?}"
            );
        }
    }

    #[test]
    fn without_the_repair_every_octet_stays() {
        let sent = b"a\n.\r\nb\n\n.c\r\n..\r\n.\r\nQUIT\r\n";
        let (out, end) = passed(Framing::Dotted, BareLf::Keep, &[sent]);
        assert_eq!(out, b"a\n.\r\nb\n\n.c\r\n..\r\n");
        assert_eq!(end, Some(sent.len() - 6));
    }

    proptest! {
        /// However the octets arrive, the same goes out and the message ends at the same place; and
        /// what goes out can't end the message early.
        #[test]
        fn pieces_make_no_difference(
            sent in proptest::collection::vec(proptest::sample::select(&b"\r\n.a:"[..]), 0..60),
            cuts in proptest::collection::vec(0..60_usize, 0..5),
            framing in proptest::sample::select(&[Framing::Dotted, Framing::Plain][..]),
            bare_lf in proptest::sample::select(&[BareLf::Mend, BareLf::Keep][..]),
        ) {
            let whole = passed(framing, bare_lf, &[&sent]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(sent.len())).collect();
            cuts.extend([0, sent.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &sent[cut[0]..cut[1]]).collect();
            prop_assert_eq!(&passed(framing, bare_lf, &pieces), &whole);
            if framing == Framing::Dotted {
                let line = [b"\r\n", &whole.0[..]].concat();
                prop_assert!(memchr::memmem::find(&line, b"\r\n.\r\n").is_none());
            }
        }
    }
}
