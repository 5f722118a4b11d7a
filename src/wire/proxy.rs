//! Leaving a network through a proxy: HTTP CONNECT (RFC 9110 section 9.3.6) and SOCKS5 (RFC 1928),
//! both with the host's name resolved by the proxy.

use std::fmt;
use std::io;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The longest head of a proxy's response. Octets; they have a few hundred.
const LONGEST_HEAD: usize = 8192;

/// The way out of a network, for authorities and mail hosts alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// What it speaks.
    pub scheme: Scheme,
    /// Its host name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user name and password that it wants.
    pub login: Option<(String, Secret<String>)>,
    /// What is reached without it, beside this machine.
    pub exempt: Vec<Exempt>,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP CONNECT.
    Http,
    /// SOCKS5.
    Socks5,
}

/// Hosts that a proxy isn't for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exempt {
    /// A domain and all below it, in lower case.
    Domain(String),
    /// A network: the addresses that share so many leading bits with this one.
    Network(IpAddr, u8),
}

impl Exempt {
    /// Reads `example.com`, `.example.com`, `192.0.2.1` or `192.0.2.0/24`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let Ok(address) = address.parse::<IpAddr>() else {
            let domain = text.trim_start_matches("*.").trim_start_matches('.');
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            let good = bits.is_none() && !domain.is_empty() && domain.chars().all(plain);
            return good.then(|| Self::Domain(domain.to_ascii_lowercase()));
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits =
            bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
        Some(Self::Network(address, bits))
    }

    fn covers(&self, host: &str) -> bool {
        match self {
            Self::Domain(domain) => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                host.strip_suffix(domain.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Self::Network(network, bits) => {
                host.parse().is_ok_and(|ip| shares(*network, ip, *bits))
            }
        }
    }
}

impl fmt::Display for Exempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => f.write_str(domain),
            Self::Network(address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}

fn shares(one: IpAddr, other: IpAddr, bits: u8) -> bool {
    let differing = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= u32::from(bits)
}

impl Proxy {
    /// Whether `host` is reached through it. This machine never is.
    pub fn serves(&self, host: &str) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let own = bare.eq_ignore_ascii_case("localhost")
            || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        !own && !self.exempt.iter().any(|exempt| exempt.covers(bare))
    }

    /// Makes a connection to the proxy one to `host`.
    pub(super) async fn lead(
        &self,
        stream: &mut TcpStream,
        (host, port): (&str, u16),
    ) -> io::Result<()> {
        match self.scheme {
            Scheme::Http => self.connect(stream, &authority(host, port)).await,
            Scheme::Socks5 => self.socks(stream, host, port).await,
        }
    }

    async fn connect(&self, stream: &mut TcpStream, authority: &str) -> io::Result<()> {
        let mut head =
            Zeroizing::new(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"));
        if let Some((user, password)) = &self.login {
            let login = Zeroizing::new(format!("{user}:{}", password.reveal()));
            let login = Zeroizing::new(STANDARD.encode(login.as_bytes()));
            head.push_str("Proxy-Authorization: Basic ");
            head.push_str(&login);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        match status(&response_head(stream).await?) {
            Some(200..300) => Ok(()),
            Some(407) => Err(io::Error::other("it wants a user name and password (HTTP 407)")),
            Some(status) => Err(io::Error::other(format!("it refuses with HTTP {status}"))),
            None => Err(io::Error::other("it doesn't speak HTTP")),
        }
    }

    async fn socks(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        const NONE: u8 = 0;
        const PASSWORD: u8 = 2;
        let method = if self.login.is_some() { PASSWORD } else { NONE };
        stream.write_all(&[5, 1, method]).await?;
        let chosen: [u8; 2] = read(stream).await?;
        match (chosen, &self.login) {
            ([5, NONE], None) => {}
            ([5, PASSWORD], Some((user, password))) => log_in(stream, user, password).await?,
            ([5, _], _) => return Err(io::Error::other("it wants another way of logging in")),
            _ => return Err(io::Error::other("it doesn't speak SOCKS5")),
        }
        stream.write_all(&socks_request(host, port)?).await?;
        let [_, verdict, _, kind]: [u8; 4] = read(stream).await?;
        if verdict != 0 {
            return Err(io::Error::other(socks_refusal(verdict)));
        }
        // The address it is bound to, which is of no interest, but in the way.
        let length = match kind {
            1 => 4,
            4 => 16,
            _ => usize::from(stream.read_u8().await?),
        };
        stream.read_exact(&mut vec![0; length + 2]).await.map(|_| ())
    }
}

/// `host:port` as in a request target (RFC 3986 section 3.2).
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// All up to the empty line. Octet by octet: what follows is the mail host's.
async fn response_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == LONGEST_HEAD {
            return Err(io::Error::other("its answer has no end"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

fn status(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

/// RFC 1929.
async fn log_in(stream: &mut TcpStream, user: &str, password: &Secret<String>) -> io::Result<()> {
    let mut request = Zeroizing::new(vec![1]);
    for part in [user, password.reveal()] {
        request.push(octet_length(part)?);
        request.extend_from_slice(part.as_bytes());
    }
    stream.write_all(&request).await?;
    match read(stream).await? {
        [_, 0] => Ok(()),
        [_, _] => Err(io::Error::other("it doesn't take the user name and password")),
    }
}

fn socks_request(host: &str, port: u16) -> io::Result<Vec<u8>> {
    let mut request = vec![5, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(ip)) => {
            request.push(1);
            request.extend(ip.octets());
        }
        Ok(IpAddr::V6(ip)) => {
            request.push(4);
            request.extend(ip.octets());
        }
        Err(_) => {
            request.extend([3, octet_length(host)?]);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    Ok(request)
}

fn octet_length(text: &str) -> io::Result<u8> {
    u8::try_from(text.len()).map_err(|_| io::Error::other("more than 255 octets don't fit SOCKS5"))
}

/// RFC 1928 section 6.
fn socks_refusal(code: u8) -> String {
    let reason = match code {
        2 => "its rules don't allow the connection",
        3 => "it can't reach the network",
        4 => "it can't reach the host",
        5 => "the host refuses the connection",
        6 => "the connection took it too long",
        _ => "it fails",
    };
    format!("{reason} (SOCKS reply {code})")
}

async fn read<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    stream.read_exact(&mut octets).await?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(exempt: &[&str]) -> Proxy {
        Proxy {
            scheme: Scheme::Http,
            host: "proxy.example".to_owned(),
            port: 3128,
            login: None,
            exempt: exempt.iter().map(|text| Exempt::parse(text).unwrap()).collect(),
        }
    }

    #[test]
    fn what_is_exempt_is_reached_without_it() {
        let proxy = proxy(&["corp.example", ".lan", "10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]);
        for near in [
            "corp.example",
            "IMAP.Corp.Example",
            "imap.corp.example.",
            "a.lan",
            "10.255.0.1",
            "2001:db8::5",
            "192.0.2.7",
            "localhost",
            "127.0.0.1",
            "::1",
            "[::1]",
        ] {
            assert!(!proxy.serves(near), "{near}");
        }
        for far in ["notcorp.example", "corp.example.com", "11.0.0.1", "2001:db9::1", "192.0.2.8"] {
            assert!(proxy.serves(far), "{far}");
        }
    }

    #[test]
    fn what_is_no_host_and_no_network_is_not_exempt() {
        for bad in ["", ".", "10.0.0.0/33", "10.0.0.0/x", "a b", "corp.example/8", "::/129"] {
            assert_eq!(Exempt::parse(bad), None, "{bad}");
        }
    }
}
