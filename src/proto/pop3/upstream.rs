//! The service's half of POP3.

use super::grammar::{self, Reply};
use super::verdict;
use crate::proto::{
    Announced, Cause, Inbox, Line, Ready, Refusal, Security, Session, Step, TooLong, UpstreamTerms,
};
use crate::sasl::{self, Client, Complaint, Xoauth2};

/// A POP3 client that logs in with an access token, and no more.
///
/// It doesn't ask for capabilities: nothing that it does depends on them, and the round trip would
/// be part of every login.
pub(super) struct Upstream {
    terms: UpstreamTerms,
    awaiting: Awaiting,
    complaint: Option<Complaint>,
}

enum Awaiting {
    Greeting,
    Go,
    TlsHandshake,
    Challenge,
    Verdict,
}

impl Upstream {
    pub(super) fn new(terms: UpstreamTerms) -> Self {
        Self { terms, awaiting: Awaiting::Greeting, complaint: None }
    }

    fn turn(&mut self, line: &Line) -> Result<Step<Ready>, Refusal> {
        let reply = grammar::reply(line).ok_or_else(|| garbled("a line that is no POP3 reply"))?;
        match (&self.awaiting, reply) {
            (Awaiting::Greeting, Reply::Ok) if self.terms.security == Security::StartTls => {
                self.awaiting = Awaiting::Go;
                Ok(Step::write(*b"STLS\r\n"))
            }
            (Awaiting::Greeting, Reply::Ok) => Ok(self.auth()),
            (Awaiting::Greeting, Reply::Err) => {
                Err(verdict::refusal(line, Cause::UpstreamUnavailable))
            }
            (Awaiting::Go, Reply::Ok) => {
                self.awaiting = Awaiting::TlsHandshake;
                Ok(Step::StartTls)
            }
            (Awaiting::Go, Reply::Err) => Err(no_stls(line)),
            (Awaiting::Challenge, Reply::Challenge(_)) => Ok(self.respond()),
            (Awaiting::Verdict, Reply::Ok) => Ok(Step::Done(Ready::new(Announced::default()))),
            // An error challenge: its answer brings the verdict. A second one is none.
            (Awaiting::Verdict, Reply::Challenge(challenge)) if self.complaint.is_none() => {
                Ok(self.answer(challenge))
            }
            (Awaiting::Challenge, Reply::Err) => Err(no_mechanism(line)),
            (Awaiting::Verdict, Reply::Err) => Err(self.refused(line)),
            _ => Err(garbled("a reply that doesn't belong here")),
        }
    }

    /// Without an initial response: with one, Exchange ends the connection. RFC 5034 section 4 has
    /// no room for a token in the 255 octets of a command either.
    fn auth(&mut self) -> Step<Ready> {
        self.awaiting = Awaiting::Challenge;
        Step::write(format!("AUTH {}\r\n", Xoauth2::NAME))
    }

    fn respond(&mut self) -> Step<Ready> {
        self.awaiting = Awaiting::Verdict;
        let mut response = sasl::encode(self.client().initial_response().reveal());
        response.push_str("\r\n");
        Step::write(std::mem::take(&mut *response))
    }

    fn answer(&mut self, challenge: &[u8]) -> Step<Ready> {
        self.complaint = Some(Complaint::read(challenge).unwrap_or_default());
        let mut answer = sasl::encode(self.client().answer());
        answer.push_str("\r\n");
        Step::write(std::mem::take(&mut *answer))
    }

    fn client(&self) -> Xoauth2 {
        Xoauth2::new(&self.terms.identity, self.terms.token.clone())
    }

    fn refused(&self, line: &Line) -> Refusal {
        let mut refusal = verdict::refusal(line, Cause::TokenRefused);
        if let Some(complaint) = &self.complaint {
            refusal.explanation.push_str(&format!(" (about the token: {complaint})"));
        }
        refusal
    }
}

impl Session for Upstream {
    type Outcome = Ready;

    fn advance(&mut self, inbox: &mut Inbox) -> Result<Step<Ready>, Refusal> {
        if matches!(self.awaiting, Awaiting::TlsHandshake) {
            return Ok(self.auth());
        }
        match inbox.line(self.terms.limits.reply) {
            Ok(Some(line)) => self.turn(&line).map_err(|refusal| self.terms.discreet(refusal)),
            Ok(None) => Ok(Step::Read),
            Err(TooLong) => Err(garbled("a line longer than its limit")),
        }
    }
}

fn garbled(what: &str) -> Refusal {
    let explanation = format!(
        "The mail host sent {what}. Check that host, port and security belong to a POP3 service"
    );
    Refusal::new(Cause::UpstreamProtocol, explanation)
}

/// A no before the token went out is none to the token.
fn no_mechanism(line: &Line) -> Refusal {
    let mut refusal = verdict::refusal(line, Cause::Misconfigured);
    if refusal.cause == Cause::Misconfigured {
        refusal
            .explanation
            .insert_str(0, "The mail host takes no AUTH XOAUTH2. Check the provider's host. ");
    }
    refusal
}

fn no_stls(line: &Line) -> Refusal {
    let explanation = "The mail host refuses STLS, and a token doesn't go out in clear. Check host and port, or use security = \"implicit\"";
    Refusal::new(Cause::UpstreamUnreachable, explanation).quoting(&String::from_utf8_lossy(line))
}
