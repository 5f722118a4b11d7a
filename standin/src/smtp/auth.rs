//! AUTH: XOAUTH2, and the password mechanisms that are offered to be refused.

use std::io;

use super::session::{Ending, Product, Security, Session};
use super::wire::{Stream, Wire};
use crate::bearer::{self, Admission, Bearer, Protocol, Refusal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The plain no of Exchange, without its bracket.
const UNSUCCESSFUL: &str = "535 5.7.3 Authentication unsuccessful";
/// High Volume Email's word for a token that doesn't live long enough for it.
const EXPIRES_SOON: &str = "501 5.5.127 Invalid XOAUTH2 auth data - Token will expire soon error";
/// The challenge that Gmail sends before a refusal.
const GMAIL_CHALLENGE: &str =
    r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#;
const GMAIL_REFUSAL: &str = "535-5.7.8 Username and Password not accepted. For more information, go to\r\n\
    535 5.7.8  https://support.google.com/mail/?p=BadCredentials standin - gsmtp";

/// A verdict on AUTH that is no success.
enum No {
    /// Kept for the 530 of a client that goes on regardless, and sent with the bracket.
    Bracketed(String),
    /// Sent as it is.
    Verbatim(String),
}

impl Session {
    /// AUTH with everything that follows from it. `length` is the command's, without its line end.
    pub(super) async fn authenticate<S: Stream>(
        &mut self,
        wire: &mut Wire<S>,
        argument: &str,
        length: usize,
    ) -> io::Result<Option<Ending>> {
        if let Some(refusal) = self.untimely(length) {
            return wire.reply(&refusal).await.map(|()| None);
        }
        let (mechanism, initial) = argument.split_once(' ').unwrap_or((argument, ""));
        let google = self.cloud.knobs().google;
        match mechanism.to_ascii_uppercase().as_str() {
            "XOAUTH2" => self.xoauth2(wire, initial.trim()).await,
            "LOGIN" => self.password(wire, &["VXNlcm5hbWU6", "UGFzc3dvcmQ6"], initial).await,
            "PLAIN" if google => self.password(wire, &[""], initial).await,
            _ => wire.reply(&self.identity.bracketed(UNKNOWN_MECHANISM)).await.map(|()| None),
        }
    }

    /// Why AUTH may not come now.
    fn untimely(&self, length: usize) -> Option<String> {
        let limit = self.cloud.knobs().smtp_auth_line_limit;
        if limit.is_some_and(|limit| length + 2 > limit) {
            return Some(LINE_TOO_LONG.into());
        }
        let refusal = match (self.security, self.greeted, &self.login) {
            (Security::Clear, ..) => UNKNOWN_MECHANISM,
            (_, false, _) => "503 5.5.2 Send hello first",
            (_, _, Some(_)) => "503 5.5.2 Already authenticated",
            _ => return None,
        };
        Some(self.identity.bracketed(refusal))
    }

    async fn xoauth2<S: Stream>(
        &mut self,
        wire: &mut Wire<S>,
        initial: &str,
    ) -> io::Result<Option<Ending>> {
        let response = if initial.is_empty() {
            wire.reply("334 ").await?;
            wire.line().await?
        } else {
            Some(initial.as_bytes().to_vec())
        };
        let Some(response) = response else { return Ok(Some(Ending::Closed)) };
        match self.verdict(&response) {
            Ok(login) => {
                self.cloud.counters.smtp_logins.increment();
                self.login = Some(login);
                wire.reply("235 2.7.0 Authentication successful").await?;
            }
            Err(no) => self.refuse(wire, no).await?,
        }
        let drop = self.cloud.knobs().drop_after_auth;
        Ok(drop.then_some(Ending::Closed))
    }

    fn verdict(&self, response: &[u8]) -> Result<Admission, No> {
        let (tenant, mailbox, reply, google) = {
            let knobs = self.cloud.knobs();
            let (tenant, mailbox) =
                (knobs.smtp_auth_disabled_tenant, knobs.smtp_auth_disabled_mailbox);
            (tenant, mailbox, knobs.smtp_auth_reply.clone(), knobs.google)
        };
        if let Some(reply) = reply {
            return Err(No::Verbatim(reply));
        }
        let protocol = match self.identity.product {
            Product::ClientSubmission if tenant => return Err(No::Bracketed(disabled("Tenant"))),
            Product::ClientSubmission if mailbox => return Err(No::Bracketed(disabled("Mailbox"))),
            Product::ClientSubmission => Protocol::Smtp,
            Product::HighVolume => Protocol::Hve,
        };
        let bearer = Bearer::read(response).ok_or(Refusal::Unsuccessful);
        bearer.and_then(|bearer| bearer::judge(&self.cloud, &bearer, protocol)).map_err(|refusal| {
            match refusal {
                Refusal::Unsuccessful if google => No::Verbatim(GMAIL_REFUSAL.into()),
                Refusal::Unsuccessful => No::Bracketed(UNSUCCESSFUL.into()),
                Refusal::SmtpDisabled => No::Bracketed(disabled("Mailbox")),
                Refusal::ExpiresSoon => No::Verbatim(EXPIRES_SOON.into()),
            }
        })
    }

    /// Asks what the mechanism asks, so that the client shows what it would have sent, and refuses.
    async fn password<S: Stream>(
        &mut self,
        wire: &mut Wire<S>,
        challenges: &[&str],
        initial: &str,
    ) -> io::Result<Option<Ending>> {
        let answered = usize::from(!initial.is_empty());
        for challenge in challenges.iter().skip(answered) {
            wire.reply(&format!("334 {challenge}")).await?;
            match wire.line().await? {
                None => return Ok(Some(Ending::Closed)),
                Some(line) if line == b"*" => break,
                Some(_) => {}
            }
        }
        let refusal = self.cloud.knobs().basic_auth_refusal.clone();
        self.refuse(wire, No::Bracketed(refusal)).await?;
        Ok(None)
    }

    async fn refuse<S: Stream>(&mut self, wire: &mut Wire<S>, no: No) -> io::Result<()> {
        self.cloud.counters.smtp_refusals.increment();
        let (refusal, reply) = match no {
            No::Bracketed(refusal) => (refusal.clone(), self.identity.bracketed(&refusal)),
            No::Verbatim(refusal) => (refusal.clone(), refusal),
        };
        self.refused = Some(refusal);
        if reply == GMAIL_REFUSAL {
            wire.reply(&format!("334 {}", STANDARD.encode(GMAIL_CHALLENGE))).await?;
            wire.line().await?;
        }
        wire.reply(&reply).await
    }
}

const UNKNOWN_MECHANISM: &str = "504 5.7.4 Unrecognized authentication type";
const LINE_TOO_LONG: &str = "555-5.5.2 Syntax error, command line too long. For more information, go to\r\n\
    555 5.5.2  https://support.google.com/a/answer/3221692 standin - gsmtp";

fn disabled(level: &str) -> String {
    format!(
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the {level}. \
         Visit https://aka.ms/smtp_auth_disabled for more information."
    )
}
