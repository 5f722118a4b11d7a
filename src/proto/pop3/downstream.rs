//! The client's half of POP3.

use super::grammar::{self, Command, Unfit};
use super::{CONSERVATIVE, passed_on};
use crate::proto::{
    Cause, Clearance, DownstreamTerms, Inbox, Offer, Privacy, Ready, Refusal, Session, Step,
    TooLong,
};
use crate::sasl::{Broken, Exchange, Login, MECHANISMS, Reaction};

/// A POP3 server that knows how to log in, and no more.
pub(super) struct Downstream {
    terms: DownstreamTerms,
    awaiting: Awaiting,
    /// The argument of the last USER.
    user: Option<String>,
    bad_commands: u32,
}

enum Awaiting {
    Connection,
    Command,
    Response(Exchange),
    TlsHandshake,
    Verdict,
    Close,
}

impl Downstream {
    pub(super) fn new(terms: DownstreamTerms) -> Self {
        Self { terms, awaiting: Awaiting::Connection, user: None, bad_commands: 0 }
    }

    fn command(&mut self, inbox: &mut Inbox) -> Result<Step<Offer>, Refusal> {
        let line = match inbox.line(self.terms.limits.line) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(Step::Read),
            Err(TooLong) => return self.bad("-ERR Line too long"),
        };
        match grammar::command(&line) {
            Ok(Command::Capa) => Ok(self.capa()),
            Ok(Command::User(name)) => self.user(name),
            Ok(Command::Pass(password)) => self.pass(password),
            Ok(Command::Mechanisms) => Ok(self.mechanisms()),
            Ok(Command::Auth { mechanism, initial }) => self.auth(mechanism, initial),
            Ok(Command::Stls) => self.stls(),
            Ok(Command::Noop) => Ok(reply("+OK")),
            Ok(Command::Quit) => {
                self.awaiting = Awaiting::Close;
                Ok(reply("+OK Bye"))
            }
            Ok(Command::Apop) => self.bad("-ERR APOP is not supported, use USER or AUTH"),
            Ok(Command::Transaction) => Ok(reply("-ERR Log in first")),
            Err(Unfit::Unknown) => self.bad("-ERR Unknown command"),
            Err(Unfit::Arguments) => self.bad("-ERR Invalid arguments"),
        }
    }

    fn capa(&self) -> Step<Offer> {
        let mut lines: Vec<String> = self.honoured().map(str::to_owned).collect();
        lines.extend(["RESP-CODES", "AUTH-RESP-CODE"].map(str::to_owned));
        if self.terms.privacy.offers_starttls() {
            lines.push("STLS".to_owned());
        }
        if self.terms.privacy.takes_logins() {
            lines.push("USER".to_owned());
            lines.push(format!("SASL {}", names().join(" ")));
        }
        listing("+OK Capability list follows", lines.iter().map(String::as_str))
    }

    fn honoured(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self.terms.honoured.as_slice() {
            [] => Box::new(CONSERVATIVE.iter().copied()),
            known => Box::new(passed_on(known)),
        }
    }

    fn mechanisms(&self) -> Step<Offer> {
        let names = if self.terms.privacy.takes_logins() { names() } else { Vec::new() };
        listing("+OK", names.into_iter())
    }

    fn user(&mut self, name: &[u8]) -> Result<Step<Offer>, Refusal> {
        if !self.terms.privacy.takes_logins() {
            return Ok(reply(TLS_FIRST));
        }
        let Ok(name) = std::str::from_utf8(name) else {
            return self.bad("-ERR Invalid user name");
        };
        self.user = Some(name.to_owned());
        Ok(reply("+OK Send the password"))
    }

    fn pass(&mut self, password: &[u8]) -> Result<Step<Offer>, Refusal> {
        if !self.terms.privacy.takes_logins() {
            return Ok(reply(TLS_FIRST));
        }
        let Some(user) = self.user.take() else {
            return self.bad("-ERR USER comes before PASS");
        };
        let password = std::str::from_utf8(password).ok();
        match password.and_then(|password| Login::new("", &user, password).ok()) {
            Some(login) => Ok(self.offer(login)),
            None => self.bad("-ERR Invalid user name or password"),
        }
    }

    fn auth(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Result<Step<Offer>, Refusal> {
        if !self.terms.privacy.takes_logins() {
            return Ok(reply(TLS_FIRST));
        }
        match Exchange::start(mechanism, initial) {
            Ok((exchange, reaction)) => Ok(self.react(exchange, reaction)),
            Err(broken) => self.broken(&broken),
        }
    }

    fn stls(&mut self) -> Result<Step<Offer>, Refusal> {
        if !self.terms.privacy.offers_starttls() {
            return self.bad("-ERR STLS is not offered here");
        }
        self.awaiting = Awaiting::TlsHandshake;
        Ok(reply("+OK Ready to start TLS"))
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
            Err(TooLong) => self.bad("-ERR Line too long"),
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
                reply(&format!("+ {challenge}"))
            }
            Reaction::Login(login) => self.offer(login),
        }
    }

    fn broken(&mut self, broken: &Broken) -> Result<Step<Offer>, Refusal> {
        match broken {
            Broken::Cancelled => Ok(reply("-ERR Authentication cancelled")),
            Broken::Malformed => self.bad("-ERR Cannot decode the response"),
            Broken::UnknownMechanism => self.bad("-ERR Unsupported authentication mechanism"),
        }
    }

    fn offer(&mut self, login: Login) -> Step<Offer> {
        self.awaiting = Awaiting::Verdict;
        Step::Done(Offer::Login(login))
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
            // Without a timestamp in angle brackets: that would announce APOP (RFC 1939 section 7).
            Awaiting::Connection => Ok(reply(&format!("+OK {} gatepost ready", self.terms.name))),
            Awaiting::Command | Awaiting::Verdict => self.command(inbox),
            Awaiting::Response(exchange) => self.response(exchange, inbox),
            Awaiting::TlsHandshake => {
                // What was said in clear is forgotten (RFC 2595 section 2.4).
                self.terms.privacy = Privacy::Tls;
                self.user = None;
                Ok(Step::StartTls)
            }
            Awaiting::Close => Ok(Step::Done(Offer::Farewell)),
        }
    }
}

impl crate::proto::Downstream for Downstream {
    fn refuse(&mut self, refusal: &Refusal) -> Vec<u8> {
        self.awaiting = Awaiting::Command;
        format!("{}\r\n", answer(refusal)).into_bytes()
    }

    fn accept(self: Box<Self>, ready: Ready) -> Box<dyn Session<Outcome = Clearance>> {
        Box::new(Doorway { ready, welcome: Some("+OK Logged in") })
    }
}

/// RFC 3206 section 4: what hinders the login is with the credentials' use, not with the service.
const TLS_FIRST: &str = "-ERR [AUTH] TLS required";

/// Table of the answers to a login, or to a talk, that leads nowhere. `[AUTH]` makes clients ask for
/// another password (RFC 3206 section 4): it is for a wrong local password alone.
fn answer(refusal: &Refusal) -> String {
    let text = refusal.reply();
    match refusal.cause {
        Cause::LoginRejected => format!("-ERR [AUTH] {text}"),
        // In use, or too early: clients know what to do about these two (RFC 2449 section 8.1).
        Cause::UpstreamUnavailable if has_code(refusal, "[IN-USE]") => {
            format!("-ERR [IN-USE] {text}")
        }
        Cause::UpstreamUnavailable if has_code(refusal, "[LOGIN-DELAY]") => {
            format!("-ERR [LOGIN-DELAY] {text}")
        }
        Cause::AuthorityUnavailable
        | Cause::UpstreamUnreachable
        | Cause::UpstreamUnavailable
        | Cause::UpstreamProtocol
        | Cause::TooManyConnections
        | Cause::Stopping => format!("-ERR [SYS/TEMP] {text}"),
        Cause::NotAuthorized
        | Cause::SignInNeeded
        | Cause::Misconfigured
        | Cause::ForbiddenByPolicy
        | Cause::TokenRefused
        | Cause::MailboxNotOpened => format!("-ERR [SYS/PERM] {text}"),
        Cause::StartTlsInjection
        | Cause::TooManyBadCommands
        | Cause::TooManyFailedLogins
        | Cause::TimedOut => format!("-ERR {text}"),
    }
}

/// Whether the upstream's own line carries the response code.
fn has_code(refusal: &Refusal, code: &str) -> bool {
    let line = refusal.verbatim.as_deref().unwrap_or_default();
    line.split(' ').nth(1).is_some_and(|word| word.eq_ignore_ascii_case(code))
}

/// Between the login and the first command: the answer alone.
struct Doorway {
    ready: Ready,
    welcome: Option<&'static str>,
}

impl Session for Doorway {
    type Outcome = Clearance;

    fn advance(&mut self, _inbox: &mut Inbox) -> Result<Step<Clearance>, Refusal> {
        match self.welcome.take() {
            Some(welcome) => Ok(reply(welcome)),
            None => Ok(Step::Done(Clearance::of(&self.ready))),
        }
    }
}

fn names() -> Vec<&'static str> {
    MECHANISMS.iter().map(|mechanism| mechanism.name).collect()
}

fn reply<T>(line: &str) -> Step<T> {
    Step::write(format!("{line}\r\n"))
}

/// A multi-line reply (RFC 1939 section 3). No line of it starts with a dot.
fn listing<'a, T>(status: &str, lines: impl Iterator<Item = &'a str>) -> Step<T> {
    let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
    Step::write(format!("{status}\r\n{lines}.\r\n"))
}
