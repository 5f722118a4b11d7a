//! The PROXY protocol, versions 1 and 2: what a proxy says of the client before the client says
//! anything (HAProxy's `proxy-protocol.txt`). Nothing behind the header is read.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// A header, or how much of it is still to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The header has at least this many octets more.
    More(usize),
    /// Where the client is; `None` for a connection of the proxy's own, as for a health check, and for
    /// a client that has no address.
    Done(Option<SocketAddr>),
}

/// What came is no PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no PROXY header of version 1 or 2")]
pub struct Malformed;

/// What version 2 begins with (section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What version 1 begins with.
const WORD: &[u8] = b"PROXY ";

/// The longest header of version 1, with its line ending (section 2.1).
const LONGEST_LINE: usize = 107;

/// Octets in front of the addresses of version 2.
const PREFIX: usize = 16;

/// Addresses and additions of version 2: 216 octets and what proxies tell of a client's TLS. More is
/// nobody's.
const LONGEST_BODY: usize = 4096;

/// The header is sent with the connection; section 2 asks for three seconds at least, which a lost
/// packet may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the header off `stream`, and not an octet more.
///
/// # Errors
/// `InvalidData` where there is none, `TimedOut` where it doesn't come, and whatever breaks the stream.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let header = async {
        let mut bytes = Vec::with_capacity(LONGEST_LINE);
        loop {
            match parse(&bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?
            {
                Progress::Done(source) => return Ok(source),
                Progress::More(count) => {
                    let have = bytes.len();
                    bytes.resize(have + count, 0);
                    stream.read_exact(&mut bytes[have..]).await?;
                }
            }
        }
    };
    timeout(PATIENCE, header).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Looks at what has been read of a header.
///
/// # Errors
/// [`Malformed`], whatever else may follow.
pub fn parse(bytes: &[u8]) -> Result<Progress, Malformed> {
    // Every header is longer, in either version.
    if bytes.len() < SIGNATURE.len() {
        return Ok(Progress::More(SIGNATURE.len() - bytes.len()));
    }
    if bytes.starts_with(SIGNATURE) { binary(bytes) } else { text(bytes) }
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443`, or `PROXY UNKNOWN` and whatever (section 2.1).
fn text(bytes: &[u8]) -> Result<Progress, Malformed> {
    if !bytes.starts_with(WORD) {
        return Err(Malformed);
    }
    let Some(line) = bytes.strip_suffix(b"\r\n") else {
        let longest = bytes.len() >= LONGEST_LINE || bytes[..bytes.len() - 1].contains(&b'\n');
        return if longest { Err(Malformed) } else { Ok(Progress::More(1)) };
    };
    let line = std::str::from_utf8(line).map_err(|_| Malformed)?;
    let words: Vec<&str> = line.split(' ').collect();
    let source = match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => None,
        ["PROXY", "TCP4", from, to, port, to_port] => {
            Some(ends::<Ipv4Addr>([from, to], [port, to_port])?)
        }
        ["PROXY", "TCP6", from, to, port, to_port] => {
            Some(ends::<Ipv6Addr>([from, to], [port, to_port])?)
        }
        _ => return Err(Malformed),
    };
    Ok(Progress::Done(source))
}

fn ends<A: std::str::FromStr + Into<IpAddr>>(
    addresses: [&str; 2],
    ports: [&str; 2],
) -> Result<SocketAddr, Malformed> {
    let [from, to] = addresses.map(|text| text.parse::<A>().map_err(|_| Malformed));
    let [port, to_port] = ports.map(number);
    // Of no use, but a header without them is none.
    to?;
    to_port?;
    Ok(SocketAddr::new(from?.into(), port?))
}

fn number(text: &str) -> Result<u16, Malformed> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(Malformed)
}

/// The signature, version and command, family and transport, the length of the rest, and the
/// addresses (section 2.2).
fn binary(bytes: &[u8]) -> Result<Progress, Malformed> {
    let Some((prefix, body)) = bytes.split_at_checked(PREFIX) else {
        return Ok(Progress::More(PREFIX - bytes.len()));
    };
    let length = usize::from(u16::from_be_bytes([prefix[14], prefix[15]]));
    if length > LONGEST_BODY || body.len() > length {
        return Err(Malformed);
    }
    if body.len() < length {
        return Ok(Progress::More(length - body.len()));
    }
    match (prefix[12], prefix[13]) {
        // LOCAL: whatever stands in the rest.
        (0x20, _) => Ok(Progress::Done(None)),
        // PROXY of a client with an unknown address, or one in a file system.
        (0x21, 0x00 | 0x31) => Ok(Progress::Done(None)),
        (0x21, 0x11) => {
            let (ip, port) = first_end::<4>(body, 12)?;
            Ok(Progress::Done(Some(SocketAddr::new(Ipv4Addr::from(ip).into(), port))))
        }
        (0x21, 0x21) => {
            let (ip, port) = first_end::<16>(body, 36)?;
            Ok(Progress::Done(Some(SocketAddr::new(Ipv6Addr::from(ip).into(), port))))
        }
        _ => Err(Malformed),
    }
}

/// Source address and port out of source, destination and their ports, `size` octets in all.
fn first_end<const N: usize>(body: &[u8], size: usize) -> Result<([u8; N], u16), Malformed> {
    let ends = body.get(..size).ok_or(Malformed)?;
    let ip = ends.first_chunk().ok_or(Malformed)?;
    let port = ends[2 * N..].first_chunk().ok_or(Malformed)?;
    Ok((*ip, u16::from_be_bytes(*port)))
}
