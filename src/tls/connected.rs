//! The client's end of a TLS connection, on rustls' unbuffered interface.
//!
//! Thousands of these lie idle, so none keeps a buffer: records are read into and encrypted into scratch
//! space that belongs to the thread. A stream keeps only what arrived in part and what the other side
//! didn't take yet. rustls' buffered interface would hold 4 KiB for each stream, grow to 20 KiB with
//! every message, and read the socket in pieces of 4 KiB.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ClientConfig;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus, WriteTraffic,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Plain octets encrypted at once: eight records. Half of it costs a tenth more, twice as much saves
/// little and is what a peer that reads slowly makes gatepost hold.
const BATCH: usize = 128 * 1024;

/// Room for a batch and the header, nonce and tag of each record (RFC 5246 section 6.2.3.3: 29 octets
/// with AES-GCM), a key update before them included. Handshake messages are bounded by it as well.
const SCRATCH: usize = BATCH + 1024;

thread_local! {
    static SCRATCH_SPACE: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// A TLS stream to a server.
pub(crate) struct Connected {
    socket: TcpStream,
    session: UnbufferedClientConnection,
    /// The beginning of a record that is still to come.
    partial: Vec<u8>,
    /// Decrypted, and more than its reader had room for.
    plain: Vec<u8>,
    /// Encrypted, and more than the socket had room for.
    outgoing: Vec<u8>,
    ending: Ending,
}

/// Who has said goodbye (close_notify).
#[derive(Default)]
struct Ending {
    theirs: bool,
    ours: bool,
}

impl Connected {
    /// Shakes hands with the server called `name`.
    pub(super) async fn shake_hands(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        socket: TcpStream,
    ) -> io::Result<Self> {
        let session = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut stream = Self {
            socket,
            session,
            partial: Vec::new(),
            plain: Vec::new(),
            outgoing: Vec::new(),
            ending: Ending::default(),
        };
        std::future::poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The greeting of an eager server may come with the end of its handshake.
        let mut nowhere = ReadBuf::new(&mut []);
        let mut partial = std::mem::take(&mut self.partial);
        let done = self.process(&mut partial, &mut nowhere)?;
        partial.drain(..done);
        self.partial = partial;
        loop {
            ready!(self.poll_send(cx))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_receive(cx, &mut nowhere))?;
            if self.ending.theirs {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Reads the socket once and takes in all records that are whole.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        SCRATCH_SPACE.with_borrow_mut(|scratch| {
            let partial = self.partial.len();
            scratch[..partial].copy_from_slice(&self.partial);
            let mut space = ReadBuf::new(&mut scratch[partial..]);
            if space.remaining() == 0 {
                return Poll::Ready(Err(invalid("a handshake message without end")));
            }
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut space))?;
            let count = space.filled().len();
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let records = &mut scratch[..partial + count];
            match self.process(records, reader) {
                Ok(done) => {
                    self.partial = records[done..].to_vec();
                    Poll::Ready(Ok(()))
                }
                Err(error) => {
                    // The alert that tells the peer; it is past waiting for.
                    let _ = self.poll_send(cx);
                    Poll::Ready(Err(error))
                }
            }
        })
    }

    /// Takes in whole records; what they hold for the application goes to `reader` and, where that is
    /// full, to `plain`. The octets that are done with.
    fn process(&mut self, records: &mut [u8], reader: &mut ReadBuf<'_>) -> io::Result<usize> {
        let mut done = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.session.process_tls_records(&mut records[done..]);
            let mut waits = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        discard += record.discard;
                        hand_out(record.payload, reader, &mut self.plain);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut data, &mut self.outgoing)?;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.ending.theirs = true,
                Ok(_) => waits = true,
                Err(error) => {
                    self.encode_alert();
                    return Err(invalid(error));
                }
            }
            done += discard;
            if waits {
                return Ok(done);
            }
        }
    }

    /// What rustls has to say of an error comes with the next look at it.
    fn encode_alert(&mut self) {
        let status = self.session.process_tls_records(&mut []);
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state {
            // An alert that can't be told changes nothing.
            let _ = encode(&mut data, &mut self.outgoing);
        }
    }

    /// Has `work` done once the session may send.
    fn encrypt(
        &mut self,
        work: impl FnOnce(&mut WriteTraffic<'_, ClientConnectionData>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            let UnbufferedStatus { discard, state } =
                self.session.process_tls_records(&mut self.partial);
            match state.map_err(invalid)? {
                ConnectionState::WriteTraffic(mut traffic) => return work(&mut traffic),
                ConnectionState::EncodeTlsData(mut data) => encode(&mut data, &mut self.outgoing)?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.ending.theirs = true,
                _ => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            self.partial.drain(..discard);
        }
    }

    /// Sends what is encrypted.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.outgoing))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.drain(..sent);
        }
        self.outgoing = Vec::new();
        Poll::Ready(Ok(()))
    }

    /// Sends `records` as far as the socket takes them, and keeps the rest.
    fn send(&mut self, cx: &mut Context<'_>, mut records: &[u8]) -> io::Result<()> {
        while self.outgoing.is_empty() && !records.is_empty() {
            match Pin::new(&mut self.socket).poll_write(cx, records) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(sent)) => records = &records[sent..],
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        self.outgoing.extend_from_slice(records);
        Ok(())
    }
}

impl AsyncRead for Connected {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if !stream.plain.is_empty() {
            let count = stream.plain.len().min(buffer.remaining());
            buffer.put_slice(&stream.plain[..count]);
            stream.plain.drain(..count);
            if stream.plain.is_empty() {
                stream.plain = Vec::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        while !stream.ending.theirs && buffer.filled().len() == before {
            ready!(stream.poll_receive(cx, buffer))?;
            // The answer to a key update. Where the socket is full, it goes ahead of the next write.
            if let Poll::Ready(Err(error)) = stream.poll_send(cx) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connected {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        ready!(stream.poll_send(cx))?;
        let batch = &bytes[..bytes.len().min(BATCH)];
        SCRATCH_SPACE.with_borrow_mut(|scratch| {
            let length =
                stream.encrypt(|traffic| traffic.encrypt(batch, scratch).map_err(invalid))?;
            stream.send(cx, &scratch[..length])?;
            Poll::Ready(Ok(batch.len()))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if !stream.ending.ours {
            ready!(stream.poll_send(cx))?;
            SCRATCH_SPACE.with_borrow_mut(|scratch| {
                let length = stream
                    .encrypt(|traffic| traffic.queue_close_notify(scratch).map_err(invalid))?;
                stream.ending.ours = true;
                stream.send(cx, &scratch[..length])
            })?;
        }
        ready!(stream.poll_send(cx))?;
        Pin::new(&mut stream.socket).poll_shutdown(cx)
    }
}

fn hand_out(payload: &[u8], reader: &mut ReadBuf<'_>, rest: &mut Vec<u8>) {
    let room = if rest.is_empty() { reader.remaining().min(payload.len()) } else { 0 };
    reader.put_slice(&payload[..room]);
    rest.extend_from_slice(&payload[room..]);
}

fn encode(
    data: &mut EncodeTlsData<'_, ClientConnectionData>,
    outgoing: &mut Vec<u8>,
) -> io::Result<()> {
    let start = outgoing.len();
    let needed = match data.encode(&mut []) {
        Err(EncodeError::InsufficientSize(size)) => size.required_size,
        other => return other.map(drop).map_err(invalid),
    };
    outgoing.resize(start + needed, 0);
    data.encode(&mut outgoing[start..]).map(drop).map_err(invalid)
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests;
