//! `[[listener]]`: where clients connect, and in which protocol.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use crate::proto::{Privacy, Protocol};

/// A port to listen on, with its protocol and TLS mode.
pub struct Listener {
    /// The protocol that clients speak there.
    pub protocol: &'static Protocol,
    /// The addresses, at least one. Port 0 is for any free port.
    pub addresses: Vec<SocketAddr>,
    /// How private a connection is as it starts; [`Privacy::Tls`] for implicit TLS.
    pub privacy: Privacy,
    /// What gatepost identifies itself by; there wherever TLS is or is offered.
    pub certificate: Option<Certificate>,
}

/// A certificate chain and its private key, both PEM files that are there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Certificate {
    /// The chain, the listener's own certificate first.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}
