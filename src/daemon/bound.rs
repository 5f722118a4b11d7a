//! Sockets that listen: opened here, or by the service manager.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use socket2::SockRef;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpSocket};

use crate::config::Address;
use crate::relay::Source;
use crate::wire::Socket;

/// A socket that listens.
pub(super) struct Bound {
    listener: Listener,
    pub(super) spot: Spot,
}

enum Listener {
    Network(TcpListener),
    #[cfg(unix)]
    Path(UnixListener),
}

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// At an address, with the port that it was given.
    Network(SocketAddr),
    /// In the file system.
    Path(PathBuf),
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

impl Bound {
    pub(super) async fn accept(&self) -> io::Result<(Socket, Source)> {
        match &self.listener {
            Listener::Network(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((stream.into(), peer.into()))
            }
            #[cfg(unix)]
            Listener::Path(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((stream.into(), Source::Machine))
            }
        }
    }

    fn network(listener: TcpListener) -> io::Result<Self> {
        let spot = Spot::Network(listener.local_addr()?);
        Ok(Self { listener: Listener::Network(listener), spot })
    }
}

/// The sockets at `address`, with the permissions `mode` where it is a path.
///
/// # Errors
/// Whatever the system says, or that nothing was handed over under the name.
pub(super) async fn open(address: &Address, mode: u32, handed: &Handed) -> io::Result<Vec<Bound>> {
    match address {
        Address::Network(address) => Ok(vec![Bound::network(at_address(*address)?)?]),
        Address::Path(path) => Ok(vec![at_path(path, mode).await?]),
        Address::Handed(name) => handed.duplicates(name),
    }
}

/// Connections that wait to be accepted: a burst of them, as Linux lets through by default (`somaxconn`).
const BACKLOG: u32 = 4096;

/// A socket at `address`. One for IPv6 takes that alone: beside it, a listener on 0.0.0.0 has the same port,
/// and whichever comes first.
fn at_address(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if address.is_ipv6() {
        SockRef::from(&socket).set_only_v6(true)?;
    }
    // A restart doesn't wait for the last connections to be forgotten. Elsewhere it would share the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A socket at `path`. It gets its permissions under another name, so that nobody else connects
/// before, and takes the place of one that was left behind.
#[cfg(unix)]
async fn at_path(path: &Path, mode: u32) -> io::Result<Bound> {
    use std::os::unix::fs::PermissionsExt as _;

    if tokio::net::UnixStream::connect(path).await.is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    if path.symlink_metadata().is_ok_and(|found| !is_socket(&found)) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else has this name"));
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(name);
    let _ = std::fs::remove_file(&new);
    let listener = UnixListener::bind(&new)?;
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode))?;
    std::fs::rename(&new, path)?;
    Ok(Bound { listener: Listener::Path(listener), spot: Spot::Path(path.to_owned()) })
}

#[cfg(unix)]
fn is_socket(found: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    found.file_type().is_socket()
}

#[cfg(not(unix))]
async fn at_path(_: &Path, _: u32) -> io::Result<Bound> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The sockets that the service manager opened (sd_listen_fds(3)), by their names. They stay open for
/// configurations to come, since nobody hands them over again; who listens gets duplicates.
#[derive(Default)]
pub struct Handed(HashMap<String, Vec<Listening>>);

enum Listening {
    Network(std::net::TcpListener),
    #[cfg(unix)]
    Path(std::os::unix::net::UnixListener),
}

impl Handed {
    /// Takes over what this process was started with. To be called once, before there are other
    /// threads: it clears the variables that say so, lest a program that gatepost starts believes them.
    ///
    /// # Errors
    /// One of the sockets isn't one that listens for streams.
    #[cfg(unix)]
    pub fn take_over() -> io::Result<Self> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut inherited = listenfd::ListenFd::from_env();
        let mut handed = Self::default();
        for index in 0..inherited.len() {
            // What systemd calls a socket that has no name.
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
            let listening = match inherited.take_tcp_listener(index) {
                Ok(listener) => listener.map(Listening::Network),
                Err(_) => inherited.take_unix_listener(index)?.map(Listening::Path),
            };
            handed.0.entry(name.to_owned()).or_default().extend(listening);
        }
        Ok(handed)
    }

    /// Nothing is ever handed over here.
    ///
    /// # Errors
    /// None.
    #[cfg(not(unix))]
    pub fn take_over() -> io::Result<Self> {
        Ok(Self::default())
    }

    fn duplicates(&self, name: &str) -> io::Result<Vec<Bound>> {
        let Some(listening) = self.0.get(name) else {
            let mut names: Vec<&str> = self.0.keys().map(String::as_str).collect();
            names.sort_unstable();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let why = format!(
                "the service manager handed over no socket of this name (FileDescriptorName=); handed over: {known}"
            );
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        };
        listening.iter().map(Listening::duplicate).collect()
    }
}

impl Listening {
    fn duplicate(&self) -> io::Result<Bound> {
        match self {
            Self::Network(listener) => {
                let listener = listener.try_clone()?;
                listener.set_nonblocking(true)?;
                Bound::network(TcpListener::from_std(listener)?)
            }
            #[cfg(unix)]
            Self::Path(listener) => {
                let listener = listener.try_clone()?;
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?;
                let path = address.as_pathname().map(Path::to_owned).unwrap_or_default();
                let listener = Listener::Path(UnixListener::from_std(listener)?);
                Ok(Bound { listener, spot: Spot::Path(path) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    fn at(ip: IpAddr, port: u16) -> io::Result<TcpListener> {
        at_address(SocketAddr::new(ip, port))
    }

    #[tokio::test]
    async fn all_addresses_of_both_kinds_have_one_port() {
        let (four, six) = (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
        // A port that is free in one kind may be taken in the other.
        for attempt in 0..10 {
            let first = match at(six, 0) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => return,
                first => first.unwrap(),
            };
            let port = first.local_addr().unwrap().port();
            match at(four, port) {
                Ok(_) => break,
                Err(error) => assert!(attempt < 9, "{error}"),
            }
        }
    }
}
