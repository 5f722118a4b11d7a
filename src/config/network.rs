//! Networks that a configuration names, and which of them the public can't be in.

use std::net::IpAddr;

use ipnet::IpNet;
use toml::Spanned;

use super::document::Section;
use super::problem::Report;

/// Networks whose addresses aren't routed on the Internet (RFC 6890): loopback, private, link-local,
/// carriers' own, unique local ones, and those of documentation.
const NOT_PUBLIC: &[&str] = &[
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
    "2001:db8::/32",
];

/// Whether the public Internet reaches into `network`.
pub(super) fn is_public(network: &IpNet) -> bool {
    let inside =
        |known: &&str| known.parse::<IpNet>().is_ok_and(|known| known.contains(&network.trunc()));
    !NOT_PUBLIC.iter().any(inside)
}

/// The network or the networks at `key`.
pub(super) fn list(
    section: &mut Section<'_>,
    key: &str,
    report: &Report<'_>,
) -> Option<Vec<Spanned<IpNet>>> {
    let texts = section.texts(key, report)?;
    if texts.is_empty() {
        let title = format!("{key:?} names no network");
        report.problem(section.span(), title, format!("name one in {key}, or leave it out"));
    }
    Some(texts.iter().filter_map(|text| read(text, report)).collect())
}

/// `ADDRESS` or `ADDRESS/BITS`, where the address has nothing beyond the bits.
fn read(text: &Spanned<String>, report: &Report<'_>) -> Option<Spanned<IpNet>> {
    let written = text.get_ref().as_str();
    let address = || written.parse::<IpAddr>().ok().map(IpNet::from);
    let Some(network) = written.parse::<IpNet>().ok().or_else(address) else {
        let title = format!("{written:?} is no network");
        report.problem(text.span(), title, "for example \"192.0.2.0/24\" or \"2001:db8::/32\"");
        return None;
    };
    if network.addr() != network.addr().to_canonical() {
        // Clients are known by their IPv4 address, whatever socket they come by: it would hold nobody.
        let title = format!("{written:?} is an IPv4 network in the digits of IPv6");
        report.problem(text.span(), title, "for example \"192.0.2.0/24\"");
    }
    let whole = network.trunc();
    if whole != network {
        let title = format!("{written:?} has more digits than bits");
        report.problem(text.span(), title, format!("did you mean \"{whole}\"?"));
    }
    Some(Spanned::new(text.span(), whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_is_what_isnt_wholly_inside_a_private_network() {
        for (network, public) in [
            ("10.1.0.0/16", false),
            ("10.0.0.0/8", false),
            ("10.0.0.0/7", true),
            ("0.0.0.0/0", true),
            ("::/0", true),
            ("192.168.1.7/32", false),
            ("172.32.0.0/16", true),
            ("8.8.8.8/32", true),
            ("fd00:1::/64", false),
            ("2a00::/16", true),
            ("::ffff:8.8.8.8/128", true),
        ] {
            assert_eq!(is_public(&network.parse().unwrap()), public, "{network}");
        }
    }
}
