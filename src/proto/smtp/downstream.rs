//! The client's half of SMTP.

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
    /// The last answer to a failed login: some clients go on with MAIL and report only that reply.
    failure: Option<String>,
}

enum Awaiting {
    Connection,
    Command,
    Response(Exchange),
    TlsHandshake,
    Verdict,
    Close(Offer),
}

impl Downstream {
    pub(super) fn new(terms: DownstreamTerms) -> Self {
        Self {
            terms,
            awaiting: Awaiting::Connection,
            greeted: false,
            bad_commands: 0,
            failure: None,
        }
    }

    fn command(&mut self, inbox: &mut Inbox) -> Result<Step<Offer>, Refusal> {
        let line = match inbox.line(self.terms.limits.line) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(Step::Read),
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
            Ok(Command::Transaction) => Ok(reply(&fit(&self.login_first()))),
            // Its octets would be taken for commands, and what stands in them is not ours to judge.
            Ok(Command::Bdat) => {
                Err(Refusal::new(Cause::TooManyBadCommands, "BDAT before a login"))
            }
            Err(Unfit::Unknown) => self.bad("500 5.5.2 Command not recognized"),
            Err(Unfit::Arguments) => self.bad("501 5.5.4 Invalid arguments"),
        }
    }

    fn ehlo(&mut self) -> Step<Offer> {
        self.greeted = true;
        let mut lines = vec![self.terms.name.clone()];
        lines.extend(self.honoured().map(str::to_owned));
        if self.terms.privacy.offers_starttls() {
            lines.push("STARTTLS".to_owned());
        }
        if self.terms.privacy.takes_logins() {
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
            Err(TooLong) => self.bad("500 5.5.6 Authentication exchange line is too long"),
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
            Awaiting::Command | Awaiting::Verdict => self.command(inbox),
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
    fn refuse(&mut self, refusal: &Refusal) -> Vec<u8> {
        let answer = fit(&answer(refusal));
        self.failure = matches!(self.awaiting, Awaiting::Verdict).then(|| answer.clone());
        self.awaiting = Awaiting::Command;
        format!("{answer}\r\n").into_bytes()
    }

    fn accept(self: Box<Self>, ready: Ready) -> Box<dyn Session<Outcome = Clearance>> {
        let welcome = Some("235 2.7.0 Authentication successful");
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

/// Between the login and the first command that is the upstream's to answer. EHLO stays here because
/// Exchange judges the name in it; a second AUTH stays here because it holds a local password.
struct Doorway {
    name: String,
    ready: Ready,
    welcome: Option<&'static str>,
}

impl Session for Doorway {
    type Outcome = Clearance;

    fn advance(&mut self, inbox: &mut Inbox) -> Result<Step<Clearance>, Refusal> {
        if let Some(welcome) = self.welcome.take() {
            return Ok(reply(welcome));
        }
        let line = match inbox.peek_line() {
            Some(line) if line.len() <= LONGEST_DOORWAY_LINE => line,
            None if inbox.len() < LONGEST_DOORWAY_LINE => return Ok(Step::Read),
            _ => return Ok(self.open()),
        };
        let answer = match grammar::command(line.trim_ascii_end()) {
            Ok(Command::Ehlo) => self.ehlo(),
            Ok(Command::Helo) => multiline(std::slice::from_ref(&self.name)),
            // Before mail there is nothing to reset, and an EHLO or AUTH may still follow.
            Ok(Command::Noop | Command::Rset) => b"250 2.0.0 OK\r\n".to_vec(),
            Ok(Command::Auth { .. }) => b"503 5.5.1 Already authenticated\r\n".to_vec(),
            Ok(Command::StartTls) => b"503 5.5.1 STARTTLS comes before AUTH\r\n".to_vec(),
            // Perhaps an AUTH with a password and something behind it.
            Err(Unfit::Arguments) => b"501 5.5.4 Invalid arguments\r\n".to_vec(),
            _ => return Ok(self.open()),
        };
        let length = line.len();
        inbox.octets(length);
        Ok(Step::write(answer))
    }
}

/// A command longer than this is none of those that stay in the doorway.
const LONGEST_DOORWAY_LINE: usize = 16 * 1024;

impl Doorway {
    fn open(&self) -> Step<Clearance> {
        Step::Done(Clearance::of(&self.ready))
    }

    fn ehlo(&self) -> Vec<u8> {
        let mut lines = vec![self.name.clone()];
        lines.extend(passed_on(&self.ready.announced().after_login).map(str::to_owned));
        multiline(&lines)
    }
}

fn reply<T>(line: &str) -> Step<T> {
    Step::write(format!("{line}\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Announced;

    /// What the doorway says to a line, and whether it then opens.
    fn says(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let ready = Ready::new(Announced::default());
        let mut doorway = Doorway { name: "x".to_owned(), ready, welcome: None };
        let (mut inbox, mut said) = (Inbox::default(), Vec::new());
        for piece in pieces {
            inbox.push(piece);
            loop {
                match doorway.advance(&mut inbox).unwrap() {
                    Step::Read => break,
                    Step::Write(bytes) => said.extend_from_slice(&bytes),
                    Step::StartTls | Step::Done(_) => return (said, true),
                }
            }
        }
        (said, false)
    }

    #[test]
    fn the_doorway_judges_a_line_by_its_length_however_it_arrives() {
        for (length, opens) in [(LONGEST_DOORWAY_LINE, false), (LONGEST_DOORWAY_LINE + 1, true)] {
            let line = format!("EHLO {}\r\n", "x".repeat(length - 7));
            let whole = says(&[line.as_bytes()]);
            assert_eq!(whole.1, opens, "{length} octets");
            for cut in [5, length - 2, length - 1] {
                let (first, second) = line.as_bytes().split_at(cut);
                assert_eq!(says(&[first, second]), whole, "{length} octets, cut at {cut}");
            }
        }
    }
}
