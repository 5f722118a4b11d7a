//! Host names: which are valid, which are this machine, and what this machine is called.

use std::net::IpAddr;

/// Whether `name` is a domain name (RFC 5321 section 4.1.2): letters, digits and inner hyphens in
/// labels of at most 63 octets, 253 in all.
pub(super) fn is_domain(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(is_label)
        && !name.split('.').next_back().is_some_and(is_number)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A name whose last label is a number would be taken for an IPv4 address.
fn is_number(label: &str) -> bool {
    label.bytes().all(|octet| octet.is_ascii_digit())
}

/// Whether `host` may be dialled: a domain name or an IP address without brackets.
pub(super) fn is_host(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || is_domain(host)
}

/// Whether `host` is this machine by its name: what goes there never touches a network.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether `name` may stand in EHLO: a domain name or an address literal (RFC 5321 section 4.1.3).
/// Exchange answers `501 5.5.4 Invalid domain name` to anything else.
pub(super) fn is_ehlo_name(name: &str) -> bool {
    let Some(literal) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return is_domain(name);
    };
    match literal.strip_prefix("IPv6:") {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        None => literal.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

/// What to say in EHLO where the configuration doesn't: this machine's name if it is a fully
/// qualified domain name, else the address literal that is true of every machine.
pub(super) fn default_name() -> String {
    own_name()
        .filter(|name| name.contains('.') && is_domain(name))
        .unwrap_or_else(|| "[127.0.0.1]".to_owned())
}

fn own_name() -> Option<String> {
    ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .find_map(|file| std::fs::read_to_string(file).ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .map(|name| name.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_names() {
        for good in [
            "outlook.office365.com",
            "localhost",
            "a-b.example",
            "xn--bcher-kva.example",
            "3com.com",
        ] {
            assert!(is_domain(good), "{good}");
        }
        let long = "a".repeat(64);
        for bad in [
            "",
            ".",
            "a..b",
            "-a.example",
            "a-.example",
            "a b",
            "a_b.example",
            "bücher.example",
            "127.0.0.1",
            "MacBook..",
            &long,
        ] {
            assert!(!is_domain(bad), "{bad}");
        }
    }

    #[test]
    fn names_for_ehlo() {
        for good in ["gatepost.contoso.example", "[127.0.0.1]", "[IPv6:::1]"] {
            assert!(is_ehlo_name(good), "{good}");
        }
        for bad in
            ["127.0.0.1", "[::1]", "[IPv6:127.0.0.1]", "[localhost]", "[127.0.0.1", "MacBook.."]
        {
            assert!(!is_ehlo_name(bad), "{bad}");
        }
        assert!(is_ehlo_name(&default_name()));
    }

    #[test]
    fn loopback_by_name_or_address() {
        for local in ["localhost", "LOCALHOST", "127.0.0.1", "127.8.0.1", "::1", "[::1]"] {
            assert!(is_loopback(local), "{local}");
        }
        for other in ["localhost.example", "10.0.0.1", "::2", "outlook.office365.com"] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
