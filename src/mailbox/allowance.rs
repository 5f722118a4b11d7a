//! Allowances: who may send without a login, for devices that know no password.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use super::{Mailbox, Network, fold};

/// Leave to send as a mailbox, for whoever stands in some networks.
#[derive(Debug)]
pub struct Allowance {
    /// Where the devices stand.
    pub networks: Vec<Network>,
    /// The mailbox that sends what they send.
    pub mailbox: Arc<Mailbox>,
    /// The senders that they may name.
    pub senders: Vec<Senders>,
}

/// Senders in MAIL FROM. Case doesn't count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Senders {
    /// `<>`: nobody, as in notifications (RFC 5321 section 4.5.5).
    Nobody,
    /// One address.
    Address(String),
    /// `*@domain`: each address of a domain, not of those below it.
    Domain(String),
}

/// A text that names no senders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address, \"*@contoso.example\" for all of a domain, or \"<>\" for an empty sender")]
pub struct InvalidPattern;

impl Allowance {
    /// Whether it is for a device at `peer`.
    pub fn is_for(&self, peer: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(peer))
    }

    /// Whether `sender`, the address in MAIL FROM without its brackets, is permitted.
    pub fn permits(&self, sender: &str) -> bool {
        let sender = fold(sender);
        self.senders.iter().any(|senders| senders.hold(&sender))
    }
}

impl Senders {
    fn hold(&self, sender: &str) -> bool {
        match self {
            Self::Nobody => sender.is_empty(),
            Self::Address(address) => sender == address,
            Self::Domain(domain) => {
                sender.rsplit_once('@').is_some_and(|(local, of)| !local.is_empty() && of == domain)
            }
        }
    }
}

impl FromStr for Senders {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        if text == "<>" {
            return Ok(Self::Nobody);
        }
        let unfit = |c: char| c.is_control() || c.is_whitespace() || "*<>".contains(c);
        let folded = fold(text);
        match folded.rsplit_once('@') {
            Some(("*", domain)) if !domain.is_empty() && !domain.contains(unfit) => {
                Ok(Self::Domain(domain.to_owned()))
            }
            Some((local, domain))
                if !local.is_empty() && !domain.is_empty() && !folded.contains(unfit) =>
            {
                Ok(Self::Address(folded))
            }
            _ => Err(InvalidPattern),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_hold_what_they_name() {
        for (pattern, inside, outside) in [
            ("<>", "", "a@b"),
            ("Scan@Contoso.example", "sCan@contoso.example", "scan@contoso.example.evil"),
            ("*@contoso.example", "x@CONTOSO.example", "x@sub.contoso.example"),
            ("*@contoso.example", "\"a@b\"@contoso.example", "@contoso.example"),
            ("*@contoso.example", "a@contoso.example", ""),
        ] {
            let senders: Senders = pattern.parse().unwrap();
            assert!(senders.hold(&fold(inside)), "{inside} in {pattern}");
            assert!(!senders.hold(&fold(outside)), "{outside} not in {pattern}");
        }
    }

    #[test]
    fn what_names_no_senders_is_refused() {
        for text in ["", "*", "@b", "a@", "*@", "*@*", "a*@b", "a b@c", "a@b\r\n", "<a@b>", "*@b c"]
        {
            assert_eq!(text.parse::<Senders>(), Err(InvalidPattern), "{text:?}");
        }
    }
}
