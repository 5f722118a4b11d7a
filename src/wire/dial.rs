//! Reaching an upstream: all addresses of its host, IPv6 and IPv4 in turn (RFC 8305).

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Halt, Handshake, Proxy, Wire};
use crate::proto::Security;
use crate::tls::Trust;

/// Why an upstream can't be reached.
#[derive(Debug)]
pub enum Unreachable {
    /// The name has no address.
    Name(io::Error),
    /// No address answers; the last one's error.
    Connect(io::Error),
    /// The proxy on the way to it can't be reached, or doesn't lead there.
    Proxy(io::Error),
    /// The TLS handshake failed.
    Tls(io::Error),
    /// None of it was done in time.
    TimedOut,
    /// In clear is for loopback alone, and the host's addresses aren't.
    NotLoopback,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => write!(
                f,
                "its name can't be resolved ({error}); check the host's spelling and this machine's DNS"
            ),
            Self::Connect(error) => write!(
                f,
                "no address of it takes a connection ({error}); check the port and the firewall"
            ),
            Self::Proxy(error) => write!(
                f,
                "the proxy doesn't lead there ({error}); check [proxy], or add the host to its `no_proxy`"
            ),
            Self::Tls(error) => write!(
                f,
                "TLS with it fails ({error}); if something on the way replaces certificates, name its root in `ca_file`"
            ),
            Self::TimedOut => write!(
                f,
                "it doesn't answer in time; check the firewall, or raise `connect` under [timeouts]"
            ),
            Self::NotLoopback => {
                write!(f, "it isn't on loopback, and `security = \"plain\"` is for loopback alone")
            }
        }
    }
}

/// The wait before the next address is tried beside the ones under way (RFC 8305 section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to `host`, through `proxy` if that serves it, and puts TLS on the wire where `security` is
/// implicit. `patience` bounds it all.
///
/// # Errors
/// [`Unreachable`] says which part failed.
pub async fn dial(
    (host, port): (&str, u16),
    security: Security,
    trust: &Trust,
    proxy: Option<&Proxy>,
    patience: Duration,
) -> Result<Wire, Unreachable> {
    let work = async {
        let stream = match proxy.filter(|proxy| proxy.serves(host)) {
            Some(proxy) => through(proxy, host, port).await.map_err(Unreachable::Proxy)?,
            None => connect(resolve(host, port, security).await?).await?,
        };
        let mut wire = Wire::new(stream);
        if security == Security::Implicit {
            wire.start_tls(&Handshake::Connect(trust, host)).await.map_err(handshake_error)?;
        }
        Ok(wire)
    };
    timeout(patience, work).await.unwrap_or(Err(Unreachable::TimedOut))
}

async fn through(proxy: &Proxy, host: &str, port: u16) -> io::Result<TcpStream> {
    let found = lookup_host((proxy.host.as_str(), proxy.port)).await?;
    let mut stream = connect(interleave(found.collect())).await.map_err(|why| match why {
        Unreachable::Connect(error) => error,
        _ => io::ErrorKind::NotConnected.into(),
    })?;
    proxy.lead(&mut stream, (host, port)).await?;
    Ok(stream)
}

fn handshake_error(halt: Halt) -> Unreachable {
    match halt {
        Halt::Tls(error) | Halt::Broken(error) => Unreachable::Tls(error),
        _ => Unreachable::Tls(io::ErrorKind::ConnectionAborted.into()),
    }
}

async fn resolve(
    host: &str,
    port: u16,
    security: Security,
) -> Result<VecDeque<SocketAddr>, Unreachable> {
    let found: Vec<_> = lookup_host((host, port)).await.map_err(Unreachable::Name)?.collect();
    if security == Security::Plain && found.iter().any(|address| !address.ip().is_loopback()) {
        return Err(Unreachable::NotLoopback);
    }
    Ok(interleave(found))
}

/// The families in turn, the one that the resolver put first (RFC 6724) going first.
fn interleave(found: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let leading = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| address.is_ipv6() == leading);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = VecDeque::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair.iter().all(Option::is_none) {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

/// Happy eyeballs (RFC 8305 section 5): the next address joins in after a delay or a failure, and the
/// first to connect wins.
async fn connect(mut addresses: VecDeque<SocketAddr>) -> Result<TcpStream, Unreachable> {
    let mut attempts = JoinSet::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = addresses.pop_front() {
            attempts.spawn(TcpStream::connect(address));
        }
        tokio::select! {
            Some(attempt) = attempts.join_next() => match attempt {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => {}
            },
            () = sleep(ATTEMPT_DELAY), if !addresses.is_empty() => {}
            else => return Err(Unreachable::Connect(last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_the_resolvers_first_goes_first() {
        let all = |texts: &[&str]| {
            texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>()
        };
        let found = all(&["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1", "127.0.0.2:1"]);
        let order = all(&["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1", "[::3]:1"]);
        assert_eq!(Vec::from(interleave(found)), order);
        let found = all(&["127.0.0.1:1", "[::1]:1"]);
        assert_eq!(Vec::from(interleave(found.clone())), found);
    }
}
