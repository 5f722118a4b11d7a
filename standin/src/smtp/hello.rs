//! The greeting, EHLO, and the brackets that close a refusal.

use std::net::IpAddr;

use super::session::{Product, Security};
use crate::calendar::Utc;
use crate::entropy;
use crate::knobs::Knobs;

/// The front end, as the greeting names it.
const FRONT_END: &str = "AM6P192CA0091.outlook.office365.com";
/// The same machine, as refusals name it.
pub(super) const MACHINE: &str = "AM6P192CA0091.EURP192.PROD.OUTLOOK.COM";

/// The largest message that Exchange announces, 150 MiB.
const EXCHANGE_SIZE: usize = 157_286_400;
/// The largest message of High Volume Email.
const HVE_SIZE: usize = 10 << 20;
/// The largest message that Gmail announces.
const GMAIL_SIZE: usize = 35_882_577;

/// How the server presents itself on one connection.
#[derive(Debug)]
pub(super) struct Identity {
    /// Sixteen hexadecimal digits in the greeting and in every refusal.
    id: String,
    pub(super) product: Product,
    peer: IpAddr,
}

impl Identity {
    pub(super) fn new(product: Product, peer: IpAddr) -> Self {
        Self { id: entropy::session_id(), product, peer }
    }

    pub(super) fn greeting(&self, knobs: &Knobs) -> String {
        let Self { id, .. } = self;
        match &knobs.smtp_greeting {
            Some(greeting) => greeting.clone(),
            None if knobs.google => "220 smtp.gmail.com ESMTP standin - gsmtp".into(),
            None => {
                format!(
                    "220 {FRONT_END} Microsoft ESMTP MAIL Service ready at {} [{id}]",
                    Utc::now().mail()
                )
            }
        }
    }

    /// The reply with the bracket of this connection behind it.
    pub(super) fn bracketed(&self, reply: &str) -> String {
        format!("{reply} [{MACHINE} {} {}]", Utc::now().iso(), self.id)
    }

    pub(super) fn helo(&self) -> String {
        format!("250 {FRONT_END} Hello [{}]", self.peer)
    }

    /// The reply to EHLO, a line for each extension.
    pub(super) fn ehlo(&self, knobs: &Knobs, security: Security) -> String {
        let mut lines = vec![match knobs.google {
            true => format!("smtp.gmail.com at your service, [{}]", self.peer),
            false => format!("{FRONT_END} Hello [{}]", self.peer),
        }];
        lines.extend(
            knobs.smtp_extensions.clone().unwrap_or_else(|| self.extensions(knobs, security)),
        );
        let last = lines.pop().unwrap_or_default();
        let mut reply: String = lines.iter().map(|line| format!("250-{line}\r\n")).collect();
        reply.push_str(&format!("250 {last}"));
        reply
    }

    /// The most octets that a message may have.
    pub(super) fn size_limit(&self, knobs: &Knobs) -> usize {
        match self.product {
            _ if knobs.google => GMAIL_SIZE,
            Product::ClientSubmission => EXCHANGE_SIZE,
            Product::HighVolume => HVE_SIZE,
        }
    }

    /// The extensions in the server's own order: AUTH takes the place of STARTTLS.
    fn extensions(&self, knobs: &Knobs, security: Security) -> Vec<String> {
        let size = format!("SIZE {}", self.size_limit(knobs));
        let door = match security {
            Security::Clear if knobs.smtp_without_starttls => None,
            Security::Clear => Some("STARTTLS"),
            Security::Settled if knobs.google => {
                Some("AUTH LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH")
            }
            Security::Settled => Some("AUTH LOGIN XOAUTH2"),
        };
        let (before, after): (&[&str], &[&str]) = match knobs.google {
            true => (&["8BITMIME"], &["ENHANCEDSTATUSCODES", "PIPELINING", "CHUNKING", "SMTPUTF8"]),
            false => (
                &["PIPELINING", "DSN", "ENHANCEDSTATUSCODES"],
                &["8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8"],
            ),
        };
        let rest =
            before.iter().copied().chain(door).chain(after.iter().copied()).map(String::from);
        std::iter::once(size).chain(rest).collect()
    }
}

/// Whether Exchange takes the name in EHLO: a domain of proper labels or an address literal.
pub(super) fn is_valid_name(name: &str) -> bool {
    if let Some(literal) = name.strip_prefix('[') {
        let literal = literal.strip_suffix(']').unwrap_or_default();
        return literal.strip_prefix("IPv6:").unwrap_or(literal).parse::<IpAddr>().is_ok();
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 255 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::is_valid_name;

    #[test]
    fn names_that_exchange_takes() {
        for name in [
            "gatepost.contoso.example",
            "localhost",
            "my_pc",
            "[192.0.2.10]",
            "[IPv6:::1]",
            "xn--bcher-kva.example",
        ] {
            assert!(is_valid_name(name), "{name}");
        }
    }

    #[test]
    fn names_that_exchange_refuses() {
        for name in [
            "",
            "MacBook..",
            ".local",
            "a b",
            "-x.example",
            "[192.0.2]",
            "[",
            "bücher.example",
            "x.example.",
        ] {
            assert!(!is_valid_name(name), "{name}");
        }
    }
}
