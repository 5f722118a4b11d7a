//! POP3 (RFC 1939) with CAPA (RFC 2449), AUTH (RFC 5034), STLS (RFC 2595) and the response codes of
//! RFC 3206.

mod downstream;
pub mod grammar;
mod upstream;
pub mod verdict;

use super::{Protocol, Security};

/// The row of POP3.
pub const PROTOCOL: Protocol = Protocol {
    name: "pop3",
    implicit_tls_port: 995,
    starttls_port: 110,
    upstream_security: &[Security::Implicit, Security::StartTls, Security::Plain],
    downstream: |terms| Box::new(downstream::Downstream::new(terms)),
    upstream: |terms| Box::new(upstream::Upstream::new(terms)),
    rehearsal: None,
};

/// What nearly every service honours, offered while nothing is known of the upstreams.
const CONSERVATIVE: &[&str] = &["TOP", "UIDL"];

/// Of an upstream's capabilities, those that hold for a client of gatepost: logging in and STLS are
/// between each pair of neighbours.
fn passed_on(capabilities: &[String]) -> impl Iterator<Item = &str> {
    const OURS: [&str; 5] = ["AUTH-RESP-CODE", "RESP-CODES", "SASL", "STLS", "USER"];
    capabilities.iter().map(String::as_str).filter(|line| {
        let tag = line.split(' ').next().unwrap_or_default();
        !OURS.iter().any(|ours| tag.eq_ignore_ascii_case(ours))
    })
}
