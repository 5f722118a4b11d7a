//! MAIL FROM and RCPT TO.

use super::submission::Slot;

/// The message that is being submitted.
#[derive(Debug)]
pub(super) struct Envelope {
    /// Empty for the null reverse-path.
    pub(super) sender: String,
    pub(super) recipients: Vec<String>,
    /// What BDAT has brought so far.
    pub(super) chunks: Option<Vec<u8>>,
    /// Held as long as the submission is under way.
    pub(super) slot: Slot,
}

/// The argument of MAIL or RCPT.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    pub(super) address: &'a str,
    pub(super) parameters: Vec<&'a str>,
}

impl<'a> Path<'a> {
    /// Reads `FROM:<address> parameters` (RFC 5321 section 4.1.1.2) with the given keyword. Spaces behind the colon are
    /// tolerated, as Exchange does.
    pub(super) fn read(argument: &'a str, keyword: &str) -> Option<Self> {
        let (head, rest) = argument.split_at_checked(keyword.len())?;
        if !head.eq_ignore_ascii_case(keyword) {
            return None;
        }
        let (address, parameters) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
        Some(Self { address, parameters: parameters.split_whitespace().collect() })
    }

    /// The octets that `SIZE=` declares (RFC 1870).
    pub(super) fn size(&self) -> Option<u64> {
        self.parameters.iter().find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.eq_ignore_ascii_case("SIZE").then(|| value.parse().ok())?
        })
    }
}

/// Whether this looks like a mailbox: something, `@`, something, without spaces.
pub(super) fn is_address(address: &str) -> bool {
    let parts = address.rsplit_once('@');
    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !address.contains(char::is_whitespace)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_an_address_and_parameters() {
        let path = Path::read("from: <a@b.example> SIZE=12 BODY=8BITMIME", "FROM:").unwrap();
        assert_eq!(path.address, "a@b.example");
        assert_eq!(path.parameters, ["SIZE=12", "BODY=8BITMIME"]);
        assert_eq!(path.size(), Some(12));
    }

    #[test]
    fn what_is_no_path() {
        for argument in ["", "FROM", "FROM:a@b", "TO:<a@b>", "FROM:<a@b", "FRÖM:<a@b>"] {
            assert_eq!(Path::read(argument, "FROM:"), None, "{argument}");
        }
    }
}
