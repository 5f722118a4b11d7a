//! The files in a message of `multipart/mixed` (RFC 2046 section 5.1.3): those that can be taken out
//! of it and attached again without anyone missing something.

use std::io;
use std::ops::Range;

use super::header::{self, Field};
use super::name;
use super::spool::Spool;

/// The most parts. Exchange takes 250 attachments.
const MOST: usize = 1000;

/// The longest header of a part that is read, which is ten times what programs write.
const LONGEST_HEADER: usize = 8 * 1024;

/// As much of a line as can be a delimiter: a boundary has at most 70 characters, and blanks may follow.
const LONGEST_DELIMITER: usize = 256;

/// Octets read at once.
const BLOCK: usize = 48 * 1024;

/// A part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// With the delimiter in front of it, without that behind it.
    pub(super) whole: Range<usize>,
    pub(super) content: Range<usize>,
    /// What it is, where it can be attached again.
    pub(super) file: Option<File>,
}

/// A file that is in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) content_type: String,
}

/// The boundary of a message whose parts stand beside each other.
pub(super) fn boundary(message_header: &[u8]) -> Option<String> {
    let fields = header::fields(message_header);
    let mut found = fields.iter().filter(|field| field.is("Content-Type"));
    let (kind, parameters) = parameters(found.next()?.value());
    let only = found.next().is_none() && kind == "multipart/mixed";
    let boundary = parameter(&parameters, "boundary").filter(|_| only)?;
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

/// The parts of the message in `spool`; `None` where there are none to be told for sure.
pub(super) async fn find(spool: &mut Spool, boundary: &str) -> io::Result<Option<Vec<Part>>> {
    spool.seek(0).await?;
    let mut scan = Scan::new(boundary);
    let mut block = vec![0; BLOCK];
    loop {
        match spool.read(&mut block).await? {
            0 => return Ok(scan.closed.then_some(scan.parts).filter(|parts| parts.len() <= MOST)),
            filled => scan.take(&block[..filled]),
        }
    }
}

struct Scan {
    delimiter: Vec<u8>,
    parts: Vec<Part>,
    closed: bool,
    place: Place,
    /// The line so far, as much as matters of it.
    line: Vec<u8>,
    line_start: usize,
    at: usize,
}

enum Place {
    Outside,
    Header { from: usize, lines: Vec<u8> },
    Content { from: usize, start: usize, file: Option<File> },
}

impl Scan {
    fn new(boundary: &str) -> Self {
        let (parts, line) = (Vec::new(), Vec::new());
        let delimiter = format!("--{boundary}").into_bytes();
        Self { delimiter, parts, closed: false, place: Place::Outside, line, line_start: 0, at: 0 }
    }

    fn take(&mut self, octets: &[u8]) {
        for piece in octets.split_inclusive(|octet| *octet == b'\n') {
            let most = match self.place {
                Place::Header { .. } => LONGEST_HEADER,
                _ => LONGEST_DELIMITER,
            };
            let room = most.saturating_sub(self.line.len()).min(piece.len());
            self.line.extend_from_slice(&piece[..room]);
            self.at += piece.len();
            if piece.ends_with(b"\n") {
                self.line_ended();
                self.line.clear();
                self.line_start = self.at;
            }
        }
    }

    fn line_ended(&mut self) {
        let line = self.line.trim_ascii_end();
        let rest = line.strip_prefix(self.delimiter.as_slice());
        if self.closed {
            return;
        }
        if let Some(rest @ (b"" | b"--")) = rest {
            self.closed = rest == b"--";
            self.part_ended();
            self.place = match self.closed || self.parts.len() > MOST {
                true => Place::Outside,
                false => Place::Header { from: self.line_start, lines: Vec::new() },
            };
            return;
        }
        if let Place::Header { from, lines } = &mut self.place {
            if line.is_empty() {
                let file = if lines.len() < LONGEST_HEADER { file(lines) } else { None };
                self.place = Place::Content { from: *from, start: self.at, file };
            } else if lines.len() < LONGEST_HEADER {
                lines.extend_from_slice(line);
                lines.extend_from_slice(b"\r\n");
            }
        }
    }

    fn part_ended(&mut self) {
        let end = self.line_start;
        match std::mem::replace(&mut self.place, Place::Outside) {
            Place::Outside => {}
            Place::Header { from, .. } => {
                self.parts.push(Part { whole: from..end, content: end..end, file: None });
            }
            Place::Content { from, start, file } => {
                self.parts.push(Part { whole: from..end, content: start..end, file });
            }
        }
    }
}

/// What a part's header tells of a file. Whatever an attachment couldn't say again makes it none: a
/// text's charset, a name that can't be read, an image that the text shows.
fn file(part_header: &[u8]) -> Option<File> {
    let fields = header::fields(part_header);
    let one = |name: &str| fields.iter().find(|field| field.is(name)).copied().map(Field::value);
    let (content_type, of_type) = parameters(one("Content-Type")?);
    let (disposition, of_disposition) = parameters(one("Content-Disposition").unwrap_or_default());
    let (coding, _) = parameters(one("Content-Transfer-Encoding")?);
    let shown = disposition != "attachment"
        && (one("Content-ID").is_some() || one("Content-Location").is_some());
    let plain = ["application/", "image/", "audio/", "video/"];
    let fits =
        plain.iter().any(|kind| content_type.starts_with(kind)) && coding == "base64" && !shown;
    let given = |name: &str| parameter(&of_disposition, name);
    let extended = given("filename*").and_then(|name| name::extended(&name));
    let name = extended.or_else(|| {
        let plain = given("filename").or_else(|| parameter(&of_type, "name"))?;
        name::plain(&plain)
    });
    fits.then_some(File { name: name?, content_type })
}

fn parameter(parameters: &[(String, String)], name: &str) -> Option<String> {
    parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
}

/// A value in lower case and its parameters (RFC 2045 section 5.1).
fn parameters(value: &[u8]) -> (String, Vec<(String, String)>) {
    let text = String::from_utf8_lossy(value).replace(['\r', '\n'], "");
    let (mut pieces, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for character in text.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => {
                escaped = true;
                continue;
            }
            '"' => {
                quoted = !quoted;
                continue;
            }
            ';' if !quoted => {
                pieces.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(character);
        }
    }
    let mut pieces = pieces.iter();
    let kind = pieces.next().map(|kind| kind.trim().to_ascii_lowercase()).unwrap_or_default();
    let pairs = pieces.filter_map(|piece| piece.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().into()));
    (kind, pairs.collect())
}
