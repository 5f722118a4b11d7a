//! What a client or an upstream is connected by.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// A fresh connection, in clear.
#[derive(Debug)]
pub enum Socket {
    /// Over a network, or loopback.
    Tcp(TcpStream),
    /// From a program on this machine, by a socket in its file system.
    #[cfg(unix)]
    Unix(UnixStream),
}

/// How long a silent peer is believed to be there, and how often it is asked then. A printer that was
/// switched off, or a firewall that forgot the connection, shows within four minutes.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(120)).with_interval(Duration::from_secs(30));

/// The type of a TLS record that a ClientHello comes in (RFC 8446 section 5.1). No command of a mail
/// protocol begins with it.
const HANDSHAKE: u8 = 0x16;

impl Socket {
    /// Whether the client begins with TLS, known as soon as its first byte is there; the byte stays
    /// unread. A socket in the file system is taken for clear.
    pub async fn begins_with_tls(&self) -> bool {
        let mut byte = [0];
        match self {
            Self::Tcp(stream) => {
                stream.peek(&mut byte).await.is_ok_and(|count| byte[..count] == [HANDSHAKE])
            }
            #[cfg(unix)]
            Self::Unix(_) => false,
        }
    }

    /// The socket of an upstream, which is reached over a network always.
    pub(super) fn network(self) -> io::Result<TcpStream> {
        match self {
            Self::Tcp(stream) => Ok(stream),
            #[cfg(unix)]
            Self::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Acknowledges at once what has been read.
    pub(super) fn acknowledge(&self) {
        #[cfg(any(target_os = "android", target_os = "linux"))]
        if let Self::Tcp(stream) = self {
            // Nothing is lost where it fails but those 40 ms.
            let _ = stream.set_quickack(true);
        }
    }

    /// Asks the system to send small replies at once and to notice a peer that is gone.
    pub(super) fn attend(&self) {
        #[cfg_attr(not(unix), allow(irrefutable_let_patterns))]
        let Self::Tcp(stream) = self else {
            return;
        };
        // Neither is worth losing a connection for.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(stream).set_tcp_keepalive(&KEEPALIVE);
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

#[cfg(unix)]
impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
