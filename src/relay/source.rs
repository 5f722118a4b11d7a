//! Where a client is, and whom it shares limits with.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Where a client connects from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From this address; IPv4 is never written as IPv6.
    Network(SocketAddr),
    /// From this machine, by a socket in its file system.
    Machine,
}

impl Source {
    /// The address, where there is one.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Network(address) => Some(address.ip()),
            Self::Machine => None,
        }
    }

    /// The network that shares the limits of an address: an IPv4 address, or the /64 that an IPv6 host
    /// picks its addresses from (RFC 4291 section 2.5.4). `None` for this machine itself, whose programs
    /// have one address for all of them.
    pub(super) fn neighbourhood(self) -> Option<IpAddr> {
        match self.ip()? {
            ip if ip.is_loopback() => None,
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            ip => Some(ip),
        }
    }
}

impl From<SocketAddr> for Source {
    fn from(address: SocketAddr) -> Self {
        Self::Network(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Machine => f.write_str("local"),
        }
    }
}
