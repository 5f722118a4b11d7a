//! Commands as imap-codec reads them, and what Exchange says of those that it can't.

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use imap_codec::imap_types::command::Command;

/// The commands that Exchange knows.
const NAMES: [&str; 30] = [
    "APPEND",
    "AUTHENTICATE",
    "CAPABILITY",
    "CHECK",
    "CLOSE",
    "COPY",
    "CREATE",
    "DELETE",
    "EXAMINE",
    "EXPUNGE",
    "FETCH",
    "ID",
    "IDLE",
    "LIST",
    "LOGIN",
    "LOGOUT",
    "LSUB",
    "MOVE",
    "NAMESPACE",
    "NOOP",
    "RENAME",
    "SEARCH",
    "SELECT",
    "STARTTLS",
    "STATUS",
    "STORE",
    "SUBSCRIBE",
    "UID",
    "UNSELECT",
    "UNSUBSCRIBE",
];

/// A tag of more octets is taken for something else.
const TAG_LIMIT: usize = 64;

/// Reads a whole command; the error is the text behind BAD.
pub(super) fn read(octets: &[u8]) -> Result<Command<'_>, &'static str> {
    match CommandCodec::new().decode(octets) {
        Ok((b"", command)) => Ok(command),
        _ => Err(complaint(octets)),
    }
}

/// The tag of a command that could not be read; `*` where there is none.
pub(super) fn tag(octets: &[u8]) -> &str {
    let tag = octets.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    let known = !tag.is_empty() && tag.len() <= TAG_LIMIT && tag.iter().all(fits);
    std::str::from_utf8(tag).ok().filter(|_| known).unwrap_or("*")
}

/// The arguments are wrong, if the name is known.
fn complaint(octets: &[u8]) -> &'static str {
    let mut words = octets.split(u8::is_ascii_whitespace);
    let name = words.nth(1).unwrap_or_default();
    match NAMES.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name)) {
        true => "Command Argument Error. 12",
        false => "Command Error. 11",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_without_a_tag_is_answered_with_an_asterisk() {
        assert_eq!(tag(b"a1 NOOP\r\n"), "a1");
        assert_eq!(tag(b"\x16\x03\x01\r\n"), "*");
        assert_eq!(tag(b""), "*");
    }

    #[test]
    fn the_complaint_tells_unknown_commands_from_bad_arguments() {
        assert_eq!(read(b"a1 XYZZY\r\n"), Err("Command Error. 11"));
        assert_eq!(read(b"a1 SELECT\r\n"), Err("Command Argument Error. 12"));
        assert!(read(b"a1 NOOP\r\n").is_ok());
    }
}
