//! The commands of a mail transaction (RFC 5321 section 4.1.1).

use super::talk::Chunk;

/// `mail = "MAIL FROM:" Reverse-path [SP Mail-parameters]` (RFC 5321 section 4.1.1.2)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail(pub Path);

/// `rcpt = "RCPT TO:" Forward-path [SP Rcpt-parameters]` (RFC 5321 section 4.1.1.3)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient(pub Path);

/// An address and what stands behind it, passed on as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Without its angle brackets; empty for the null reverse-path.
    pub address: String,
    /// The parameters with the space before them, or nothing.
    pub parameters: String,
}

impl Mail {
    /// The command with its line ending.
    pub fn line(&self) -> String {
        format!("MAIL FROM:<{}>{}\r\n", self.0.address, self.0.parameters)
    }

    /// Whether the content may be no lines of text (RFC 3030 section 3).
    pub fn is_binary(&self) -> bool {
        let binary = |parameter: &str| parameter.eq_ignore_ascii_case("BODY=BINARYMIME");
        self.0.parameters.split_ascii_whitespace().any(binary)
    }
}

impl Recipient {
    /// The command with its line ending.
    pub fn line(&self) -> String {
        format!("RCPT TO:<{}>{}\r\n", self.0.address, self.0.parameters)
    }
}

impl Path {
    /// What stands behind MAIL or RCPT, `keyword` being FROM or TO. By the quirk `bare_path` devices
    /// leave out the angle brackets or put a space before the address; it goes on in the RFC's form.
    pub(super) fn parse(arguments: &str, keyword: &str) -> Option<Self> {
        let arguments = arguments.trim_start();
        let start = arguments.get(..keyword.len())?;
        if !start.eq_ignore_ascii_case(keyword) {
            return None;
        }
        let path = arguments[keyword.len()..].trim_start().strip_prefix(':')?.trim_start();
        let (address, rest) = match path.strip_prefix('<') {
            Some(inner) => {
                let end = closing(inner)?;
                (inner[..end].trim(), &inner[end + 1..])
            }
            None => path.split_at(path.find(' ').unwrap_or(path.len())),
        };
        // In brackets of ours it would end earlier than it was judged by.
        if !path.starts_with('<') && address.contains(['<', '>', '"', '\\']) {
            return None;
        }
        if !rest.is_empty() && !rest.starts_with(' ') || address.contains(char::is_control) {
            return None;
        }
        let parameters = rest.trim();
        if parameters.contains(char::is_control) || !path.starts_with('<') && address.is_empty() {
            return None;
        }
        Some(Self {
            address: without_route(address).to_owned(),
            parameters: if parameters.is_empty() {
                String::new()
            } else {
                format!(" {parameters}")
            },
        })
    }
}

/// `"BDAT" SP chunk-size [ SP "LAST" ]` (RFC 3030 section 2): the octets, and whether they are the last.
/// A size that is no number any more is the largest there is.
pub(super) fn chunk(arguments: &str) -> Option<Chunk> {
    let mut words = arguments.split_ascii_whitespace();
    let size = words.next()?;
    if !size.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return None,
    };
    words.next().is_none().then_some(Chunk { octets: size.parse().unwrap_or(u64::MAX), last })
}

/// The first `>` outside a quoted string.
fn closing(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().find_map(|(at, c)| {
        let plain = !std::mem::take(&mut escaped);
        match c {
            '\\' if quoted && plain => escaped = true,
            '"' if plain => quoted = !quoted,
            '>' if !quoted => return Some(at),
            _ => {}
        }
        None
    })
}

/// Source routes are ignored (RFC 5321 appendix C).
fn without_route(address: &str) -> &str {
    match address.starts_with('@') {
        true => address.split_once(':').map_or(address, |(_, address)| address),
        false => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (arguments, expected) in [
            (" FROM:<a@b.example>", Some(("a@b.example", ""))),
            (
                " from: <a@b.example> SIZE=5 BODY=8BITMIME",
                Some(("a@b.example", " SIZE=5 BODY=8BITMIME")),
            ),
            (" FROM:a@b.example SIZE=5", Some(("a@b.example", " SIZE=5"))),
            (" FROM:<>", Some(("", ""))),
            (" FROM:<\"a>b\"@c.example> X", Some(("\"a>b\"@c.example", " X"))),
            (" FROM:<@relay.example:a@b.example>", Some(("a@b.example", ""))),
            (" FROM:<b\u{fc}ro@b.example> SMTPUTF8", Some(("b\u{fc}ro@b.example", " SMTPUTF8"))),
            (" FROM:", None),
            (" FROM:<a@b.example", None),
            (" FROM:<a@b.example>SIZE=5", None),
            (" FROM:<a\tb@c.example>", None),
            (" FROM:a@b.example>c@d.example", None),
            (" FROM:a\"b@c.example", None),
            (" TO:<a@b.example>", None),
            ("", None),
        ] {
            let path = Path::parse(arguments, "FROM");
            let found = path.as_ref().map(|path| (path.address.as_str(), path.parameters.as_str()));
            assert_eq!(found, expected, "{arguments}");
        }
    }

    #[test]
    fn chunks() {
        for (arguments, expected) in [
            (" 5", Some((5, false))),
            (" 0 LAST", Some((0, true))),
            (" 12 last", Some((12, true))),
            ("", None),
            (" -1", None),
            (" +1", None),
            (" 5 FIRST", None),
            (" 5 LAST X", None),
            (" 99999999999999999999", Some((u64::MAX, false))),
        ] {
            let found = chunk(arguments).map(|chunk| (chunk.octets, chunk.last));
            assert_eq!(found, expected, "{arguments}");
        }
    }
}
