//! A connection to the service that is ready to take messages.

use std::time::Duration;

use tokio::time::timeout;

use crate::proto::smtp;
use crate::proto::smtp::grammar::Reply;
use crate::proto::smtp::submission::Replies;
use crate::proto::{Limits, Ready};
use crate::wire::{Halt, Wire};

/// For each command's reply and for each piece of a message to be taken (RFC 5321 section 4.5.3.2).
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// For the reply to a whole message (RFC 5321 section 4.5.3.2.6).
const VERDICT: Duration = Duration::from_secs(10 * 60);

/// For a kept connection to show that it is still there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// For a service that stopped reading to say why.
const LAST_WORD: Duration = Duration::from_secs(1);

/// An upstream connection whose login is done.
pub(super) struct Lane {
    wire: Wire,
    replies: Replies,
    limits: Limits,
    extensions: Vec<String>,
}

/// The connection is of no more use; why, to stand behind "the mail host".
#[derive(Debug)]
pub(super) struct Lost(pub(super) String);

impl Lane {
    pub(super) fn new(wire: Wire, ready: &Ready, limits: Limits) -> Self {
        let extensions = ready.announced().after_login.clone();
        Self { wire, replies: Replies::default(), limits, extensions }
    }

    /// Whether the service has announced the extension.
    pub(super) fn honours(&self, extension: &str) -> bool {
        smtp::honours(&self.extensions, extension)
    }

    /// Sends a command; its reply.
    pub(super) async fn ask(&mut self, command: &str) -> Result<Reply, Lost> {
        if !self.wire.inbox().is_empty() {
            return Err(Lost("spoke out of turn".to_owned()));
        }
        self.send(command.as_bytes()).await?;
        self.reply(PATIENCE).await
    }

    /// Sends octets.
    pub(super) async fn send(&mut self, octets: &[u8]) -> Result<(), Lost> {
        let sent = timeout(PATIENCE, self.wire.write(octets)).await;
        sent.unwrap_or(Err(Halt::TimedOut)).map_err(lost)
    }

    /// The reply to a whole message or chunk.
    pub(super) async fn verdict(&mut self) -> Result<Reply, Lost> {
        self.reply(VERDICT).await
    }

    /// What the service said before it stopped reading.
    pub(super) async fn last_word(mut self) -> Option<Reply> {
        self.reply(LAST_WORD).await.ok().filter(|reply| !reply.is_positive())
    }

    /// Whether it takes another message.
    pub(super) async fn reset(&mut self) -> bool {
        let said = timeout(SIGN_OF_LIFE, self.ask("RSET\r\n")).await;
        matches!(said, Ok(Ok(reply)) if reply.code == 250)
    }

    async fn reply(&mut self, patience: Duration) -> Result<Reply, Lost> {
        let read = async {
            loop {
                match self.replies.next(self.wire.inbox(), &self.limits) {
                    Ok(Some(reply)) => return Ok(reply),
                    Ok(None) => self.wire.receive().await.map_err(lost)?,
                    Err(_) => return Err(Lost("sent what is no SMTP reply".to_owned())),
                }
            }
        };
        timeout(patience, read).await.unwrap_or_else(|_| Err(lost(Halt::TimedOut)))
    }
}

fn lost(halt: Halt) -> Lost {
    Lost(match halt {
        Halt::Closed => "closed the connection".to_owned(),
        Halt::TimedOut => "doesn't answer".to_owned(),
        Halt::Broken(error) | Halt::Tls(error) => format!("broke the connection: {error}"),
        Halt::Refused(refusal) => refusal.explanation,
        Halt::Injected => "sent bytes behind STARTTLS".to_owned(),
    })
}
