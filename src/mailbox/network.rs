//! A network: the IP addresses that begin alike.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that names no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    /// Not an address, or none with a prefix length.
    #[error("not an address such as 10.1.2.3, nor a network such as 10.1.2.0/24 or fd00::/8")]
    Form,
    /// Bits beyond the prefix are set: a typing error in one of the two.
    #[error("the address has bits set beyond its prefix; the network would be {0}")]
    HostBits(Network),
}

/// What no one on the Internet can send from: RFC 1918, loopback (RFC 1122), link-local (RFC 3927),
/// shared (RFC 6598), and IPv6's loopback, unique local (RFC 4193) and link-local (RFC 4291).
const PRIVATE: [Network; 9] = [
    v4([10, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([100, 64, 0, 0], 10),
    v6(1, 0, 128),
    v6(0, 0xfc00, 7),
    v6(0, 0xfe80, 10),
];

const fn v4([a, b, c, d]: [u8; 4], bits: u8) -> Network {
    Network { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
}

const fn v6(last: u16, first: u16, bits: u8) -> Network {
    Network { address: IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last)), bits }
}

impl Network {
    /// Whether `peer` is in it. An IPv4 address that came in on an IPv6 socket counts as what it is.
    pub fn contains(self, peer: IpAddr) -> bool {
        self.same_prefix(peer.to_canonical(), self.bits)
    }

    /// Whether all of it is out of the Internet's reach.
    pub fn is_private(self) -> bool {
        PRIVATE.iter().any(|range| range.bits <= self.bits && range.contains(self.address))
    }

    fn same_prefix(self, other: IpAddr, bits: u8) -> bool {
        match (self.address, other) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                let differ = u128::from(one.to_bits() ^ other.to_bits());
                prefix_is_zero(differ, 32, bits)
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                prefix_is_zero(one.to_bits() ^ other.to_bits(), 128, bits)
            }
            _ => false,
        }
    }

    /// The same network with the bits beyond the prefix cleared.
    fn cleared(self) -> Self {
        let keep = |width: u32, all: u128| all << (width - u32::from(self.bits)).min(127);
        let address = match self.address {
            _ if self.bits == 0 && self.address.is_ipv4() => Ipv4Addr::UNSPECIFIED.into(),
            _ if self.bits == 0 => Ipv6Addr::UNSPECIFIED.into(),
            IpAddr::V4(ip) => {
                let mask = u32::try_from(keep(32, u128::from(u32::MAX)) & u128::from(u32::MAX));
                Ipv4Addr::from_bits(ip.to_bits() & mask.unwrap_or(u32::MAX)).into()
            }
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & keep(128, u128::MAX)).into(),
        };
        Self { address, ..self }
    }
}

/// Whether the first `bits` of a number of `width` bits are zero.
fn prefix_is_zero(number: u128, width: u32, bits: u8) -> bool {
    number.checked_shr(width - u32::from(bits)).unwrap_or(0) == 0
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    /// `ADDRESS` or `ADDRESS/BITS`.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork::Form)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| InvalidNetwork::Form)?;
        if bits > most || address != address.to_canonical() {
            return Err(InvalidNetwork::Form);
        }
        let network = Self { address, bits };
        let cleared = network.cleared();
        if network == cleared { Ok(network) } else { Err(InvalidNetwork::HostBits(cleared)) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, bits } = self;
        let single = if address.is_ipv4() { 32 } else { 128 };
        if *bits == single { write!(f, "{address}") } else { write!(f, "{address}/{bits}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_network_holds_the_addresses_of_its_prefix() {
        for (text, inside, outside) in [
            ("10.1.2.0/24", "10.1.2.255", "10.1.3.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.1.2.3", "::ffff:10.1.2.3", "::ffff:10.1.2.4"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("fe80::1", "fe80::1", "fe80::2"),
        ] {
            assert!(network(text).contains(inside.parse().unwrap()), "{inside} in {text}");
            assert!(!network(text).contains(outside.parse().unwrap()), "{outside} not in {text}");
            assert_eq!(network(text).to_string(), text);
        }
    }

    #[test]
    fn private_is_what_nobody_outside_can_send_from() {
        for text in ["10.0.0.0/8", "172.31.0.0/16", "192.168.1.7", "127.0.0.1", "::1", "fd00::/8"] {
            assert!(network(text).is_private(), "{text}");
        }
        for text in ["0.0.0.0/0", "8.0.0.0/6", "172.0.0.0/11", "192.0.2.7", "::/0", "2001:db8::1"] {
            assert!(!network(text).is_private(), "{text}");
        }
    }

    #[test]
    fn what_is_no_network_is_told_apart() {
        for text in ["", "10.1.2", "10.1.2.3/33", "::1/129", "10.0.0.0/-1", "::ffff:10.0.0.1", "x"]
        {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork::Form), "{text}");
        }
        for (text, meant) in [("10.1.2.3/24", "10.1.2.0/24"), ("fd00::1/8", "fd00::/8")] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork::HostBits(network(meant))));
        }
    }
}
