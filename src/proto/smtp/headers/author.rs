//! Who a message says it is from (RFC 5322 section 3.6.2).

use std::ops::Range;

use crate::proto::smtp::submission::Pattern;

/// Who may stand in the From field.
#[derive(Clone, Debug)]
pub struct Author {
    /// The address that takes the place of others.
    pub mailbox: String,
    /// The others that may stay.
    pub permitted: Vec<Pattern>,
}

impl Author {
    /// Whether everyone in the field's value may stand there, and there is someone.
    pub(super) fn may_say(&self, value: &[u8]) -> bool {
        let addresses = addresses(value);
        !addresses.is_empty() && addresses.into_iter().all(|address| self.permits(&value[address]))
    }

    fn permits(&self, address: &[u8]) -> bool {
        let Ok(address) = std::str::from_utf8(address) else {
            return false;
        };
        address.eq_ignore_ascii_case(&self.mailbox)
            || self.permitted.iter().any(|pattern| pattern.matches(address))
    }
}

/// How many addresses a field's value holds.
pub(super) fn count(value: &[u8]) -> usize {
    addresses(value).len()
}

/// A name this long, with an address behind it, stays within a line of 998 octets (RFC 5322 section
/// 2.1.1).
const LONGEST_NAME: usize = 700;

/// The name before the address of the only author, its folding included; else a space.
pub(super) fn name(value: &[u8]) -> &[u8] {
    let name = match addresses(value)[..] {
        [Range { start, .. }] if start > 0 && value[start - 1] == b'<' => &value[..start - 1],
        _ => b" ",
    };
    let fits = name.len() <= LONGEST_NAME && name.starts_with(b" ") && is_phrase(name);
    if fits { name } else { b" " }
}

/// Whether it is words, quoted strings and comments alone. Not so the name of a group, which goes on
/// to a semicolon, and somebody without an address before the one who has one.
fn is_phrase(name: &[u8]) -> bool {
    let (mut at, mut depth) = (0, 0_usize);
    while at < name.len() {
        match name[at] {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            b'"' => at = quoted(name, at),
            b'<' | b'>' | b',' | b';' | b':' | b'@' | b'[' | b']' => return false,
            _ => {}
        }
        at += 1;
    }
    depth == 0 && at == name.len()
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
