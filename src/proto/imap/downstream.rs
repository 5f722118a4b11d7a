//! The client's half of IMAP.

use super::framing::{Frame, Framing};
use super::grammar::{self, Command, Text, Unfit};
use super::{CONSERVATIVE, passed_on};
use crate::proto::{
    Cause, Clearance, DownstreamTerms, Inbox, Offer, Privacy, Ready, Refusal, Session, Step,
    TooLong,
};
use crate::sasl::{Broken, Exchange, Login, MECHANISMS, Reaction};

/// An IMAP server that knows how to log in, and no more.
pub(super) struct Downstream {
    terms: DownstreamTerms,
    awaiting: Awaiting,
    framing: Framing,
    bad_commands: u32,
    /// The tag of the login being judged.
    tag: String,
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
        Self {
            terms,
            awaiting: Awaiting::Connection,
            framing: Framing::default(),
            bad_commands: 0,
            tag: String::new(),
        }
    }

    fn frame(&mut self, inbox: &mut Inbox) -> Result<Step<Offer>, Refusal> {
        match self.framing.next(inbox, &self.terms.limits) {
            Frame::Incomplete => Ok(Step::Read),
            // What would follow may be a password.
            Frame::Continue if !self.terms.privacy.takes_logins() => {
                self.tag = self.framing.abandon();
                Ok(self.privacy_required())
            }
            Frame::Continue => Ok(Step::write(*b"+ Ready\r\n")),
            Frame::Command(octets) => self.command(&octets),
            Frame::TooLong(tag) => self.bad(&format!("{tag} BAD Command line too long")),
            Frame::Flood => Err(Refusal::new(
                Cause::TooManyBadCommands,
                "the client sends a literal over the limit `literal` without waiting to be asked for it",
            )),
        }
    }

    fn command(&mut self, octets: &[u8]) -> Result<Step<Offer>, Refusal> {
        let (tag, command) = match grammar::command(octets) {
            Ok(parsed) => parsed,
            Err(Unfit::NoCommand) => return self.bad("* BAD Not a command"),
            Err(Unfit::Unknown { tag }) => {
                return self.bad(&format!("{tag} BAD Unknown command, or log in first"));
            }
            Err(Unfit::Arguments { tag }) => {
                return self.bad(&format!("{tag} BAD Invalid arguments"));
            }
        };
        tag.clone_into(&mut self.tag);
        match command {
            Command::Capability => {
                let capabilities = self.capabilities();
                Ok(Step::write(format!(
                    "* CAPABILITY {capabilities}\r\n{tag} OK CAPABILITY completed\r\n"
                )))
            }
            Command::Noop => Ok(reply(&format!("{tag} OK NOOP completed"))),
            Command::Id => Ok(Step::write(format!(
                "* ID (\"name\" \"gatepost\")\r\n{tag} OK ID completed\r\n"
            ))),
            Command::Logout => {
                self.awaiting = Awaiting::Close;
                Ok(Step::write(format!("* BYE Logging out\r\n{tag} OK LOGOUT completed\r\n")))
            }
            Command::StartTls => self.starttls(tag),
            Command::Login { user, password } => self.login(&user, &password),
            Command::Authenticate { mechanism, initial } => self.authenticate(mechanism, initial),
        }
    }

    fn capabilities(&self) -> String {
        let honoured: Vec<_> = match self.terms.honoured.as_slice() {
            [] => CONSERVATIVE.to_vec(),
            known => passed_on(known).collect(),
        };
        let mut words: Vec<_> = honoured.into_iter().map(str::to_owned).collect();
        words.push("SASL-IR".to_owned());
        if self.terms.privacy.offers_starttls() {
            words.push("STARTTLS".to_owned());
        }
        if self.terms.privacy.takes_logins() {
            words.extend(MECHANISMS.iter().map(|mechanism| format!("AUTH={}", mechanism.name)));
        } else {
            words.push("LOGINDISABLED".to_owned());
        }
        words.join(" ")
    }

    fn starttls(&mut self, tag: &str) -> Result<Step<Offer>, Refusal> {
        if !self.terms.privacy.offers_starttls() {
            return self.bad(&format!("{tag} BAD STARTTLS is not offered here"));
        }
        self.awaiting = Awaiting::TlsHandshake;
        Ok(reply(&format!("{tag} OK Begin TLS")))
    }

    fn login(&mut self, user: &Text<'_>, password: &Text<'_>) -> Result<Step<Offer>, Refusal> {
        if !self.terms.privacy.takes_logins() {
            return Ok(self.privacy_required());
        }
        let login = match (user.as_str(), password.as_str()) {
            (Some(user), Some(password)) => Login::new("", user, password),
            _ => Err(crate::sasl::Malformed),
        };
        match login {
            Ok(login) => Ok(self.offer(login)),
            Err(_) => self.bad(&format!(
                "{} BAD User name or password isn't UTF-8, or has control characters",
                self.tag
            )),
        }
    }

    fn authenticate(
        &mut self,
        mechanism: &str,
        initial: Option<&[u8]>,
    ) -> Result<Step<Offer>, Refusal> {
        if !self.terms.privacy.takes_logins() {
            return Ok(self.privacy_required());
        }
        match Exchange::start(mechanism, initial) {
            Ok((exchange, reaction)) => Ok(self.react(exchange, reaction)),
            Err(broken) => self.broken(&broken),
        }
    }

    fn privacy_required(&self) -> Step<Offer> {
        reply(&format!("{} NO [PRIVACYREQUIRED] Use STARTTLS first", self.tag))
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
            Err(TooLong) => self.bad(&format!("{} BAD Command line too long", self.tag)),
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
        let tag = &self.tag;
        match broken {
            Broken::Cancelled => Ok(reply(&format!("{tag} BAD Authentication cancelled"))),
            Broken::Malformed => self.bad(&format!("{tag} BAD Cannot decode the response")),
            Broken::UnknownMechanism => {
                self.bad(&format!("{tag} NO Unsupported authentication mechanism"))
            }
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
        // What stands for a tag may be a password that lost its way: not a word for the journal.
        let (_tag, answered) = answer.split_once(' ').unwrap_or_default();
        Err(Refusal::new(
            Cause::TooManyBadCommands,
            format!("too many bad commands, the last answered {answered:?}"),
        ))
    }
}

impl Session for Downstream {
    type Outcome = Offer;

    fn advance(&mut self, inbox: &mut Inbox) -> Result<Step<Offer>, Refusal> {
        match std::mem::replace(&mut self.awaiting, Awaiting::Command) {
            Awaiting::Connection => {
                let capabilities = self.capabilities();
                Ok(reply(&format!(
                    "* OK [CAPABILITY {capabilities}] {} gatepost ready",
                    self.terms.name
                )))
            }
            Awaiting::Command | Awaiting::Verdict => self.frame(inbox),
            Awaiting::Response(exchange) => self.response(exchange, inbox),
            Awaiting::TlsHandshake => {
                self.terms.privacy = Privacy::Tls;
                Ok(Step::StartTls)
            }
            Awaiting::Close => Ok(Step::Done(Offer::Farewell)),
        }
    }
}

impl crate::proto::Downstream for Downstream {
    fn refuse(&mut self, refusal: &Refusal) -> Vec<u8> {
        let answer = match std::mem::replace(&mut self.awaiting, Awaiting::Command) {
            Awaiting::Verdict => tagged(&self.tag, refusal),
            _ => format!("* BYE {}\r\n", refusal.reply()),
        };
        answer.into_bytes()
    }

    fn accept(self: Box<Self>, ready: Ready) -> Box<dyn Session<Outcome = Clearance>> {
        let capabilities: Vec<_> = passed_on(&ready.announced().after_login).collect();
        let code = match capabilities.as_slice() {
            [] => String::new(),
            known => format!("[CAPABILITY {}] ", known.join(" ")),
        };
        let welcome = Some(format!("{} OK {code}Logged in", self.tag));
        Box::new(Doorway { ready, welcome })
    }
}

/// Table of the answers to a login that leads nowhere. `[AUTHENTICATIONFAILED]` makes clients ask
/// for another password: it is for a wrong local password alone (RFC 5530 section 3).
fn tagged(tag: &str, refusal: &Refusal) -> String {
    let text = refusal.reply();
    match refusal.cause {
        Cause::LoginRejected => format!("{tag} NO [AUTHENTICATIONFAILED] {text}\r\n"),
        Cause::NotAuthorized | Cause::MailboxNotOpened => {
            format!("{tag} NO [AUTHORIZATIONFAILED] {text}\r\n")
        }
        Cause::SignInNeeded => {
            format!("* NO [ALERT] gatepost: {text}\r\n{tag} NO [CONTACTADMIN] {text}\r\n")
        }
        Cause::Misconfigured | Cause::ForbiddenByPolicy | Cause::TokenRefused => {
            format!("{tag} NO [CONTACTADMIN] {text}\r\n")
        }
        Cause::AuthorityUnavailable
        | Cause::UpstreamUnreachable
        | Cause::UpstreamUnavailable
        | Cause::UpstreamProtocol => format!("{tag} NO [UNAVAILABLE] {text}\r\n"),
        Cause::StartTlsInjection
        | Cause::TooManyConnections
        | Cause::TooManyBadCommands
        | Cause::TooManyFailedLogins
        | Cause::TimedOut
        | Cause::Stopping => format!("* BYE {text}\r\n"),
    }
}

/// Between the login and the first command: the answer alone.
struct Doorway {
    ready: Ready,
    welcome: Option<String>,
}

impl Session for Doorway {
    type Outcome = Clearance;

    fn advance(&mut self, _inbox: &mut Inbox) -> Result<Step<Clearance>, Refusal> {
        match self.welcome.take() {
            Some(welcome) => Ok(reply(&welcome)),
            None => Ok(Step::Done(Clearance::of(&self.ready))),
        }
    }
}

fn reply<T>(line: &str) -> Step<T> {
    Step::write(format!("{line}\r\n"))
}
