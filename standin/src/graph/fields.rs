//! The header of a message, field by field.

/// The header's fields, each with its continuation lines and line ends, and the octets from the blank line on.
pub(super) fn split(message: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut fields = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        let continues = line.starts_with(b" ") || line.starts_with(b"\t");
        if !continues && at > start {
            fields.push(&message[start..at]);
            start = at;
        }
        if line.trim_ascii().is_empty() {
            return (fields, &message[at..]);
        }
        at += line.len();
    }
    if at > start {
        fields.push(&message[start..at]);
    }
    (fields, &[])
}

/// Whether this is a field of that name.
pub(super) fn is_named(field: &[u8], name: &str) -> bool {
    let colon = field.iter().position(|octet| *octet == b':');
    colon.is_some_and(|colon| field[..colon].trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
}

/// The message without the fields of that name.
pub(super) fn without(message: &[u8], name: &str) -> Vec<u8> {
    let (fields, body) = split(message);
    let kept = fields.into_iter().filter(|field| !is_named(field, name));
    kept.chain([body]).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_goes_with_its_continuation() {
        let message = b"To: a@b.example\r\nbcc : x@y.example,\r\n\tz@y.example\r\nSubject: s\r\n\r\nBcc: stays\r\n";
        let expected = b"To: a@b.example\r\nSubject: s\r\n\r\nBcc: stays\r\n";
        assert_eq!(without(message, "Bcc"), expected);
    }

    #[test]
    fn a_header_may_be_all_there_is() {
        assert_eq!(split(b"A: 1\r\nB: 2"), (vec![&b"A: 1\r\n"[..], b"B: 2"], &b""[..]));
        assert_eq!(split(b"\r\nbody"), (vec![], &b"\r\nbody"[..]));
        assert_eq!(split(b""), (vec![], &b""[..]));
    }
}
