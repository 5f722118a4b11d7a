//! IMAP as Exchange Online speaks it: one connection from the greeting to the goodbye.
//!
//! Commands are read by imap-codec; responses are written here, in Exchange's words.

mod authentication;
mod capability;
mod envelope;
mod fetch;
mod folders;
mod grammar;
mod idle;
mod response;
mod search;
mod section;
mod selected;
mod selection;
mod session;
mod structure;
mod wire;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use imap_codec::imap_types::command::{Command, CommandBody};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout_at};

use crate::cloud::Cloud;
use crate::dialogue::Dialogue;

use capability::Stage;
use response::Response;
use session::{Session, Verdict, WRONG_STATE};
use wire::{Intake, Wire};

/// The bracket is the server's host name in UTF-16LE and base64: AM6P192CA0091.EURP192.PROD.OUTLOOK.COM.
const GREETING: &str = "* OK The Microsoft Exchange IMAP4 service is ready. \
    [QQBNADYAUAAxADkAMgBDAEEAMAAwADkAMQAuAEUAVQBSAFAAMQA5ADIALgBQAFIATwBEAC4ATwBVAFQATABPAE8ASwAuAEMATwBNAA==]";
const GOOGLE_GREETING: &str = "* OK Gimap ready for requests from 127.0.0.1 gatepost";

const SIGNING_OFF: &str = "Microsoft Exchange Server IMAP4 server signing off.";
const NOT_CONNECTED: &str = "User is authenticated but not connected.";
/// A client said nothing for too long, or went on after a refused login.
const TIMED_OUT: &str = "Connection is closed. 13";
const SESSION_EXPIRED: &str = "Session invalidated - AccessTokenExpired";

/// Literals of a client that has not logged in: its name and password at most.
const LITERAL_LIMIT_BEFORE_LOGIN: usize = 4 << 10;
/// The largest message that Exchange Online is ever set to take: 150 MiB.
const LITERAL_LIMIT: usize = 150 << 20;

/// Commands in a row that may be refused as BAD before the connection is closed.
const BAD_LIMIT: u32 = 3;
/// Commands that are told of the missing mailbox before the connection is closed.
const NOT_CONNECTED_LIMIT: u32 = 2;

/// Serves one connection until it ends.
pub(crate) async fn serve<S>(stream: S, cloud: Arc<Cloud>, dialogue: Dialogue) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let opened = Instant::now();
    let wire = Wire::new(stream, dialogue);
    let mut conversation =
        Conversation { wire, cloud, opened, phase: Phase::Stranger, refusals: 0, bad: 0 };
    if conversation.greet().await? == Next::Go {
        while conversation.turn().await? == Next::Go {}
    }
    conversation.wire.close().await
}

struct Conversation<S> {
    wire: Wire<S>,
    cloud: Arc<Cloud>,
    opened: Instant,
    phase: Phase,
    /// Logins refused so far.
    refusals: u32,
    /// Commands in a row that were answered BAD.
    bad: u32,
}

/// How far the client has come.
enum Phase {
    Stranger,
    Member {
        session: Session,
        expires: Instant,
    },
    /// Authenticated for a mailbox that doesn't open.
    NotConnected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Go,
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    async fn greet(&mut self) -> io::Result<Next> {
        let knobs = self.cloud.knobs().clone();
        if knobs.imap_silent {
            // Ends when the client hangs up; whatever it says meanwhile falls on deaf ears.
            while self.wire.command(0).await.is_ok() {}
            return Ok(Next::End);
        }
        if let Some(bye) = knobs.imap_bye {
            return self.bye(&bye).await;
        }
        let usual = if knobs.google { GOOGLE_GREETING } else { GREETING };
        self.say(knobs.imap_greeting.as_deref().unwrap_or(usual)).await?;
        Ok(Next::Go)
    }

    /// One command and its answer.
    async fn turn(&mut self) -> io::Result<Next> {
        let (limit, deadline) = match self.phase {
            Phase::Stranger => (LITERAL_LIMIT_BEFORE_LOGIN, self.login_until()),
            _ => (LITERAL_LIMIT, self.quiet_until()),
        };
        let Ok(intake) = timeout_at(deadline, self.wire.command(limit)).await else {
            return self.bye(TIMED_OUT).await;
        };
        match intake? {
            Intake::Overlong(beginning) => {
                self.bad(grammar::tag(&beginning), "Command Error. 10").await
            }
            Intake::Oversize(beginning) => {
                let tag = grammar::tag(&beginning);
                self.say(&format!("{tag} NO [TOOBIG] The message is too large.")).await?;
                Ok(Next::End)
            }
            Intake::Command(octets) => match grammar::read(&octets) {
                Ok(command) => self.answer(command).await,
                Err(text) => self.bad(grammar::tag(&octets), text).await,
            },
        }
    }

    async fn answer(&mut self, command: Command<'_>) -> io::Result<Next> {
        let tag = command.tag.as_ref();
        let name = command.body.name();
        match command.body {
            CommandBody::Capability => {
                let mut response = Response::default();
                let list = capability::list(self.stage(), &self.cloud.knobs());
                response.line(&format!("* CAPABILITY {list}"));
                self.conclude(tag, name, Verdict::Ok, response).await
            }
            CommandBody::Logout => {
                self.say(&format!("* BYE {SIGNING_OFF}\r\n{tag} OK LOGOUT completed.")).await?;
                Ok(Next::End)
            }
            body => match &self.phase {
                Phase::Stranger => self.answer_stranger(tag, name, body).await,
                Phase::Member { expires, .. } if self.has_expired(*expires) => {
                    self.say(&format!("{tag} BAD {SESSION_EXPIRED}")).await?;
                    Ok(Next::End)
                }
                Phase::Member { .. } => self.answer_member(tag, name, body).await,
                Phase::NotConnected => self.answer_not_connected(tag).await,
            },
        }
    }

    async fn answer_stranger(
        &mut self,
        tag: &str,
        name: &str,
        body: CommandBody<'_>,
    ) -> io::Result<Next> {
        match body {
            CommandBody::Noop => self.conclude(tag, name, Verdict::Ok, Response::default()).await,
            CommandBody::Id { .. } => self.conclude(tag, name, Verdict::Ok, identity()).await,
            CommandBody::Login { .. } => self.refuse_login(tag).await,
            CommandBody::Authenticate { mechanism, initial_response } => {
                let initial = initial_response.map(|initial| initial.declassify().to_vec());
                self.authenticate(tag, mechanism, initial).await
            }
            _ => self.conclude(tag, name, WRONG_STATE, Response::default()).await,
        }
    }

    async fn answer_member(
        &mut self,
        tag: &str,
        name: &str,
        body: CommandBody<'_>,
    ) -> io::Result<Next> {
        if self.cloud.knobs().imap_unavailable {
            return self.unavailable().await;
        }
        let mut response = Response::default();
        let verdict = match body {
            CommandBody::Idle => return self.idle(tag).await,
            CommandBody::Id { .. } => {
                response = identity();
                Verdict::Ok
            }
            body => match &mut self.phase {
                Phase::Member { session, .. } => session.perform(body, &mut response),
                _ => WRONG_STATE,
            },
        };
        self.conclude(tag, name, verdict, response).await
    }

    async fn answer_not_connected(&mut self, tag: &str) -> io::Result<Next> {
        self.say(&format!("{tag} BAD {NOT_CONNECTED}")).await?;
        self.bad += 1;
        match self.bad < NOT_CONNECTED_LIMIT {
            true => Ok(Next::Go),
            false => self.bye("Connection closed. 14").await,
        }
    }

    /// Sends what a command has to show and how it ended.
    async fn conclude(
        &mut self,
        tag: &str,
        name: &str,
        verdict: Verdict,
        mut response: Response,
    ) -> io::Result<Next> {
        let ending = match verdict {
            Verdict::Bad(text) => {
                self.wire.send(&response).await?;
                return self.bad(tag, text).await;
            }
            Verdict::Ok => format!("{tag} OK {name} completed."),
            Verdict::OkCode(code) => format!("{tag} OK [{code}] {name} completed."),
            Verdict::No(text) => format!("{tag} NO {text}"),
        };
        self.bad = 0;
        response.line(&ending);
        self.hesitate().await;
        self.wire.send(&response).await?;
        Ok(Next::Go)
    }

    async fn bad(&mut self, tag: &str, text: &str) -> io::Result<Next> {
        self.say(&format!("{tag} BAD {text}")).await?;
        self.bad += 1;
        match self.bad < BAD_LIMIT {
            true => Ok(Next::Go),
            false => self.bye("Connection closed. 14").await,
        }
    }

    async fn bye(&mut self, text: &str) -> io::Result<Next> {
        self.say(&format!("* BYE {text}")).await?;
        Ok(Next::End)
    }

    /// A line of neither a tag nor an asterisk, which is how Exchange says that its back end is down.
    async fn unavailable(&mut self) -> io::Result<Next> {
        self.say("Server Unavailable. 15").await?;
        Ok(Next::End)
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.hesitate().await;
        self.wire.say(line).await
    }

    async fn hesitate(&self) {
        let delay = self.cloud.knobs().mail_delay;
        if delay > Duration::ZERO {
            sleep(delay).await;
        }
    }

    fn stage(&self) -> Stage {
        match self.phase {
            Phase::Stranger => Stage::BeforeLogin,
            _ => Stage::AfterLogin,
        }
    }

    fn login_until(&self) -> Instant {
        self.opened + self.cloud.knobs().imap_auth_timeout
    }

    fn quiet_until(&self) -> Instant {
        Instant::now() + self.cloud.knobs().imap_idle_timeout
    }

    fn has_expired(&self, expires: Instant) -> bool {
        self.cloud.knobs().imap_expire_sessions && Instant::now() >= expires
    }
}

fn identity() -> Response {
    let mut response = Response::default();
    response.line("* ID (\"name\" \"Microsoft.Exchange.Imap4.Imap4Server\" \"version\" \"15.20\")");
    response
}
