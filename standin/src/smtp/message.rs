//! DATA and BDAT: a message comes in and gets its reply.

use std::io;

use super::body::{self, Body};
use super::session::{Ending, Session, TOO_LARGE};
use super::submission;
use super::wire::{Stream, Wire};

impl Session {
    /// DATA.
    pub(super) async fn data<S: Stream>(
        &mut self,
        wire: &mut Wire<S>,
    ) -> io::Result<Option<Ending>> {
        let chunked = self.envelope.as_ref().is_some_and(|envelope| envelope.chunks.is_some());
        let mixed = chunked.then(|| self.identity.bracketed("503 5.5.2 DATA after BDAT"));
        if let Some(refusal) = mixed.or_else(|| self.unready()) {
            wire.reply(&refusal).await?;
            return Ok(None);
        }
        wire.reply("354 Start mail input; end with <CRLF>.<CRLF>").await?;
        let limit = self.identity.size_limit(&self.cloud.knobs());
        match body::dotted(&mut wire.stream, limit).await? {
            Body::Cut => Ok(Some(Ending::Closed)),
            Body::TooLarge => {
                self.envelope = None;
                wire.reply(TOO_LARGE).await.map(|()| None)
            }
            Body::Whole(message) => {
                wire.dialogue.client(&message);
                wire.dialogue.client(b".");
                self.submit(wire, message).await
            }
        }
    }

    /// BDAT, RFC 3030: the octets of a chunk come whether it is welcome or not.
    pub(super) async fn bdat<S: Stream>(
        &mut self,
        wire: &mut Wire<S>,
        argument: &str,
    ) -> io::Result<Option<Ending>> {
        let mut words = argument.split_whitespace();
        let Some(length) = words.next().and_then(|word| word.parse().ok()) else {
            wire.reply(&self.identity.bracketed("501 5.5.4 Invalid arguments")).await?;
            return Ok(None);
        };
        let last = words.next().is_some_and(|word| word.eq_ignore_ascii_case("LAST"));
        let limit = self.identity.size_limit(&self.cloud.knobs());
        let refusal = self.unready();
        let mut message =
            self.envelope.as_mut().and_then(|envelope| envelope.chunks.take()).unwrap_or_default();
        let room = if refusal.is_some() { 0 } else { limit };
        if !body::chunk(&mut wire.stream, length, &mut message, room).await? {
            return Ok(Some(Ending::Closed));
        }
        if let Some(refusal) = refusal {
            return wire.reply(&refusal).await.map(|()| None);
        }
        if last && message.len() <= limit {
            wire.dialogue.client(&message);
            return self.submit(wire, message).await;
        }
        self.chunk_taken(wire, message, length, limit).await
    }

    async fn chunk_taken<S: Stream>(
        &mut self,
        wire: &mut Wire<S>,
        message: Vec<u8>,
        length: u64,
        limit: usize,
    ) -> io::Result<Option<Ending>> {
        if message.len() > limit {
            self.envelope = None;
            return wire.reply(TOO_LARGE).await.map(|()| None);
        }
        if let Some(envelope) = &mut self.envelope {
            envelope.chunks = Some(message);
        }
        wire.reply(&format!("250 2.1.5 {length} octets received")).await.map(|()| None)
    }

    async fn submit<S: Stream>(
        &mut self,
        wire: &mut Wire<S>,
        message: Vec<u8>,
    ) -> io::Result<Option<Ending>> {
        // Both are there: MAIL is refused without a login, and a message without MAIL.
        if let (Some(envelope), Some(login)) = (self.envelope.take(), &self.login) {
            let reply =
                submission::submit(&self.cloud, (self.identity.product, login), &envelope, message)
                    .await;
            drop(envelope);
            wire.reply(&reply).await?;
        }
        Ok(None)
    }

    /// Why no message may come now.
    fn unready(&self) -> Option<String> {
        let refusal = match &self.envelope {
            None => "503 5.5.2 Need mail command",
            Some(envelope) if envelope.recipients.is_empty() => "503 5.5.2 Need rcpt command",
            Some(_) => return None,
        };
        Some(self.identity.bracketed(refusal))
    }
}
