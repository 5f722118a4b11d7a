//! Addresses as a header's To, Cc and Bcc have them (RFC 5322 section 3.4), and as an envelope does.

/// An address to compare others with: `Local@domain` without quoting, in lower case throughout, as
/// Exchange delivers it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address(String);

/// Words that stand where an address belongs and are none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) String);

/// The blanks of a header. Others are no reason to take an address for another.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

impl Address {
    /// `local-part "@" domain`, nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.trim_matches(BLANKS).rsplit_once('@')?;
        let good = |part: &str| {
            !part.is_empty() && !part.contains(|c: char| c.is_control() || "<>".contains(c))
        };
        let domain_is_one = !domain.contains(|c: char| c.is_whitespace() || "\",;:".contains(c));
        let literal = domain.starts_with('[') && domain.ends_with(']');
        // What an encoded word (RFC 2047) would decode to isn't what it says.
        let local = unquote(local).filter(|local| !local.contains("=?"))?;
        (good(&local) && good(domain) && (domain_is_one || literal))
            .then(|| Self(format!("{local}@{domain}").to_lowercase()))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The addresses of an `address-list`: those of groups too, without display names and comments.
/// Display names may be in any encoding, even one that no header allows.
///
/// # Errors
/// The first entry without an address, or all of it where something in it has no end. What that stands
/// for is for Graph to guess, and a guess may send mail to somebody.
pub(super) fn list(value: &[u8]) -> Result<Vec<Address>, Unreadable> {
    let text = String::from_utf8_lossy(value);
    let mut addresses = Vec::new();
    for entry in entries(&text).ok_or_else(|| Unreadable(text.trim().to_owned()))? {
        let address = match &entry.angle {
            // `obs-route`: the way there, which nobody has followed for decades.
            Some(angle) => angle
                .rsplit_once(':')
                .filter(|_| angle.starts_with('@'))
                .map_or(&**angle, |(_, at)| at),
            None => &entry.words,
        };
        match Address::parse(address) {
            Some(address) => addresses.push(address),
            None if address.trim_matches(BLANKS).is_empty() => {}
            None => return Err(Unreadable(address.trim().to_owned())),
        }
    }
    Ok(addresses)
}

/// What stands between two commas: words, and what is in angle brackets.
#[derive(Debug, Default)]
struct Entry {
    words: String,
    angle: Option<String>,
}

impl Entry {
    fn text(&mut self) -> &mut String {
        self.angle.as_mut().unwrap_or(&mut self.words)
    }
}

/// `None` where a quotation, comment, literal or angle bracket isn't closed.
fn entries(text: &str) -> Option<Vec<Entry>> {
    let (mut entries, mut entry) = (Vec::new(), Entry::default());
    let mut rest = text.chars();
    let mut in_angle = false;
    while let Some(next) = rest.next() {
        match next {
            '"' => quoted(&mut rest, entry.text())?,
            '[' => {
                let (literal, behind) = rest.as_str().split_once(']')?;
                entry.text().extend(["[", literal, "]"]);
                rest = behind.chars();
            }
            '(' => comment(&mut rest)?,
            '<' if entry.angle.is_none() => {
                entry.angle = Some(String::new());
                in_angle = true;
            }
            '>' if in_angle => in_angle = false,
            ',' | ';' if !in_angle => entries.push(std::mem::take(&mut entry)),
            // What came before was the name of a group.
            ':' if !in_angle => entry = Entry::default(),
            // Behind an angle bracket only comments and blanks make sense; other words there make the
            // address unreadable rather than vanish.
            other if in_angle || entry.angle.is_none() => entry.text().push(other),
            blank if blank.is_whitespace() => {}
            other => entry.text().extend([' ', other]),
        }
    }
    entries.push(entry);
    (!in_angle).then_some(entries)
}

/// Copies a quoted string as far as its end, its marks and backslashes too.
fn quoted(rest: &mut std::str::Chars<'_>, text: &mut String) -> Option<()> {
    text.push('"');
    loop {
        let next = rest.next()?;
        text.push(next);
        match next {
            '\\' => text.push(rest.next()?),
            '"' => return Some(()),
            _ => {}
        }
    }
}

/// Passes over a comment and those in it.
fn comment(rest: &mut std::str::Chars<'_>) -> Option<()> {
    let mut depth = 1_usize;
    while depth > 0 {
        match rest.next()? {
            '\\' => drop(rest.next()?),
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
    Some(())
}

/// A local part without its quotation marks; `None` where there is more than one word.
fn unquote(local: &str) -> Option<String> {
    let Some(inner) = local.strip_prefix('"') else {
        return (!local.contains(|c: char| c.is_whitespace() || "\"@,;:()".contains(c)))
            .then(|| local.to_owned());
    };
    let inner = inner.strip_suffix('"')?;
    let (mut plain, mut rest) = (String::new(), inner.chars());
    while let Some(next) = rest.next() {
        match next {
            '\\' => plain.push(rest.next()?),
            '"' => return None,
            other => plain.push(other),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(value: &str) -> Vec<String> {
        let addresses = list(value.as_bytes()).unwrap();
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_in_every_dress() {
        for (value, expected) in [
            ("a@b.example", "a@b.example"),
            (" <a@b.example> ", "a@b.example"),
            ("A@B.Example", "a@b.example"),
            ("\"Last, First\" <a@b.example>, c@d.example", "a@b.example c@d.example"),
            ("=?utf-8?Q?B=C3=BCro?= <a@b.example>", "a@b.example"),
            ("Büro <a@b.example>", "a@b.example"),
            ("a@b.example (the (old) one\\)), c@d.example", "a@b.example c@d.example"),
            (
                "team: a@b.example, C <c@d.example>;, e@f.example",
                "a@b.example c@d.example e@f.example",
            ),
            ("undisclosed-recipients:;", ""),
            ("Nobody <>", ""),
            ("<@relay.example,@other.example:a@b.example>", "a@b.example"),
            ("a@[192.0.2.1], <b@[IPv6:2001:db8::1]>", "a@[192.0.2.1] b@[ipv6:2001:db8::1]"),
            ("\"john\"@b.example, \"a\\\"b\"@c.example", "john@b.example a\"b@c.example"),
            ("\"<x@y.example>\" <a@b.example>", "a@b.example"),
            (",, a@b.example,\r\n\tc@d.example,", "a@b.example c@d.example"),
        ] {
            assert_eq!(read(value).join(" "), expected, "{value}");
        }
        assert_eq!(list(b"M\xfcller <a@b.example>").unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_address_is_said() {
        for value in [
            "root",
            "John Doe",
            "a b@c.example",
            "<a@b.example> <c@d.example>",
            "a@b.example c@d.example",
            "<a@b.example,c@d.example>",
            "a@",
            "@b.example",
            "a@b@c.example",
            "a\r@b.example",
            "a@b.example (of",
            "a@b.example, \"c@d.example",
            "<a@b.example",
            "a@[192.0.2.1",
            "=?utf-8?Q?a?=@b.example",
            "\u{a0}a@b.example",
        ] {
            assert!(list(value.as_bytes()).is_err(), "{value}: {:?}", list(value.as_bytes()));
        }
    }

    proptest! {
        #[test]
        fn an_address_is_found_behind_any_display_name(
            name in "[^\"\\\\\\p{C}]{0,40}",
            local in "[A-Za-z0-9.+_'-]{1,20}",
        ) {
            let value = format!("\"{name}\" <{local}@contoso.example>, x@y.example");
            prop_assert_eq!(read(&value), [format!("{local}@contoso.example").to_lowercase(), "x@y.example".to_owned()]);
        }

        #[test]
        fn any_value_is_read_or_refused(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(addresses) = list(&value) {
                for address in addresses {
                    prop_assert!(!address.to_string().contains(['\r', '\n', '<', '>']));
                }
            }
        }
    }
}
