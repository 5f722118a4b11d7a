//! SMTP submission (RFC 5321, RFC 6409) with AUTH (RFC 4954) and STARTTLS (RFC 3207).

mod doorway;
mod downstream;
pub mod grammar;
mod rehearsal;
mod replies;
mod upstream;
pub mod verdict;

use super::{Protocol, Security};

/// The row of SMTP.
pub const PROTOCOL: Protocol = Protocol {
    name: "smtp",
    implicit_tls_port: 465,
    starttls_port: 587,
    upstream_security: &[Security::StartTls, Security::Implicit, Security::Plain],
    downstream: |terms| Box::new(downstream::Downstream::new(terms)),
    upstream: |terms| Box::new(upstream::Upstream::new(terms)),
    rehearsal: Some(|sender, limits| Box::new(rehearsal::Rehearsal::new(sender, limits))),
};

/// What nearly every service honours, offered while nothing is known of the upstreams.
const CONSERVATIVE: &[&str] = &["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"];

/// Of an upstream's extensions, those that hold for a client of gatepost: AUTH, Exchange's own form of
/// it, and STARTTLS are between each pair of neighbours.
fn passed_on(extensions: &[String]) -> impl Iterator<Item = &str> {
    extensions.iter().map(String::as_str).filter(|line| {
        let keyword = line.split([' ', '=']).next().unwrap_or_default();
        !["AUTH", "X-EXPS", "STARTTLS"].iter().any(|ours| keyword.eq_ignore_ascii_case(ours))
    })
}
