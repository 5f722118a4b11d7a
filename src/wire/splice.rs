//! Bytes both ways until both ends have finished.
//!
//! An idle connection holds no buffer: a direction reads into scratch space that belongs to the
//! thread, hands it on in the same breath, and keeps for itself only what the other side didn't take.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::{Stream, Wire};
use crate::proto::Clearance;

/// Eight TLS records: few system calls for a large message, and no more than may be held for each of
/// many clients that read slowly.
const SCRATCH: usize = 128 * 1024;

thread_local! {
    static SCRATCH_SPACE: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// How a splice ended.
#[derive(Debug)]
pub enum End {
    /// Both sides said all they had.
    Finished,
    /// Nothing moved for as long as is allowed.
    Idle,
    /// The client's side broke.
    DownstreamBroke(io::Error),
    /// The service's side broke.
    UpstreamBroke(io::Error),
}

/// What went through, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From the client to the service.
    pub sent: u64,
    /// From the service to the client.
    pub received: u64,
}

/// How long nothing may move.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// While both directions are open.
    pub idle: Duration,
    /// Once one of them has ended.
    pub half_closed: Duration,
}

/// Hands on bytes both ways, what is unread on either wire first, until both ends have finished. The
/// end of one direction is passed on and leaves the other open.
pub async fn splice(
    downstream: Wire,
    upstream: Wire,
    _: Clearance,
    patience: Patience,
) -> (Traffic, End) {
    let mut splice = Splice::new(downstream, upstream);
    let mut alarm = pin!(sleep(patience.idle));
    let end = poll_fn(|cx| {
        let before = splice.progress();
        if let Poll::Ready(end) = splice.poll(cx) {
            return Poll::Ready(end);
        }
        if splice.progress() != before {
            let limit = if splice.is_half_closed() { patience.half_closed } else { patience.idle };
            alarm.as_mut().reset(Instant::now() + limit);
        }
        alarm.as_mut().poll(cx).map(|()| End::Idle)
    })
    .await;
    (splice.traffic(), end)
}

struct Splice {
    downstream: Stream,
    upstream: Stream,
    sending: Direction,
    receiving: Direction,
}

impl Splice {
    fn new(mut downstream: Wire, mut upstream: Wire) -> Self {
        Self {
            sending: Direction::behind(downstream.inbox.drain().to_vec()),
            receiving: Direction::behind(upstream.inbox.drain().to_vec()),
            downstream: downstream.stream,
            upstream: upstream.stream,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let sending = self.sending.poll(cx, &mut self.downstream, &mut self.upstream);
        let receiving = self.receiving.poll(cx, &mut self.upstream, &mut self.downstream);
        match (sending, receiving) {
            (Poll::Ready(Err(Side::From(error))), _) | (_, Poll::Ready(Err(Side::To(error)))) => {
                Poll::Ready(End::DownstreamBroke(error))
            }
            (Poll::Ready(Err(Side::To(error))), _) | (_, Poll::Ready(Err(Side::From(error)))) => {
                Poll::Ready(End::UpstreamBroke(error))
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(End::Finished),
            _ => Poll::Pending,
        }
    }

    fn traffic(&self) -> Traffic {
        Traffic { sent: self.sending.moved, received: self.receiving.moved }
    }

    fn is_half_closed(&self) -> bool {
        self.sending.awaiting != Awaiting::Bytes || self.receiving.awaiting != Awaiting::Bytes
    }

    /// Differs whenever something happened.
    fn progress(&self) -> (Traffic, bool) {
        (self.traffic(), self.is_half_closed())
    }
}

struct Direction {
    awaiting: Awaiting,
    /// What was read and not yet taken; empty while there is no back-pressure.
    held: Zeroizing<Vec<u8>>,
    unflushed: bool,
    moved: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaiting {
    Bytes,
    Shutdown,
    Nothing,
}

/// The side of a direction that broke.
enum Side {
    From(io::Error),
    To(io::Error),
}

impl Direction {
    fn behind(unread: Vec<u8>) -> Self {
        Self { awaiting: Awaiting::Bytes, held: Zeroizing::new(unread), unflushed: false, moved: 0 }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
    ) -> Poll<Result<(), Side>> {
        loop {
            match self.awaiting {
                Awaiting::Bytes => {
                    ready!(self.release(cx, to)).map_err(Side::To)?;
                    ready!(self.relay(cx, from, to))?;
                }
                Awaiting::Shutdown => {
                    ready!(self.release(cx, to)).map_err(Side::To)?;
                    // The peer may be gone, which ends the direction just as well.
                    let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                    self.awaiting = Awaiting::Nothing;
                }
                Awaiting::Nothing => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Writes what is held back.
    fn release(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.held))?;
            self.wrote(written)?;
            self.held.drain(..written);
        }
        // Gives the space back: back-pressure is rare, idle connections are many.
        self.held = Zeroizing::default();
        Poll::Ready(Ok(()))
    }

    /// One read, and as many writes as the other side takes; flushes once nothing more is to be read.
    fn relay(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
    ) -> Poll<Result<(), Side>> {
        SCRATCH_SPACE.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut *from).poll_read(cx, &mut buffer) {
                Poll::Pending => {
                    if self.unflushed {
                        from.acknowledge();
                    }
                    ready!(self.flush(cx, to)).map_err(Side::To)?;
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Err(Side::From(error)));
                }
                Poll::Ready(_) => {}
            }
            if buffer.filled().is_empty() {
                self.awaiting = Awaiting::Shutdown;
                return Poll::Ready(Ok(()));
            }
            self.hand_on(cx, buffer.filled(), to).map_err(Side::To)?;
            Poll::Ready(Ok(()))
        })
    }

    fn hand_on(
        &mut self,
        cx: &mut Context<'_>,
        mut bytes: &[u8],
        to: &mut Stream,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let Poll::Ready(written) = Pin::new(&mut *to).poll_write(cx, bytes) else {
                self.held = Zeroizing::new(bytes.to_vec());
                return Ok(());
            };
            let written = written?;
            self.wrote(written)?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    fn wrote(&mut self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.moved += count as u64;
        self.unflushed = true;
        Ok(())
    }

    fn flush(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(to).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
