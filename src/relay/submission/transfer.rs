//! The content of a message on its way from the client to the service.

use tokio::time::timeout;

use super::replies::{no_chunks, out_of_order};
use super::way::Verdict;
use super::{CLIENT_PATIENCE, Message, Visit, gone};
use crate::proto::smtp::grammar::Reply;
use crate::proto::smtp::submission::{Chunk, Event, Taken};
use crate::wire::Halt;

/// Octets passed on at once: eight TLS records, as in a splice. What a message costs in memory is
/// this, twice.
const PIECE: usize = 128 * 1024;

impl Visit<'_> {
    /// DATA, to its verdict.
    pub(super) async fn data(&mut self, event: &Event) -> Result<(), Halt> {
        let Some(mut message) = self.message.take() else {
            return self.answer(event, &out_of_order()).await;
        };
        let reply = tokio::select! {
            reply = message.way.data() => reply,
            () = gone(&mut self.wire, &self.relay.devices, self.badge.as_ref()) => {
                self.message = Some(message);
                return Err(Halt::Closed);
            }
        };
        if reply.code != 354 {
            message.record.refused(&reply);
            message.way.end();
            let reply = self.for_client(reply);
            return self.answer(event, &reply).await;
        }
        self.answer(event, &reply).await?;
        if let Err(halt) = self.pass_data(&mut message).await {
            message.record.abandoned();
            message.way.break_off();
            return Err(halt);
        }
        let verdict = message.way.finish().await;
        self.talk.over();
        let reply = self.conclude(message, verdict);
        self.say(reply.render().as_bytes()).await
    }

    /// BDAT: octets of the message, and with the last ones its verdict.
    pub(super) async fn chunk(&mut self, chunk: Chunk) -> Result<Reply, Halt> {
        let Some(mut message) = self.message.take() else {
            self.skip(chunk.octets).await?;
            return Ok(out_of_order());
        };
        if !message.way.takes_chunks() {
            if let Err(halt) = self.skip(chunk.octets).await {
                message.record.abandoned();
                message.way.end();
                return Err(halt);
            }
            return Ok(self.conclude(message, Verdict::Replied(no_chunks())));
        }
        let passed = match self.pass_chunk(&mut message, chunk).await {
            Ok(passed) => passed,
            Err(halt) => {
                message.record.abandoned();
                message.way.break_off();
                return Err(halt);
            }
        };
        match passed {
            None => {
                self.message = Some(message);
                Ok(Reply::of(250, &format!("2.0.0 {} octets received", chunk.octets)))
            }
            Some(Verdict::Replied(reply)) if reply.is_positive() && !chunk.last => {
                self.message = Some(message);
                Ok(reply)
            }
            Some(verdict) => Ok(self.conclude(message, verdict)),
        }
    }

    /// Takes octets that belong to no message.
    pub(super) async fn skip(&mut self, octets: u64) -> Result<(), Halt> {
        let (mut left, mut piece) = (octets, Vec::with_capacity(PIECE));
        while left > 0 {
            self.fill(&mut piece, left).await?;
            left -= piece.len() as u64;
        }
        Ok(())
    }

    /// Notes what became of the message, and makes room for the next; what the client hears.
    fn conclude(&mut self, mut message: Message<'_>, verdict: Verdict) -> Reply {
        message.record.changes = message.content.changes().collect();
        message.record.verdict(&verdict);
        message.way.end();
        match verdict {
            Verdict::Replied(reply) => {
                self.sent += u64::from(reply.is_positive());
                self.for_client(reply)
            }
            Verdict::Lost(why) => {
                Reply::of(451, &format!("4.4.2 Mail server {why}; message not sent, send again"))
            }
            Verdict::Unknown(why) => Reply::of(
                451,
                &format!("4.4.2 Mail server {why}; it is unknown whether the message was sent"),
            ),
        }
    }

    async fn pass_data(&mut self, message: &mut Message<'_>) -> Result<(), Halt> {
        let (mut piece, mut out) = (Vec::with_capacity(PIECE), Vec::with_capacity(PIECE));
        loop {
            self.fill(&mut piece, u64::MAX).await?;
            let taken = message.content.data(&piece, &mut out);
            message.pass(&mut out).await;
            if let Taken::Last(count) = taken {
                self.wire.inbox().push(&piece[count..]);
                return Ok(());
            }
        }
    }

    /// `None` while all of the message is held back, because its header isn't complete.
    async fn pass_chunk(
        &mut self,
        message: &mut Message<'_>,
        chunk: Chunk,
    ) -> Result<Option<Verdict>, Halt> {
        let (mut piece, mut out) = (Vec::with_capacity(PIECE), Vec::with_capacity(PIECE));
        let (mut left, mut announced) = (chunk.octets, message.content.is_open());
        if announced {
            message.way.chunk(chunk).await;
        }
        while left > 0 {
            self.fill(&mut piece, left).await?;
            left -= piece.len() as u64;
            message.content.chunk(&piece, &mut out);
            if !announced && message.content.is_open() {
                announced = true;
                message.way.chunk(Chunk { octets: out.len() as u64 + left, ..chunk }).await;
            }
            message.pass(&mut out).await;
        }
        if chunk.last && !announced {
            announced = true;
            message.content.finish(&mut out);
            message.way.chunk(Chunk { octets: out.len() as u64, ..chunk }).await;
            message.pass(&mut out).await;
        }
        Ok(match announced {
            true => Some(message.way.finish_chunk(chunk).await),
            false => None,
        })
    }

    /// The next octets of the client, no more than `most`.
    async fn fill(&mut self, piece: &mut Vec<u8>, most: u64) -> Result<(), Halt> {
        if self.wire.inbox().is_empty() {
            tokio::select! {
                received = timeout(CLIENT_PATIENCE, self.wire.receive_into(piece)) => {
                    received.unwrap_or(Err(Halt::TimedOut))?;
                }
                () = self.relay.devices.cut(self.badge.as_ref()) => return Err(Halt::Closed),
            }
        } else {
            piece.clear();
            piece.extend_from_slice(&self.wire.inbox().drain());
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if piece.len() > most {
            self.wire.inbox().push(&piece[most..]);
            piece.truncate(most);
        }
        Ok(())
    }
}

impl Message<'_> {
    /// Sends what goes out.
    async fn pass(&mut self, out: &mut Vec<u8>) {
        if !out.is_empty() {
            self.record.octets += out.len() as u64;
            self.way.send(out).await;
            out.clear();
        }
    }
}
