//! IMAP4rev1 (RFC 3501; RFC 9051 where it is clearer), with SASL-IR (RFC 4959) and non-synchronising
//! literals (RFC 7888).

mod downstream;
mod framing;
pub mod grammar;
mod upstream;
pub mod verdict;

use super::{Protocol, Security};

/// The row of IMAP.
pub const PROTOCOL: Protocol = Protocol {
    name: "imap",
    implicit_tls_port: 993,
    starttls_port: 143,
    upstream_security: &[Security::Implicit, Security::Plain],
    downstream: |terms| Box::new(downstream::Downstream::new(terms)),
    upstream: |terms| Box::new(upstream::Upstream::new(terms)),
    rehearsal: None,
};

/// What every service honours, offered while nothing is known of the upstreams.
const CONSERVATIVE: &[&str] = &["IMAP4rev1"];

/// Of an upstream's capabilities, those that hold for a client of gatepost: logging in and STARTTLS
/// are between each pair of neighbours. UNAUTHENTICATE (RFC 8437) leads back to a login, which the
/// splice would carry to the upstream with the local password in it.
fn passed_on(capabilities: &[String]) -> impl Iterator<Item = &str> {
    let ours = |name: &str| {
        let name = name.to_ascii_uppercase();
        name.starts_with("AUTH=")
            || ["LOGINDISABLED", "STARTTLS", "SASL-IR", "UNAUTHENTICATE"].contains(&name.as_str())
    };
    capabilities.iter().map(String::as_str).filter(move |name| !ours(name))
}
