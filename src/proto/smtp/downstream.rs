//! The client's half of SMTP.

use super::doorway::Doorway;
use super::grammar::{self, Command, Unfit};
use super::{CONSERVATIVE, multiline, passed_on};
use crate::proto::{
    Cause, Clearance, DownstreamTerms, Inbox, Offer, Privacy, Ready, Refusal, Session, Step,
    TooLong,
};
use crate::sasl::{Broken, Exchange, MECHANISMS, Reaction};

/// An SMTP server that knows how to log in, and no more.
pub(super) struct Downstream {
    terms: DownstreamTerms,
    awaiting: Awaiting,
    greeted: bool,
    bad_commands: u32,
    /// Whether MAIL counts as a login.
    login_waived: bool,
    /// The last answer to a failed login: some clients go on with MAIL and report only that reply.
    failure: Option<String>,
}

enum Awaiting {
    Connection,
    Command,
    Response(Exchange),
    TlsHandshake,
    Verdict,
    SenderVerdict,
    /// The MAIL command that was refused, which is still unread.
    RefusedMail,
    Close(Offer),
}

/// RFC 4954 section 6.
const EXCHANGE_TOO_LONG: &str = "500 5.5.6 Authentication exchange line is too long";

impl Downstream {
    pub(super) fn new(terms: DownstreamTerms) -> Self {
        Self {
            terms,
            awaiting: Awaiting::Connection,
            greeted: false,
            bad_commands: 0,
            login_waived: false,
            failure: None,
        }
    }

    fn command(&mut self, inbox: &mut Inbox) -> Result<Step<Offer>, Refusal> {
        if let Some(sender) = self.sender(inbox) {
            self.awaiting = Awaiting::SenderVerdict;
            return Ok(Step::Done(Offer::Sender(sender)));
        }
        // Before the line is gone, which it is where it is too long.
        let begun = inbox.line_so_far(self.terms.limits.line);
        let auth = begun.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"AUTH "));
        let line = match inbox.line(self.terms.limits.line) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(Step::Read),
            Err(TooLong) if auth => return self.bad(EXCHANGE_TOO_LONG),
            Err(TooLong) => return self.bad("500 5.5.2 Line too long"),
        };
        match grammar::command(&line) {
            Ok(Command::Ehlo) => Ok(self.ehlo()),
            Ok(Command::Helo) => {
                self.greeted = true;
                Ok(reply(&format!("250 {}", self.terms.name)))
            }
            Ok(Command::StartTls) => self.starttls(),
            Ok(Command::Auth { mechanism, initial }) => self.auth(mechanism, initial),
            Ok(Command::Noop | Command::Rset) => Ok(reply("250 2.0.0 OK")),
            Ok(Command::Vrfy) => Ok(reply("252 2.1.5 Send a message and see")),
            Ok(Command::Help) => Ok(reply("214 2.0.0 Log in with AUTH, then send mail")),
            Ok(Command::Quit) => {
                self.awaiting = Awaiting::Close(Offer::Farewell);
                Ok(reply("221 2.0.0 Bye"))
            }
            Ok(Command::Mail { sender: None }) if self.login_waived => {
                self.bad("501 5.5.4 Invalid sender")
            }
            Ok(Command::Mail { .. } | Command::Transaction) => Ok(reply(&fit(&self.login_first()))),
            // Its octets would be taken for commands, and what stands in them is not ours to judge.
            Ok(Command::Bdat) => {
                Err(Refusal::new(Cause::TooManyBadCommands, "BDAT before a login"))
            }
            Err(Unfit::Unknown) => self.bad("500 5.5.2 Command not recognized"),
            Err(Unfit::Arguments) => self.bad("501 5.5.4 Invalid arguments"),
        }
    }

    /// The sender in a MAIL command, which stays unread, where it counts as a login.
    fn sender(&self, inbox: &Inbox) -> Option<String> {
        if !self.login_waived || !self.terms.privacy.takes_logins() {
            return None;
        }
        let line = inbox.peek_line().filter(|line| line.len() <= self.terms.limits.line)?;
        match grammar::command(line.trim_ascii_end()) {
            Ok(Command::Mail { sender }) => sender.map(str::to_owned),
            _ => None,
        }
    }

    fn ehlo(&mut self) -> Step<Offer> {
        self.greeted = true;
        let mut lines = vec![self.terms.name.clone()];
        lines.extend(self.honoured().map(str::to_owned));
        if self.terms.privacy.offers_starttls() {
            lines.push("STARTTLS".to_owned());
        }
        if self.terms.privacy.takes_logins() && !self.login_waived {
            let names: Vec<_> = MECHANISMS.iter().map(|mechanism| mechanism.name).collect();
            lines.push(format!("AUTH {}", names.join(" ")));
        }
        Step::write(multiline(&lines))
    }

    fn honoured(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self.terms.honoured.as_slice() {
            [] => Box::new(CONSERVATIVE.iter().copied()),
            known => Box::new(passed_on(known)),
        }
    }

    fn starttls(&mut self) -> Result<Step<Offer>, Refusal> {
        if !self.terms.privacy.offers_starttls() {
            return self.bad("502 5.5.1 STARTTLS is not offered here");
        }
        self.awaiting = Awaiting::TlsHandshake;
        Ok(reply("220 2.0.0 Ready to start TLS"))
    }

    fn auth(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Result<Step<Offer>, Refusal> {
        if !self.terms.privacy.takes_logins() {
            return Ok(reply("530 5.7.0 Must issue a STARTTLS command first"));
        }
        if self.login_waived {
            return self.bad("502 5.5.1 AUTH is not offered here");
        }
        if !self.greeted {
            return self.bad("503 5.5.1 Send EHLO first");
        }
        match Exchange::start(mechanism, initial) {
            Ok((exchange, reaction)) => Ok(self.react(exchange, reaction)),
            Err(broken) => self.broken(&broken),
        }
    }

    fn response(
        &mut self,
        mut exchange: Exchange,
        inbox: &mut Inbox,
    ) -> Result<Step<Offer>, Refusal> {
        match inbox.line(self.terms.limits.sasl_line) {
            Ok(None) => {
                self.awaiting = Awaiting::Response(exchange);
                Ok(Step::Read)
            }
            Err(TooLong) => self.bad(EXCHANGE_TOO_LONG),
            Ok(Some(line)) => match exchange.line(&line) {
                Ok(reaction) => Ok(self.react(exchange, reaction)),
                Err(broken) => self.broken(&broken),
            },
        }
    }

    fn react(&mut self, exchange: Exchange, reaction: Reaction) -> Step<Offer> {
        match reaction {
            Reaction::Challenge(challenge) => {
                self.awaiting = Awaiting::Response(exchange);
                reply(&format!("334 {challenge}"))
            }
            Reaction::Login(login) => {
                self.awaiting = Awaiting::Verdict;
                Step::Done(Offer::Login(login))
            }
        }
    }

    fn broken(&mut self, broken: &Broken) -> Result<Step<Offer>, Refusal> {
        match broken {
            Broken::Cancelled => Ok(reply("501 5.7.0 Authentication cancelled")),
            Broken::Malformed => self.bad("501 5.5.2 Cannot decode the response"),
            Broken::UnknownMechanism => self.bad("504 5.5.4 Unrecognized authentication type"),
        }
    }

    fn login_first(&self) -> String {
        match &self.failure {
            _ if !self.terms.privacy.takes_logins() => {
                "530 5.7.0 Must issue a STARTTLS command first".to_owned()
            }
            _ if self.login_waived => "503 5.5.1 Send MAIL first".to_owned(),
            None => "530 5.7.0 Authentication required".to_owned(),
            Some(failure) => {
                format!("530 5.7.0 Authentication required; the login failed: {failure}")
            }
        }
    }

    fn bad(&mut self, answer: &str) -> Result<Step<Offer>, Refusal> {
        self.bad_commands += 1;
        if self.bad_commands < self.terms.limits.bad_commands {
            return Ok(reply(answer));
        }
        Err(Refusal::new(
            Cause::TooManyBadCommands,
            format!("too many bad commands, the last answered {answer:?}"),
        ))
    }
}

impl Session for Downstream {
    type Outcome = Offer;

    fn advance(&mut self, inbox: &mut Inbox) -> Result<Step<Offer>, Refusal> {
        match std::mem::replace(&mut self.awaiting, Awaiting::Command) {
            Awaiting::Connection => Ok(reply(&format!("220 {} ESMTP gatepost", self.terms.name))),
            Awaiting::Command | Awaiting::Verdict | Awaiting::SenderVerdict => self.command(inbox),
            Awaiting::RefusedMail => {
                // It is all there: its sender was refused.
                let _ = inbox.line(self.terms.limits.line);
                self.command(inbox)
            }
            Awaiting::Response(exchange) => self.response(exchange, inbox),
            Awaiting::TlsHandshake => {
                // RFC 3207 section 4.2: what was said in clear is forgotten.
                self.terms.privacy = Privacy::Tls;
                self.greeted = false;
                self.failure = None;
                Ok(Step::StartTls)
            }
            Awaiting::Close(offer) => Ok(Step::Done(offer)),
        }
    }
}

impl crate::proto::Downstream for Downstream {
    fn waive_login(&mut self) {
        self.login_waived = true;
    }

    fn refuse(&mut self, refusal: &Refusal) -> Vec<u8> {
        if matches!(self.awaiting, Awaiting::SenderVerdict) {
            self.awaiting = Awaiting::RefusedMail;
            return format!("{}\r\n", fit(&answer_to_mail(refusal))).into_bytes();
        }
        let answer = fit(&answer(refusal));
        self.failure = matches!(self.awaiting, Awaiting::Verdict).then(|| answer.clone());
        self.awaiting = Awaiting::Command;
        format!("{answer}\r\n").into_bytes()
    }

    fn accept(self: Box<Self>, ready: Ready) -> Box<dyn Session<Outcome = Clearance>> {
        let welcome = (!self.login_waived).then_some("235 2.7.0 Authentication successful");
        Box::new(Doorway { name: self.terms.name, ready, welcome })
    }
}

/// Table of the answers to a login, or to a talk, that leads nowhere. 454 keeps clients from asking
/// for another password (RFC 4954 section 6): 535 is for a wrong local password alone.
pub(super) fn answer(refusal: &Refusal) -> String {
    let text = refusal.reply();
    match (refusal.cause, &refusal.verbatim) {
        (Cause::LoginRejected, _) => "535 5.7.8 Authentication credentials invalid".to_owned(),
        (Cause::NotAuthorized, _) => format!("550 5.7.1 {text}"),
        (Cause::UpstreamUnavailable, Some(line)) if is_transient(line) => line.clone(),
        (Cause::TooManyConnections | Cause::Stopping, _) => format!("421 4.3.2 {text}"),
        (Cause::TimedOut, _) => format!("421 4.4.2 {text}"),
        (Cause::TooManyBadCommands | Cause::TooManyFailedLogins | Cause::StartTlsInjection, _) => {
            format!("421 4.7.0 {text}")
        }
        (_, Some(line)) => format!("454 4.7.0 {text}: {line}"),
        (_, None) => format!("454 4.7.0 {text}"),
    }
}

/// The same, as the answer to a MAIL command: 454 is for AUTH alone (RFC 4954 section 6).
fn answer_to_mail(refusal: &Refusal) -> String {
    let answer = match refusal.cause {
        Cause::NotAuthorized => return "550 5.7.1 Sender not allowed here".to_owned(),
        _ => answer(refusal),
    };
    match answer.strip_prefix("454") {
        Some(rest) => format!("451{rest}"),
        None => answer,
    }
}

fn is_transient(line: &str) -> bool {
    grammar::reply_line(line.as_bytes())
        .is_some_and(|line| line.last && (400..500).contains(&line.code))
}

/// The text of a reply line as RFC 5321 has it: printable ASCII (section 4.2), and with its line
/// ending no more than 512 octets (section 4.5.3.1.5).
fn fit(answer: &str) -> String {
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    answer.chars().map(printable).take(510).collect()
}

pub(super) fn reply<T>(line: &str) -> Step<T> {
    Step::write(format!("{line}\r\n"))
}
