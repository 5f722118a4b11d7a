//! A stream and its unread bytes: driving a session, dialling an upstream, splicing two wires.

mod dial;
mod intake;
mod proxy;
mod splice;

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use zeroize::Zeroizing;

use crate::proto::{Inbox, Refusal, Session, Step};
use crate::tls::{Connected, Identity, Trust};

pub use dial::{Unreachable, dial};
pub use proxy::{Exempt, Proxy, Scheme};
pub use splice::{End, Patience, Traffic, splice};

/// One side of a connection.
pub struct Wire {
    stream: Stream,
    inbox: Inbox,
}

enum Stream {
    Plain(TcpStream),
    // Both boxed: an idle connection in clear shouldn't carry the room for TLS.
    Accepted(Box<TlsStream<TcpStream>>),
    Connected(Box<Connected>),
    /// A TLS handshake took the stream and failed.
    Gone,
}

/// The side to take in a TLS handshake, where one is asked for.
pub enum Handshake<'a> {
    /// We are the server.
    Accept(Option<&'a Identity>),
    /// We are the client of the server called so.
    Connect(&'a Trust, &'a str),
}

/// Why a session wasn't driven to its outcome.
#[derive(Debug)]
pub enum Halt {
    /// The session said no.
    Refused(Refusal),
    /// The peer ended the connection.
    Closed,
    /// The peer sent bytes in clear behind STARTTLS.
    Injected,
    /// The peer kept silent, or didn't take what was sent, for longer than its patience.
    TimedOut,
    /// The TLS handshake failed.
    Tls(io::Error),
    /// The connection broke.
    Broken(io::Error),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// How long a silent peer is believed to be there, and how often it is asked then. A printer that was
/// switched off, or a firewall that forgot the connection, shows within four minutes.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(120)).with_interval(Duration::from_secs(30));

/// What is read of a peer at once before login. A login fits; more would only be held back.
const CHUNK: usize = 4096;

impl Wire {
    /// A wire over a fresh connection, in clear.
    pub fn new(stream: TcpStream) -> Self {
        // Neither is worth losing a connection for.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE);
        Self { stream: Stream::Plain(stream), inbox: Inbox::default() }
    }

    /// Drives `session` to its outcome. `patience` bounds each wait for the peer.
    ///
    /// # Errors
    /// [`Halt`]; the wire is fit for a last word after `Refused` and `TimedOut`.
    pub async fn drive<T>(
        &mut self,
        session: &mut (impl Session<Outcome = T> + ?Sized),
        handshake: &Handshake<'_>,
        patience: Duration,
    ) -> Result<T, Halt> {
        loop {
            match session.advance(&mut self.inbox)? {
                Step::Read => within(patience, self.read()).await?,
                Step::Write(bytes) => within(patience, self.write(&bytes)).await?,
                Step::StartTls => within(patience, self.start_tls(handshake)).await?,
                Step::Done(outcome) => return Ok(outcome),
            }
        }
    }

    /// Puts TLS on the wire. Bytes that came in clear before it are an attacker's (RFC 3207 section 6).
    ///
    /// # Errors
    /// `Injected` where something is unread, `Tls` where the handshake fails.
    pub async fn start_tls(&mut self, handshake: &Handshake<'_>) -> Result<(), Halt> {
        if !self.inbox.is_empty() {
            return Err(Halt::Injected);
        }
        let Stream::Plain(stream) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(Halt::Tls(io::Error::other("TLS is up already")));
        };
        self.stream = shake_hands(stream, handshake).await.map_err(Halt::Tls)?;
        Ok(())
    }

    /// Sends a last word and closes; a peer that doesn't take it within `patience` goes without. What
    /// it still sends is taken and dropped: closing over unread bytes resets the connection, and a
    /// reset overtakes the last word.
    pub async fn farewell(mut self, words: &[u8], patience: Duration) {
        let last = async {
            self.write(words).await?;
            self.stream.shutdown().await.map_err(Halt::Broken)?;
            loop {
                self.inbox.drain();
                self.read().await?;
            }
        };
        let _: Result<Result<Infallible, Halt>, _> = timeout(patience, last).await;
    }

    /// Sends `bytes`, all of them.
    ///
    /// # Errors
    /// `Broken`.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Halt> {
        self.stream.write_all(bytes).await.map_err(Halt::Broken)?;
        self.stream.flush().await.map_err(Halt::Broken)
    }

    async fn read(&mut self) -> Result<(), Halt> {
        let mut chunk = Zeroizing::new([0; CHUNK]);
        match self.stream.read(&mut *chunk).await {
            Ok(0) => Err(Halt::Closed),
            Ok(count) => {
                self.inbox.push(&chunk[..count]);
                Ok(())
            }
            // A peer that goes without TLS's goodbye.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Halt::Closed),
            Err(error) => Err(Halt::Broken(error)),
        }
    }
}

async fn shake_hands(stream: TcpStream, handshake: &Handshake<'_>) -> io::Result<Stream> {
    match handshake {
        Handshake::Accept(Some(identity)) => {
            Ok(Stream::Accepted(Box::new(identity.accept(stream).await?)))
        }
        Handshake::Accept(None) => Err(io::Error::other("no certificate here")),
        Handshake::Connect(trust, host) => {
            Ok(Stream::Connected(Box::new(trust.connect(host, stream).await?)))
        }
    }
}

async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, Halt>>,
) -> Result<T, Halt> {
    timeout(patience, work).await.unwrap_or(Err(Halt::TimedOut))
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Accepted(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Connected(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Accepted(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Connected(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Accepted(stream) => Pin::new(stream).poll_flush(cx),
            Self::Connected(stream) => Pin::new(stream).poll_flush(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Accepted(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Connected(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}
