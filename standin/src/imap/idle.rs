//! IDLE (RFC 2177): waiting with the client for something to happen.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::response::Response;
use super::selection::Expunges;
use super::session::Verdict;
use super::{Conversation, Next, Phase, SESSION_EXPIRED, TIMED_OUT};

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) async fn idle(&mut self, tag: &str) -> io::Result<Next> {
        let Phase::Member { session, expires } = &self.phase else {
            return Ok(Next::Go);
        };
        let expires = *expires;
        // Subscribed before the first report, so that nothing falls in between.
        let mut changes = session.changes();
        let quiet_until = self.quiet_until();
        self.say("+ IDLE accepted, awaiting DONE command.").await?;
        loop {
            self.report().await?;
            let (until, reason) = self.end_of_patience(expires, quiet_until);
            tokio::select! {
                line = self.wire.line() => return self.end_idle(tag, line?).await,
                _ = changes.changed() => {}
                () = sleep_until(until) => return self.bye(reason).await,
            }
        }
    }

    async fn end_idle(&mut self, tag: &str, line: Option<Vec<u8>>) -> io::Result<Next> {
        let Some(line) = line else {
            return self.refuse_overlong(tag).await;
        };
        let verdict = match line.eq_ignore_ascii_case(b"DONE") {
            true => Verdict::Ok,
            false => Verdict::Bad("Command Error. 12"),
        };
        self.conclude(tag, "IDLE", verdict, Response::default()).await
    }

    async fn report(&mut self) -> io::Result<()> {
        let mut response = Response::default();
        if let Phase::Member { session, .. } = &mut self.phase {
            session.report(Expunges::Tell, &mut response);
        }
        self.wire.send(&response).await
    }

    fn end_of_patience(&self, expires: Instant, quiet_until: Instant) -> (Instant, &'static str) {
        if self.cloud.knobs().imap_expire_sessions && expires < quiet_until {
            return (expires, SESSION_EXPIRED);
        }
        (quiet_until, TIMED_OUT)
    }
}
