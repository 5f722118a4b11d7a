//! The service's half of IMAP.

use zeroize::Zeroizing;

use super::grammar::{self, Condition, Response};
use super::verdict;
use crate::proto::{
    Announced, Cause, Inbox, Line, Probe, Ready, Refusal, Session, Step, TooLong, UpstreamTerms,
};
use crate::sasl::{self, Client, Complaint};

/// An IMAP client that logs in with an access token, and no more.
pub(super) struct Upstream {
    terms: UpstreamTerms,
    awaiting: Awaiting,
    octets: usize,
    announced: Announced,
    complaint: Option<Complaint>,
}

enum Awaiting {
    Greeting,
    Capabilities,
    /// The continuation after an AUTHENTICATE without initial response.
    Challenge(Box<dyn Client>),
    Verdict(Box<dyn Client>),
    CapabilitiesAfterLogin,
    Probe,
}

const CAPABILITY: &str = "g1";
const AUTHENTICATE: &str = "g2";
const CAPABILITY_AFTER_LOGIN: &str = "g3";
const PROBE: &str = "g4";

/// Harmless, allowed in any state after login, known to every server, and refused by Exchange where
/// the mailbox didn't open.
const PROBE_COMMAND: &str = "LIST \"\" \"\"";

/// The longest AUTHENTICATE line sent: what RFC 7162 section 4 advises clients to keep to. Exchange
/// takes 10240 octets.
const LONGEST_COMMAND: usize = 8192;

impl Upstream {
    pub(super) fn new(terms: UpstreamTerms) -> Self {
        Self {
            terms,
            awaiting: Awaiting::Greeting,
            octets: 0,
            announced: Announced::default(),
            complaint: None,
        }
    }

    fn turn(&mut self, line: &Line) -> Result<Option<Step<Ready>>, Refusal> {
        let Some(response) = grammar::response(line) else {
            return self.no_response(line);
        };
        match response {
            Response::Status { tag: None, condition: Condition::Bye, .. } => {
                Err(verdict::refusal(line, Cause::UpstreamUnreachable))
            }
            Response::Capability(capabilities) => {
                self.learn(capabilities);
                Ok(None)
            }
            Response::Untagged => Ok(None),
            Response::Continuation(challenge) => self.continuation(challenge).map(Some),
            Response::Status { tag: None, condition, text } => self.untagged(condition, text, line),
            Response::Status { tag: Some(tag), condition, text } => {
                self.tagged(tag, condition, text, line)
            }
        }
    }

    fn untagged(
        &mut self,
        condition: Condition,
        text: &[u8],
        line: &Line,
    ) -> Result<Option<Step<Ready>>, Refusal> {
        if !matches!(self.awaiting, Awaiting::Greeting) {
            return Ok(None);
        }
        if condition != Condition::Ok {
            return Err(verdict::refusal(line, Cause::UpstreamProtocol));
        }
        self.announced = self.terms.remembered.take().unwrap_or_default();
        if let Some(capabilities) = grammar::capability_code(text) {
            self.announced.before_login = capabilities;
        }
        if self.announced.before_login.is_empty() {
            self.awaiting = Awaiting::Capabilities;
            return Ok(Some(Step::write(format!("{CAPABILITY} CAPABILITY\r\n"))));
        }
        self.authenticate().map(Some)
    }

    fn tagged(
        &mut self,
        tag: &str,
        condition: Condition,
        text: &[u8],
        line: &Line,
    ) -> Result<Option<Step<Ready>>, Refusal> {
        // The token was taken: another one would change nothing.
        let closed = || Err(verdict::refusal(line, Cause::MailboxNotOpened));
        match (&self.awaiting, tag, condition) {
            (Awaiting::Capabilities, CAPABILITY, Condition::Ok) => self.authenticate().map(Some),
            (Awaiting::Verdict(_), AUTHENTICATE, Condition::Ok) => {
                if let Some(capabilities) = grammar::capability_code(text) {
                    self.announced.after_login = capabilities;
                }
                Ok(Some(self.authenticated()))
            }
            (Awaiting::Challenge(_), AUTHENTICATE, Condition::No | Condition::Bad)
            | (Awaiting::Verdict(_), AUTHENTICATE, _) => Err(self.refused(line)),
            (Awaiting::CapabilitiesAfterLogin, CAPABILITY_AFTER_LOGIN, Condition::Ok) => {
                self.awaiting = Awaiting::Probe;
                Ok(None)
            }
            (Awaiting::CapabilitiesAfterLogin, CAPABILITY_AFTER_LOGIN, _) => closed(),
            (Awaiting::Probe, PROBE, Condition::Ok) => Ok(Some(self.done())),
            (Awaiting::Probe, PROBE, _) => closed(),
            _ => Err(verdict::refusal(line, Cause::UpstreamProtocol)),
        }
    }

    fn learn(&mut self, capabilities: Vec<String>) {
        match self.awaiting {
            Awaiting::Greeting | Awaiting::Capabilities => {
                self.announced.before_login = capabilities;
            }
            _ => self.announced.after_login = capabilities,
        }
    }

    fn authenticate(&mut self) -> Result<Step<Ready>, Refusal> {
        let offered = &self.announced.before_login;
        let client = sasl::choose(&mechanisms(offered))
            .and_then(|name| sasl::client(name, &self.terms.identity, &self.terms.token))
            .ok_or_else(|| no_mechanism(offered))?;
        let name = client.name();
        let command = Zeroizing::new(format!(
            "{AUTHENTICATE} AUTHENTICATE {name} {}\r\n",
            *sasl::encode(client.initial_response().reveal())
        ));
        let sasl_ir = offered.iter().any(|name| name.eq_ignore_ascii_case("SASL-IR"));
        if sasl_ir && command.len() <= LONGEST_COMMAND {
            self.awaiting = Awaiting::Verdict(client);
            return Ok(Step::write(command.as_bytes()));
        }
        self.awaiting = Awaiting::Challenge(client);
        Ok(Step::write(format!("{AUTHENTICATE} AUTHENTICATE {name}\r\n")))
    }

    fn continuation(&mut self, challenge: &[u8]) -> Result<Step<Ready>, Refusal> {
        match std::mem::replace(&mut self.awaiting, Awaiting::Greeting) {
            Awaiting::Challenge(client) => {
                let mut response = sasl::encode(client.initial_response().reveal());
                response.push_str("\r\n");
                self.awaiting = Awaiting::Verdict(client);
                Ok(Step::write(std::mem::take(&mut *response)))
            }
            // An error challenge: its answer brings the verdict. A second one is none.
            Awaiting::Verdict(client) if self.complaint.is_none() => {
                self.complaint = Some(Complaint::read(challenge).unwrap_or_default());
                let mut answer = sasl::encode(client.answer());
                answer.push_str("\r\n");
                self.awaiting = Awaiting::Verdict(client);
                Ok(Step::write(std::mem::take(&mut *answer)))
            }
            _ => Err(garbled("a continuation that doesn't belong here")),
        }
    }

    fn authenticated(&mut self) -> Step<Ready> {
        if self.terms.probe == Probe::Skip {
            return self.done();
        }
        self.awaiting = Awaiting::CapabilitiesAfterLogin;
        Step::write(format!("{CAPABILITY_AFTER_LOGIN} CAPABILITY\r\n{PROBE} {PROBE_COMMAND}\r\n"))
    }

    fn done(&mut self) -> Step<Ready> {
        Step::Done(Ready::new(std::mem::take(&mut self.announced)))
    }

    fn refused(&self, line: &Line) -> Refusal {
        let mut refusal = verdict::refusal(line, Cause::TokenRefused);
        if let Some(complaint) = &self.complaint {
            refusal.explanation.push_str(&format!(" (about the token: {complaint})"));
        }
        refusal
    }

    /// A line that is no response: Exchange has one, and a literal's content looks like one.
    fn no_response(&self, line: &Line) -> Result<Option<Step<Ready>>, Refusal> {
        let known = verdict::lookup(&String::from_utf8_lossy(line)).is_some();
        match self.awaiting {
            Awaiting::Probe | Awaiting::CapabilitiesAfterLogin if !known => Ok(None),
            _ if known => Err(verdict::refusal(line, Cause::UpstreamUnavailable)),
            _ => {
                Err(garbled("a line that is no IMAP response")
                    .quoting(&String::from_utf8_lossy(line)))
            }
        }
    }
}

impl Session for Upstream {
    type Outcome = Ready;

    fn advance(&mut self, inbox: &mut Inbox) -> Result<Step<Ready>, Refusal> {
        loop {
            let line = match inbox.line(self.terms.limits.reply) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(Step::Read),
                Err(TooLong) => return Err(garbled("a line longer than its limit")),
            };
            self.octets += line.len() + 2;
            if self.octets > self.terms.limits.reply {
                return Err(garbled("more than its limit before the login was done"));
            }
            let turn = self.turn(&line).map_err(|refusal| self.terms.discreet(refusal));
            if let Some(step) = turn? {
                return Ok(step);
            }
        }
    }
}

/// `"AUTH=" auth-type` (RFC 3501 section 9, `capability`)
fn mechanisms(capabilities: &[String]) -> Vec<&str> {
    let words = capabilities.iter().filter_map(|name| name.split_once('='));
    words.filter(|(word, _)| word.eq_ignore_ascii_case("AUTH")).map(|(_, name)| name).collect()
}

fn garbled(what: &str) -> Refusal {
    let explanation = format!(
        "The mail host sent {what}. Check that host, port and security belong to an IMAP service"
    );
    Refusal::new(Cause::UpstreamProtocol, explanation)
}

fn no_mechanism(offered: &[String]) -> Refusal {
    let explanation = format!(
        "The mail host offers neither XOAUTH2 nor OAUTHBEARER (it offers: {}). Check the provider's host",
        offered.join(" ")
    );
    Refusal::new(Cause::Misconfigured, explanation)
}
