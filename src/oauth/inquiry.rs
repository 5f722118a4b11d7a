//! A token request with the application's proof in it, and its reply.

use std::sync::Arc;
use std::time::SystemTime;

use super::advice::{Class, Failure};
use super::credential::Credential;
use super::{Application, Entropy, Exchange, Reply, Request, Response, Token, Wish};
use super::{assertion, endpoint};
use crate::secret::Secret;

/// The fields of a form.
pub(super) type Form = Vec<(&'static str, Secret<String>)>;

/// An exchange of one request and one reply; of two where the first of two client secrets isn't in
/// force.
pub(super) struct Inquiry {
    application: Arc<Application>,
    form: Form,
    entropy: Entropy,
    awaiting: Awaiting,
    /// The places of the client secrets that haven't been tried, the next one last.
    untried: Vec<usize>,
    /// What the authority was told.
    told: Form,
}

enum Awaiting {
    Start,
    /// Another authority's token, out of a file.
    FederatedToken,
    /// The authority's word, to the client secret at this place where one was sent.
    Verdict(Option<usize>),
}

impl Inquiry {
    /// A request of the grant called `grant`; `fields` are its own.
    pub(super) fn new(
        application: &Arc<Application>,
        grant: &'static str,
        scope: &str,
        entropy: &Entropy,
        fields: Form,
    ) -> Self {
        let mut form = vec![("grant_type", Secret::from(grant))];
        if !scope.is_empty() {
            form.push((application.target.field(), Secret::from(scope)));
        }
        form.extend(fields);
        let mut untried = match &application.credential {
            Credential::Secrets(secrets) => secrets.order(),
            _ => Vec::new(),
        };
        untried.reverse();
        Self {
            application: Arc::clone(application),
            form,
            entropy: entropy.clone(),
            awaiting: Awaiting::Start,
            untried,
            told: Vec::new(),
        }
    }

    fn start(&mut self, now: SystemTime) -> Result<Wish, Failure> {
        match &self.application.credential {
            Credential::Secrets(_) => Ok(self.next_secret()),
            Credential::Certificate(certificate) => {
                let proof = assertion::client(&self.application, certificate, &self.entropy, now)?;
                Ok(self.post_assertion(proof))
            }
            Credential::Federated(path) => {
                self.awaiting = Awaiting::FederatedToken;
                Ok(Wish::Read(path.clone()))
            }
            _ => Ok(self.post(Vec::new(), None)),
        }
    }

    fn next_secret(&mut self) -> Wish {
        let place = self.untried.pop();
        let secret = match (&self.application.credential, place) {
            (Credential::Secrets(secrets), Some(place)) => secrets.at(place).cloned(),
            _ => None,
        };
        self.post(secret.into_iter().map(|secret| ("client_secret", secret)).collect(), place)
    }

    fn post_assertion(&mut self, proof: Secret<String>) -> Wish {
        let kind = Secret::from(assertion::JWT_BEARER);
        self.post(vec![("client_assertion_type", kind), ("client_assertion", proof)], None)
    }

    fn post(&mut self, proof: Form, place: Option<usize>) -> Wish {
        let mut form = self.form.clone();
        form.push(("client_id", Secret::from(self.application.client_id.as_str())));
        form.extend(proof);
        self.told = form.clone();
        self.awaiting = Awaiting::Verdict(place);
        Wish::Post(Request::new(&self.application.token_endpoint, form))
    }

    fn verdict(
        &mut self,
        now: SystemTime,
        response: &Response,
        place: Option<usize>,
    ) -> Result<Wish, Failure> {
        let verdict = endpoint::judge(now, response, &self.told);
        if let (Credential::Secrets(secrets), Some(place)) = (&self.application.credential, place) {
            if !self.untried.is_empty() && is_about_secret(&verdict) {
                return Ok(self.next_secret());
            }
            if verdict.is_ok() {
                secrets.prefer(place);
            }
        }
        verdict.map(Wish::Granted)
    }
}

impl Exchange for Inquiry {
    fn advance(&mut self, now: SystemTime, reply: Option<Reply>) -> Result<Wish, Failure> {
        match (&self.awaiting, reply) {
            (_, Some(Reply::Failed(failure))) => Err(failure),
            (Awaiting::FederatedToken, Some(Reply::Content(content))) => {
                let token = line(&content).ok_or_else(no_token_in_file)?;
                Ok(self.post_assertion(token))
            }
            (Awaiting::Verdict(place), Some(Reply::Http(response))) => {
                let place = *place;
                self.verdict(now, &response, place)
            }
            _ => self.start(now),
        }
    }
}

/// Whether another secret may help. An authority that gets as far as the grant has taken this one.
fn is_about_secret(verdict: &Result<Token, Failure>) -> bool {
    let error = verdict.as_ref().err().filter(|failure| failure.class != Class::Retry);
    error
        .and_then(|failure| failure.words.as_deref())
        .is_some_and(|words| words.error == "invalid_client")
}

/// The one line of visible ASCII that a file or an output consists of.
pub(super) fn line(content: &Secret<Vec<u8>>) -> Option<Secret<String>> {
    let text = std::str::from_utf8(content.reveal()).ok()?.trim();
    let visible = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic());
    visible.then(|| Secret::from(text))
}

fn no_token_in_file() -> Failure {
    Failure::new(
        Class::Configure,
        "the file of the federated token holds none",
        "See that the platform writes its token to federated_token_file",
    )
}
