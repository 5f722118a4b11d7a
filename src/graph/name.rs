//! What a file is called, where a header had to write it in ASCII.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest name, in octets.
const LONGEST: usize = 255;

/// A plain name, or one of encoded words in UTF-8 (RFC 2047), which no standard allows there and many
/// programs write. `None` where it can't be read for sure.
pub(super) fn plain(text: &str) -> Option<String> {
    match text.contains("=?") {
        true => text.split_ascii_whitespace().map(word).collect::<Option<String>>(),
        false => Some(text.to_owned()),
    }
    .filter(|name| is_fit(name))
}

/// `ext-value` (RFC 2231 section 4) in UTF-8.
pub(super) fn extended(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let (_, coded) = rest.split_once('\'')?;
    let name = charset.eq_ignore_ascii_case("utf-8").then(|| escaped(coded, b'%')).flatten();
    name.filter(|name| is_fit(name))
}

/// `encoded-word = "=?" charset "?" encoding "?" encoded-text "?="`
fn word(text: &str) -> Option<String> {
    let mut pieces = text.strip_prefix("=?")?.strip_suffix("?=")?.split('?');
    let (charset, encoding, coded) = (pieces.next()?, pieces.next()?, pieces.next()?);
    if pieces.next().is_some() || !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    match encoding {
        "B" | "b" => String::from_utf8(STANDARD.decode(coded).ok()?).ok(),
        "Q" | "q" => escaped(&coded.replace('_', " "), b'='),
        _ => None,
    }
}

/// Octets, some of which are written as `mark` and two hexadecimal digits.
fn escaped(text: &str, mark: u8) -> Option<String> {
    let (mut octets, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != mark {
            octets.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.contains('+'))?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
        rest = behind;
    }
    String::from_utf8(octets).ok()
}

fn is_fit(name: &str) -> bool {
    let unreadable = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
    !name.is_empty() && name.len() <= LONGEST && !name.contains(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_or_not_at_all() {
        for (text, name) in [
            ("scan 1.pdf", Some("scan 1.pdf")),
            ("=?UTF-8?Q?B=C3=BCro_1?= =?utf-8?b?LnBkZg==?=", Some("B\u{fc}ro 1.pdf")),
            ("=?iso-8859-1?Q?B=FCro?=", None),
            ("=?utf-8?Q?B=FCro?=", None),
            ("=?utf-8?Q?=+1?=", None),
            ("a=?b", None),
            ("a\u{7}", None),
            ("", None),
        ] {
            assert_eq!(plain(text).as_deref(), name, "{text}");
        }
        assert_eq!(extended("utf-8'de'B%C3%BCro%201.pdf").as_deref(), Some("B\u{fc}ro 1.pdf"));
        for text in ["iso-8859-1''B%FCro", "utf-8''B%FC", "utf-8''a%4", "plain.pdf"] {
            assert_eq!(extended(text), None, "{text}");
        }
    }
}
