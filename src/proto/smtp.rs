//! SMTP submission (RFC 5321, RFC 6409) with AUTH (RFC 4954) and STARTTLS (RFC 3207).

mod doorway;
mod downstream;
pub mod grammar;
pub mod headers;
mod rehearsal;
mod replies;
pub mod submission;
mod upstream;
pub mod verdict;

use super::{Protocol, Refusal, Security};

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

/// The extensions that hold for a client of gatepost where the upstream has them: those known to add
/// nothing to the dialogue but parameters, and BDAT. Others may change its framing (BURL, XCLIENT), or
/// are between each pair of neighbours (AUTH and Exchange's own form of it, STARTTLS, REQUIRETLS).
const FOLLOWED: &[&str] = &[
    "PIPELINING",
    "8BITMIME",
    "SIZE",
    "DSN",
    "SMTPUTF8",
    "CHUNKING",
    "BINARYMIME",
    "ENHANCEDSTATUSCODES",
    "DELIVERBY",
    "FUTURERELEASE",
    "MT-PRIORITY",
    "MTRK",
    "NO-SOLICITING",
    "RRVS",
];

/// Of an upstream's extensions, those that hold for a client of gatepost.
fn passed_on(extensions: &[String]) -> impl Iterator<Item = &str> {
    extensions.iter().map(String::as_str).filter(|line| {
        let keyword = line.split(' ').next().unwrap_or_default();
        FOLLOWED.iter().any(|followed| keyword.eq_ignore_ascii_case(followed))
    })
}

/// Whether a service that announced `extensions` honours `keyword`.
pub fn honours(extensions: &[String], keyword: &str) -> bool {
    let first = |line: &String| {
        line.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    };
    extensions.iter().any(first)
}

/// The lines of a reply 250.
fn multiline(lines: &[String]) -> Vec<u8> {
    let last = lines.len() - 1;
    let line = |(i, text): (usize, &String)| {
        let separator = if i == last { ' ' } else { '-' };
        format!("250{separator}{text}\r\n")
    };
    lines.iter().enumerate().map(line).collect::<String>().into_bytes()
}

/// What a client hears of `refusal` in the middle of its session.
pub fn answer(refusal: &Refusal) -> grammar::Reply {
    let line = downstream::answer(refusal);
    let parsed = grammar::reply_line(line.as_bytes());
    let text = line.get(4..).unwrap_or_default();
    grammar::Reply::of(parsed.map_or(451, |parsed| parsed.code), text)
}
