//! Where a listener listens: an address and a port, a socket in the file system, or one that the
//! service manager opened.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;

use crate::config::problem::Report;

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port; port 0 is for any free one.
    Network(SocketAddr),
    /// A socket in the file system.
    Path(PathBuf),
    /// The sockets that the service manager hands over under this name (sd_listen_fds(3)).
    Handed(String),
}

impl Address {
    /// Whether other machines may reach it.
    pub fn is_exposed(&self) -> bool {
        match self {
            Self::Network(address) => !address.ip().is_loopback(),
            Self::Path(_) => false,
            // What the unit of the socket says isn't known here.
            Self::Handed(_) => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Path(path) => write!(f, "unix:{}", path.display()),
            Self::Handed(name) => write!(f, "systemd:{name}"),
        }
    }
}

/// The addresses that listeners have claimed, with the lines they stand in.
#[derive(Default)]
pub(in crate::config) struct Claims(Vec<(Address, Range<usize>)>);

impl Claims {
    pub(super) fn claim(&mut self, address: &Address, span: &Range<usize>, report: &Report<'_>) {
        if let Some((_, first)) = self.0.iter().find(|(other, _)| overlap(other, address)) {
            let label = format!("line {} listens there already", report.line(first));
            report.problem(span.clone(), format!("{address} is taken twice"), label);
        }
        self.0.push((address.clone(), span.clone()));
    }
}

/// Whether the second of two listeners couldn't bind.
fn overlap(one: &Address, other: &Address) -> bool {
    let (Address::Network(one), Address::Network(other)) = (one, other) else {
        return one == other;
    };
    let same_host =
        one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && one.is_ipv4() == other.is_ipv4() && same_host
}

/// `ADDRESS:PORT`, `localhost:PORT` for both loopback addresses, `unix:PATH` or `systemd:NAME`.
pub(super) fn parse(text: &Spanned<String>, report: &Report<'_>) -> Vec<Address> {
    let written = text.get_ref().as_str();
    if let Some(name) = written.strip_prefix("systemd:") {
        return handed(name, text.span(), report);
    }
    if let Some(path) = written.strip_prefix("unix:") {
        return path_of(path, text.span(), report);
    }
    let addresses: Vec<SocketAddr> = match written.strip_prefix("localhost:").map(str::parse) {
        Some(Ok(port)) => [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]
            .map(|ip| SocketAddr::new(ip, port))
            .to_vec(),
        _ => written.parse().into_iter().collect(),
    };
    if addresses.is_empty() {
        report.problem_with_help(
            text.span(),
            format!("{written:?} is no address to listen on"),
            "an IP address and a port",
            "for example \"127.0.0.1:1143\", \"[::1]:1143\", \"localhost:1143\" for both, \
             \"unix:/run/gatepost/smtp.sock\", or \"systemd:NAME\"",
        );
    }
    if addresses.iter().any(|address| address.port() == 0 && !address.ip().is_loopback()) {
        let title = format!("{written:?} has no port");
        report.problem(text.span(), title, "port 0, for any free port, is for loopback addresses");
    }
    addresses.into_iter().map(Address::Network).collect()
}

fn handed(name: &str, span: Range<usize>, report: &Report<'_>) -> Vec<Address> {
    // What systemd takes for FileDescriptorName=, in systemd.socket(5).
    let fits = (1..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if !fits {
        let label = "the FileDescriptorName= of the socket's unit";
        report.problem(span, format!("{name:?} is no name of a socket"), label);
        return Vec::new();
    }
    vec![Address::Handed(name.to_owned())]
}

fn path_of(path: &str, span: Range<usize>, report: &Report<'_>) -> Vec<Address> {
    let path = PathBuf::from(path);
    if !cfg!(unix) {
        report.problem(span, "this system has no sockets in its file system", "an IP address");
        return Vec::new();
    }
    // sun_path has 108 octets on Linux and 104 elsewhere, one of them for the end, and the socket is
    // made under a name that is a little longer.
    if !path.is_absolute() || path.as_os_str().len() > 95 {
        let title = format!("{:?} is no path for a socket", path.display().to_string());
        report.problem(span, title, "an absolute path of at most 95 octets");
        return Vec::new();
    }
    vec![Address::Path(path)]
}
