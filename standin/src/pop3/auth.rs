//! AUTH: XOAUTH2 in two steps, and the password logins that are offered to be refused.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite};

use super::maildrop::Maildrop;
use super::session::{COMMAND_INVALID, Next, PROTOCOL_ERROR, Session};
use super::wire::Intake;
use crate::bearer::{self, Bearer, Protocol};

const SUCCESS: &str = "+OK User successfully authenticated.";
const REFUSAL: &str = "-ERR Authentication failure: unknown user name or bad password.";
const PASSWORD_REFUSAL: &str = "-ERR Logon failure: unknown user name or bad password.";

/// What Gmail says to a bad token before it refuses.
const GOOGLE_CHALLENGE: &str =
    r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#;
const GOOGLE_REFUSAL: &str = "-ERR [AUTH] Username and password not accepted.";

/// Octets of a SASL line: RFC 5034 section 4 sets none, and tokens grow.
const SASL_LINE_LIMIT: usize = 64 << 10;

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// AUTH with everything that follows from it.
    pub(super) async fn authenticate(&mut self, argument: &str) -> io::Result<Next> {
        let (mechanism, initial) = argument.split_once(' ').unwrap_or((argument, ""));
        let google = self.cloud.knobs().google;
        if !initial.is_empty() && !google {
            return self.end(PROTOCOL_ERROR).await;
        }
        match mechanism.to_ascii_uppercase().as_str() {
            "XOAUTH2" => self.xoauth2(initial).await,
            "PLAIN" => self.plain(initial).await,
            "" => self.say("+OK\r\nPLAIN\r\nXOAUTH2\r\n.").await,
            _ => self.say("-ERR Protocol error. 11").await,
        }
    }

    async fn xoauth2(&mut self, initial: &str) -> io::Result<Next> {
        let response = match initial {
            "" => self.response("+ ").await?,
            initial => Some(initial.as_bytes().to_vec()),
        };
        let Some(response) = response else { return self.end(PROTOCOL_ERROR).await };
        let (reply, drop) = {
            let knobs = self.cloud.knobs();
            (knobs.pop_auth_reply.clone(), knobs.drop_after_auth)
        };
        let next = match (reply, Bearer::read(&response)) {
            (Some(reply), _) => self.refuse(&reply).await?,
            (None, Some(bearer)) => self.judge(&bearer).await?,
            (None, None) => self.refuse_token().await?,
        };
        Ok(if drop { Next::End } else { next })
    }

    async fn judge(&mut self, bearer: &Bearer) -> io::Result<Next> {
        let Ok(admission) = bearer::judge(&self.cloud, bearer, Protocol::Pop3) else {
            return self.refuse_token().await;
        };
        self.cloud.counters.pop_logins.increment();
        self.maildrop = Some(Maildrop::open(self.cloud.store.open(&admission.mailbox)));
        self.say(SUCCESS).await
    }

    async fn refuse_token(&mut self) -> io::Result<Next> {
        if !self.cloud.knobs().google {
            return self.refuse(REFUSAL).await;
        }
        match self.response(&format!("+ {}", STANDARD.encode(GOOGLE_CHALLENGE))).await? {
            Some(_) => self.refuse(GOOGLE_REFUSAL).await,
            None => Ok(Next::End),
        }
    }

    /// Takes the password, so that the client shows what it would have sent, and refuses it.
    async fn plain(&mut self, initial: &str) -> io::Result<Next> {
        if initial.is_empty() && self.response("+ ").await?.is_none() {
            return Ok(Next::End);
        }
        self.refuse(REFUSAL).await
    }

    /// PASS.
    pub(super) async fn password(&mut self) -> io::Result<Next> {
        if !std::mem::take(&mut self.named) {
            return self.say(COMMAND_INVALID).await;
        }
        self.refuse(PASSWORD_REFUSAL).await
    }

    /// The answer to a challenge. `None` when there is none that is short enough.
    async fn response(&mut self, challenge: &str) -> io::Result<Option<Vec<u8>>> {
        self.say(challenge).await?;
        let limit = self.cloud.knobs().pop_sasl_line_limit.unwrap_or(SASL_LINE_LIMIT);
        Ok(match self.line(limit).await? {
            Intake::Line(line) => Some(line),
            Intake::TooLong | Intake::Gone => None,
        })
    }

    async fn refuse(&mut self, reply: &str) -> io::Result<Next> {
        self.cloud.counters.pop_refusals.increment();
        self.say(reply).await
    }
}
