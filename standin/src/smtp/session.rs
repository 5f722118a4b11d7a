//! The commands of one connection.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::envelope::{Envelope, Path, is_address};
use super::hello::{self, Identity};
use super::submission::Slot;
use super::wire::{Stream, Wire};
use crate::bearer::Admission;
use crate::cloud::Cloud;

/// Which of Exchange Online's doors for mail it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    /// SMTP AUTH for mailboxes.
    ClientSubmission,
    /// High Volume Email: to recipients inside only, without the limits of a mailbox.
    HighVolume,
}

impl Product {
    /// Recipients of one message; for mailboxes the default of Exchange Online.
    fn recipient_limit(self) -> usize {
        match self {
            Self::ClientSubmission => 500,
            Self::HighVolume => 50,
        }
    }
}

/// Whether the connection still has to change to TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// In clear with STARTTLS to come: no AUTH yet.
    Clear,
    /// In TLS, or on a port without any.
    Settled,
}

/// How a conversation ended, or what comes after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The connection is over.
    Closed,
    /// The client waits for the TLS handshake.
    StartTls,
}

/// The server's half of one connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) cloud: Arc<Cloud>,
    pub(super) identity: Identity,
    pub(super) security: Security,
    pub(super) greeted: bool,
    pub(super) login: Option<Admission>,
    /// The last refusal of AUTH: a client that goes on without a login is told again.
    pub(super) refused: Option<String>,
    pub(super) envelope: Option<Envelope>,
}

impl Session {
    pub(super) fn new(
        cloud: &Arc<Cloud>,
        peer: SocketAddr,
        (product, security): (Product, Security),
    ) -> Self {
        Self {
            cloud: Arc::clone(cloud),
            identity: Identity::new(product, peer.ip()),
            security,
            greeted: false,
            login: None,
            refused: None,
            envelope: None,
        }
    }

    /// Greets and obeys until the end.
    pub(super) async fn open<S: Stream>(&mut self, wire: &mut Wire<S>) -> io::Result<Ending> {
        let (silent, greeting) = {
            let knobs = self.cloud.knobs();
            (knobs.smtp_silent, self.identity.greeting(&knobs))
        };
        if silent {
            return future::pending().await;
        }
        wire.reply(&greeting).await?;
        match greeting.starts_with("220") {
            true => self.converse(wire).await,
            false => Ok(Ending::Closed),
        }
    }

    /// What was said in clear is forgotten (RFC 3207 section 4.2).
    pub(super) fn secured(&mut self) {
        self.security = Security::Settled;
        self.greeted = false;
        self.envelope = None;
    }

    /// Obeys until the end.
    pub(super) async fn converse<S: Stream>(&mut self, wire: &mut Wire<S>) -> io::Result<Ending> {
        while let Some(line) = wire.line().await? {
            let line = String::from_utf8_lossy(&line);
            let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
            if let Some(ending) =
                self.obey(wire, &verb.to_ascii_uppercase(), argument.trim(), line.len()).await?
            {
                return Ok(ending);
            }
        }
        Ok(Ending::Closed)
    }

    async fn obey<S: Stream>(
        &mut self,
        wire: &mut Wire<S>,
        verb: &str,
        argument: &str,
        length: usize,
    ) -> io::Result<Option<Ending>> {
        match verb {
            "AUTH" => return self.authenticate(wire, argument, length).await,
            "DATA" => return self.data(wire).await,
            "BDAT" => return self.bdat(wire, argument).await,
            "STARTTLS" => return self.starttls(wire).await,
            "QUIT" => {
                wire.reply("221 2.0.0 Service closing transmission channel").await?;
                return Ok(Some(Ending::Closed));
            }
            _ => {}
        }
        let reply = match verb {
            "EHLO" | "HELO" => self.hello(verb, argument),
            "MAIL" => self.mail(argument),
            "RCPT" => self.rcpt(argument),
            "RSET" => {
                self.envelope = None;
                "250 2.0.0 Resetting".into()
            }
            "NOOP" => "250 2.0.0 OK".into(),
            "VRFY" => "252 2.1.5 Cannot VRFY user".into(),
            _ => self.identity.bracketed(&format!("500 5.3.3 Unrecognized command '{verb}'")),
        };
        wire.reply(&reply).await?;
        Ok(None)
    }

    fn hello(&mut self, verb: &str, name: &str) -> String {
        let knobs = self.cloud.knobs();
        if knobs.smtp_validates_ehlo && !hello::is_valid_name(name) {
            return self.identity.bracketed("501 5.5.4 Invalid domain name");
        }
        self.greeted = true;
        self.envelope = None;
        match verb {
            "EHLO" => self.identity.ehlo(&knobs, self.security),
            _ => self.identity.helo(),
        }
    }

    async fn starttls<S: Stream>(&mut self, wire: &mut Wire<S>) -> io::Result<Option<Ending>> {
        let (refused, inject) = {
            let knobs = self.cloud.knobs();
            (knobs.smtp_without_starttls, knobs.smtp_inject_after_starttls.clone())
        };
        if refused || self.security == Security::Settled {
            wire.reply(&self.identity.bracketed("500 5.3.3 Unrecognized command 'STARTTLS'"))
                .await?;
            return Ok(None);
        }
        wire.reply_with("220 2.0.0 SMTP server ready", &inject.unwrap_or_default()).await?;
        Ok(Some(Ending::StartTls))
    }

    fn mail(&mut self, argument: &str) -> String {
        if !self.greeted {
            return self.identity.bracketed("503 5.5.2 Send hello first");
        }
        let Some(login) = &self.login else { return self.unauthenticated() };
        if self.envelope.is_some() {
            return self.identity.bracketed("503 5.5.2 Sender already specified");
        }
        let Some(path) = Path::read(argument, "FROM:") else {
            return self.identity.bracketed("501 5.5.4 Invalid arguments");
        };
        if !path.address.is_empty() && !is_address(path.address) {
            return self.identity.bracketed("501 5.1.7 Invalid address");
        }
        let limit = self.identity.size_limit(&self.cloud.knobs()) as u64;
        if path.size().is_some_and(|size| size > limit) {
            return TOO_LARGE.into();
        }
        let slot = Slot::take(&self.cloud, &login.mailbox);
        let sender = path.address.into();
        self.envelope = Some(Envelope { sender, recipients: Vec::new(), chunks: None, slot });
        "250 2.1.0 Sender OK".into()
    }

    fn unauthenticated(&self) -> String {
        let refused = self.refused.as_ref().map(|refused| format!(" Error: {refused}"));
        let reply = format!(
            "530 5.7.57 Client not authenticated to send mail.{}",
            refused.unwrap_or_default()
        );
        self.identity.bracketed(&reply)
    }

    fn rcpt(&mut self, argument: &str) -> String {
        let Some(envelope) = &mut self.envelope else {
            return self.identity.bracketed("503 5.5.2 Need mail command");
        };
        let Some(path) = Path::read(argument, "TO:") else {
            return self.identity.bracketed("501 5.5.4 Invalid arguments");
        };
        if !is_address(path.address) {
            return self.identity.bracketed("501 5.1.3 Invalid address");
        }
        let product = self.identity.product;
        if envelope.recipients.len() == product.recipient_limit() {
            return self.identity.bracketed("452 4.5.3 Too many recipients");
        }
        let tenant = self.cloud.tenant();
        if tenant.owns(path.address) && tenant.mailbox(path.address).is_none() {
            let reply = "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup";
            return self.identity.bracketed(reply);
        }
        if product == Product::HighVolume && !tenant.owns(path.address) {
            return self.identity.bracketed(OUTSIDE);
        }
        envelope.recipients.push(path.address.into());
        "250 2.1.5 Recipient OK".into()
    }
}

/// A recipient that High Volume Email doesn't deliver to. Microsoft hasn't published its words.
const OUTSIDE: &str = "550 5.7.1 Recipients outside the organization are not supported";

/// The message is longer than what EHLO announced.
pub(super) const TOO_LARGE: &str = "552 5.3.4 Message size exceeds fixed maximum message size";
