//! The commands of one connection.

use std::future;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::maildrop::{Maildrop, top};
use super::wire::{Intake, Wire};
use crate::cloud::Cloud;

/// The bracket is the server's host name in UTF-16LE and base64: AM6P192CA0091.EURP192.PROD.OUTLOOK.COM.
const GREETING: &str = "+OK The Microsoft Exchange POP3 service is ready. \
    [QQBNADYAUAAxADkAMgBDAEEAMAAwADkAMQAuAEUAVQBSAFAAMQA5ADIALgBQAFIATwBEAC4ATwBVAFQATABPAE8ASwAuAEMATwBNAA==]";
const GOOGLE_GREETING: &str = "+OK Gpop ready for requests from 127.0.0.1 gatepost";

const CAPABILITIES: &str = "+OK\r\nTOP\r\nUIDL\r\nSASL PLAIN XOAUTH2\r\nUSER\r\n.";
const GOOGLE_CAPABILITIES: &str = "+OK Capability list follows\r\nUSER\r\nRESP-CODES\r\nEXPIRE 0\r\nLOGIN-DELAY 300\r\n\
    TOP\r\nUIDL\r\nX-GOOGLE-RICO\r\nSASL PLAIN XOAUTH2 OAUTHBEARER\r\n.";

/// Octets of a command with its line end that Exchange takes: the default of its `MaxCommandSize`.
const LINE_LIMIT: usize = 512;
/// A line that is too long, or a token in the AUTH command, which makes it so.
pub(super) const PROTOCOL_ERROR: &str = "-ERR Protocol error. Connection is closed. 10";
pub(super) const COMMAND_INVALID: &str = "-ERR Command is not valid in this state.";

/// What comes after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another one.
    Go,
    /// Nothing.
    End,
}

/// The server's half of one connection.
pub(super) struct Session<S> {
    pub(super) wire: Wire<S>,
    pub(super) cloud: Arc<Cloud>,
    /// The Inbox, once somebody is logged in.
    pub(super) maildrop: Option<Maildrop>,
    /// USER has come.
    pub(super) named: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn new(wire: Wire<S>, cloud: Arc<Cloud>) -> Self {
        Self { wire, cloud, maildrop: None, named: false }
    }

    /// Greets and obeys until the end.
    pub(super) async fn converse(&mut self) -> io::Result<()> {
        let (silent, greeting) = {
            let knobs = self.cloud.knobs();
            let usual = if knobs.google { GOOGLE_GREETING } else { GREETING };
            (knobs.pop_silent, knobs.pop_greeting.clone().unwrap_or_else(|| usual.into()))
        };
        if silent {
            return future::pending().await;
        }
        self.wire.reply(&greeting).await?;
        if !greeting.starts_with("+OK") {
            return Ok(());
        }
        while self.turn().await? == Next::Go {}
        Ok(())
    }

    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.wire.close().await
    }

    /// A command and its answer.
    async fn turn(&mut self) -> io::Result<Next> {
        match self.line(LINE_LIMIT).await? {
            Intake::Gone => Ok(Next::End),
            Intake::TooLong => self.end(PROTOCOL_ERROR).await,
            Intake::Line(line) => {
                let line = String::from_utf8_lossy(&line);
                let (keyword, argument) = line.split_once(' ').unwrap_or((&line, ""));
                self.obey(&keyword.to_ascii_uppercase(), argument).await
            }
        }
    }

    /// The next line, waited for as long as the state of the session allows.
    pub(super) async fn line(&mut self, limit: usize) -> io::Result<Intake> {
        let patience = {
            let knobs = self.cloud.knobs();
            if self.maildrop.is_some() { knobs.pop_idle_timeout } else { knobs.pop_auth_timeout }
        };
        self.wire.line(limit, patience).await
    }

    async fn obey(&mut self, keyword: &str, argument: &str) -> io::Result<Next> {
        match keyword {
            "CAPA" => {
                let google = self.cloud.knobs().google;
                self.say(if google { GOOGLE_CAPABILITIES } else { CAPABILITIES }).await
            }
            "QUIT" => {
                if let Some(maildrop) = &self.maildrop {
                    maildrop.update();
                }
                self.end("+OK Microsoft Exchange Server POP3 server signing off.").await
            }
            "USER" | "PASS" | "AUTH" if self.maildrop.is_some() => self.say(COMMAND_INVALID).await,
            "USER" => {
                self.named = true;
                self.say("+OK").await
            }
            "PASS" => self.password().await,
            "AUTH" => self.authenticate(argument).await,
            _ => self.transaction(keyword, argument).await,
        }
    }

    /// A command of the transaction state (RFC 1939 section 5).
    async fn transaction(&mut self, keyword: &str, argument: &str) -> io::Result<Next> {
        let Some(maildrop) = &mut self.maildrop else {
            return self.say(COMMAND_INVALID).await;
        };
        let reply = match keyword {
            "STAT" => {
                let (count, octets) = maildrop.size();
                format!("+OK {count} {octets}")
            }
            "LIST" => list(maildrop, argument),
            "UIDL" => unique_ids(maildrop, argument),
            "DELE" => delete(maildrop, argument),
            "RSET" => {
                maildrop.reset();
                "+OK".into()
            }
            "NOOP" => "+OK".into(),
            "RETR" => return self.retrieve(argument, None).await,
            "TOP" => return self.top(argument).await,
            _ => "-ERR Protocol error. 14".into(),
        };
        self.say(&reply).await
    }

    async fn top(&mut self, argument: &str) -> io::Result<Next> {
        let (number, lines) = argument.split_once(' ').unwrap_or((argument, ""));
        match lines.trim().parse() {
            Ok(lines) => self.retrieve(number, Some(lines)).await,
            Err(_) => self.say(NO_SUCH_MESSAGE).await,
        }
    }

    /// The whole message, or its header and so many lines.
    async fn retrieve(&mut self, number: &str, lines: Option<usize>) -> io::Result<Next> {
        let message = self.maildrop.as_ref().and_then(|maildrop| numbered(maildrop, number));
        let Some((_, message)) = message else { return self.say(NO_SUCH_MESSAGE).await };
        let raw = Arc::clone(&message.raw);
        let octets = lines.map_or(&*raw, |lines| top(&raw, lines));
        self.wire.message("+OK", octets).await.map(|()| Next::Go)
    }

    pub(super) async fn say(&mut self, reply: &str) -> io::Result<Next> {
        self.wire.reply(reply).await.map(|()| Next::Go)
    }

    pub(super) async fn end(&mut self, reply: &str) -> io::Result<Next> {
        self.wire.reply(reply).await.map(|()| Next::End)
    }
}

const NO_SUCH_MESSAGE: &str = "-ERR The specified message is out of range.";

fn numbered<'a>(
    maildrop: &'a Maildrop,
    number: &str,
) -> Option<(usize, &'a crate::store::Message)> {
    let number = number.trim().parse().ok()?;
    Some((number, maildrop.message(number)?))
}

fn list(maildrop: &Maildrop, argument: &str) -> String {
    if argument.is_empty() {
        let (count, octets) = maildrop.size();
        let lines = maildrop
            .present()
            .map(|(number, message)| format!("{number} {}\r\n", message.raw.len()));
        return format!("+OK {count} {octets}\r\n{}.", lines.collect::<String>());
    }
    numbered(maildrop, argument).map_or_else(
        || NO_SUCH_MESSAGE.into(),
        |(number, message)| format!("+OK {number} {}", message.raw.len()),
    )
}

fn unique_ids(maildrop: &Maildrop, argument: &str) -> String {
    if argument.is_empty() {
        let line = |(number, message)| format!("{number} {}\r\n", maildrop.unique_id(message));
        return format!("+OK\r\n{}.", maildrop.present().map(line).collect::<String>());
    }
    numbered(maildrop, argument).map_or_else(
        || NO_SUCH_MESSAGE.into(),
        |(number, message)| format!("+OK {number} {}", maildrop.unique_id(message)),
    )
}

fn delete(maildrop: &mut Maildrop, argument: &str) -> String {
    let Some((number, _)) = numbered(maildrop, argument) else { return NO_SUCH_MESSAGE.into() };
    maildrop.delete(number);
    "+OK".into()
}
