//! The service's half of SMTP.

use super::grammar::Reply;
use super::replies::{Replies, out_of_turn};
use super::{honours, verdict};
use crate::proto::{
    Announced, Cause, Inbox, Ready, Refusal, Security, Session, Step, UpstreamTerms,
};
use crate::sasl::{self, Client, Complaint};

/// An SMTP client that logs in with an access token, and no more.
pub(super) struct Upstream {
    terms: UpstreamTerms,
    awaiting: Awaiting,
    replies: Replies,
    extensions: Vec<String>,
    complaint: Option<Complaint>,
}

enum Awaiting {
    Greeting,
    /// The reply to the EHLO in clear, before STARTTLS.
    ClearExtensions,
    Go,
    TlsHandshake,
    Extensions,
    Challenge(Box<dyn Client>),
    Verdict(Box<dyn Client>),
}

impl Upstream {
    pub(super) fn new(terms: UpstreamTerms) -> Self {
        Self {
            terms,
            awaiting: Awaiting::Greeting,
            replies: Replies::default(),
            extensions: Vec::new(),
            complaint: None,
        }
    }

    fn turn(&mut self, reply: &Reply) -> Result<Step<Ready>, Refusal> {
        match std::mem::replace(&mut self.awaiting, Awaiting::Greeting) {
            Awaiting::Greeting => {
                expect(reply, 220)?;
                self.awaiting = match self.terms.security {
                    Security::StartTls => Awaiting::ClearExtensions,
                    Security::Implicit | Security::Plain => Awaiting::Extensions,
                };
                Ok(self.ehlo())
            }
            Awaiting::ClearExtensions => {
                expect(reply, 250)?;
                if !honours(&extensions(reply), "STARTTLS") {
                    return Err(no_starttls());
                }
                self.awaiting = Awaiting::Go;
                Ok(Step::write(*b"STARTTLS\r\n"))
            }
            Awaiting::Go => {
                expect(reply, 220)?;
                self.awaiting = Awaiting::TlsHandshake;
                Ok(Step::StartTls)
            }
            Awaiting::TlsHandshake => Err(out_of_turn(reply)),
            Awaiting::Extensions => {
                expect(reply, 250)?;
                self.extensions = extensions(reply);
                self.auth()
            }
            Awaiting::Challenge(client) => self.challenge(client, reply),
            Awaiting::Verdict(client) => self.verdict(client, reply),
        }
    }

    fn ehlo<T>(&self) -> Step<T> {
        Step::write(format!("EHLO {}\r\n", self.terms.name))
    }

    /// Without an initial response: a line with a token in it is longer than the 512 octets that RFC
    /// 4954 section 4 allows, and Gmail insists on them.
    fn auth(&mut self) -> Result<Step<Ready>, Refusal> {
        let offered = mechanisms(&self.extensions);
        let client = sasl::choose(&offered)
            .and_then(|name| sasl::client(name, &self.terms.identity, &self.terms.token))
            .ok_or_else(|| no_mechanism(&offered))?;
        let command = format!("AUTH {}\r\n", client.name());
        self.awaiting = Awaiting::Challenge(client);
        Ok(Step::write(command))
    }

    fn challenge(
        &mut self,
        client: Box<dyn Client>,
        reply: &Reply,
    ) -> Result<Step<Ready>, Refusal> {
        expect(reply, 334)?;
        let mut response = sasl::encode(client.initial_response().reveal());
        response.push_str("\r\n");
        self.awaiting = Awaiting::Verdict(client);
        Ok(Step::write(std::mem::take(&mut *response)))
    }

    fn verdict(&mut self, client: Box<dyn Client>, reply: &Reply) -> Result<Step<Ready>, Refusal> {
        match reply.code {
            235 => {
                let after_login = std::mem::take(&mut self.extensions);
                let announced = Announced { before_login: Vec::new(), after_login };
                Ok(Step::Done(Ready::new(announced)))
            }
            // An error challenge: its answer brings the verdict. A second one is none.
            334 if self.complaint.is_none() => {
                self.complaint =
                    Some(Complaint::read(reply.lines.concat().as_bytes()).unwrap_or_default());
                let mut answer = sasl::encode(client.answer());
                answer.push_str("\r\n");
                self.awaiting = Awaiting::Verdict(client);
                Ok(Step::write(std::mem::take(&mut *answer)))
            }
            400.. => Err(self.refused(reply)),
            _ => Err(out_of_turn(reply)),
        }
    }

    fn refused(&self, reply: &Reply) -> Refusal {
        let mut refusal = verdict::refusal(reply, Cause::TokenRefused);
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
            self.awaiting = Awaiting::Extensions;
            return Ok(self.ehlo());
        }
        match self.replies.next(inbox, &self.terms.limits)? {
            Some(reply) => self.turn(&reply).map_err(|refusal| self.terms.discreet(refusal)),
            None => Ok(Step::Read),
        }
    }
}

/// Before the token is sent: no reply says anything about it.
fn expect(reply: &Reply, code: u16) -> Result<(), Refusal> {
    match reply.code {
        found if found == code => Ok(()),
        400.. => Err(verdict::refusal(reply, Cause::UpstreamUnreachable)),
        _ => Err(out_of_turn(reply)),
    }
}

/// `ehlo-line = ehlo-keyword *( SP ehlo-param )` (RFC 5321 section 4.1.1.1), a line each but for the
/// first, which is the host's name. What isn't one is dropped: it will be told to clients.
fn extensions(reply: &Reply) -> Vec<String> {
    let printable = |line: &str| line.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    let fit = |line: &&String| !line.is_empty() && printable(line);
    reply.lines.iter().skip(1).filter(fit).cloned().collect()
}

/// What the AUTH line names, in the RFC's form and in the older `AUTH=`.
fn mechanisms(extensions: &[String]) -> Vec<String> {
    let is_auth = |word: &str| word.eq_ignore_ascii_case("AUTH");
    extensions
        .iter()
        .map(|line| line.split([' ', '=']))
        .filter_map(|mut words| words.next().is_some_and(is_auth).then_some(words))
        .flatten()
        .map(str::to_owned)
        .collect()
}

fn no_starttls() -> Refusal {
    let explanation = "The mail host offers no STARTTLS, and a token doesn't go out in clear. Check host and port, or whether something on the way strips it";
    Refusal::new(Cause::UpstreamUnreachable, explanation)
}

fn no_mechanism(offered: &[String]) -> Refusal {
    let explanation = format!(
        "The mail host offers neither XOAUTH2 nor OAUTHBEARER (it offers: {}). Check the provider's host",
        offered.join(" ")
    );
    Refusal::new(Cause::Misconfigured, explanation)
}
