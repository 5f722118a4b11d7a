//! The identity that Azure gives to the machines it runs: no secret, and nobody who signs in.
//!
//! Not a grant of RFC 6749: the machine's host is asked, and asks the authority itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::advice::{Class, Failure};
use super::inquiry::{Form, line};
use super::{
    Application, Ask, Credential, Exchange, Grant, ManagedIdentity, Owner, Platform, Proof, Reply,
    Request, Response, Route, Seed, Wish, endpoint,
};
use crate::secret::Secret;

pub(super) const GRANT: Grant = Grant {
    name: "managed_identity",
    owner: Owner::Application,
    proof: Proof::ManagedIdentity,
    seed: Seed::None,
    begin,
    sign_in: None,
};

/// The longest key of Arc's agent. Octets; the agent's own libraries have this bound.
const LONGEST_KEY: usize = 4096;

const NO_IDENTITY: &str = "Give this machine a managed identity, or run gatepost where there is one, or use another grant";

fn begin(application: &Arc<Application>, ask: &Ask) -> Result<Box<dyn Exchange>, Failure> {
    let Credential::ManagedIdentity(identity) = &application.credential else {
        return Err(Failure::new(
            Class::Configure,
            "the grant managed_identity doesn't know what this machine runs on",
            NO_IDENTITY,
        ));
    };
    // These endpoints know resources, not scopes.
    let resource = ask.scope.strip_suffix("/.default").unwrap_or(&ask.scope);
    Ok(Box::new(Machine {
        url: application.token_endpoint.clone(),
        identity: identity.clone(),
        resource: resource.to_owned(),
        awaiting: Awaiting::Start,
    }))
}

struct Machine {
    url: String,
    identity: ManagedIdentity,
    resource: String,
    awaiting: Awaiting,
}

enum Awaiting {
    Start,
    /// The first answer, or the one after a trouble that tends to last a moment.
    Answer(Try),
    /// The key that Arc's agent has left in a file.
    Key,
    /// The answer to the key.
    Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Try {
    First,
    Second,
}

impl Exchange for Machine {
    fn advance(&mut self, now: SystemTime, reply: Option<Reply>) -> Result<Wish, Failure> {
        match (&self.awaiting, reply) {
            (_, Some(Reply::Failed(failure))) => Err(unreachable(failure)),
            (Awaiting::Key, Some(Reply::Content(key))) => self.show_key(&key),
            (Awaiting::Answer(attempt), Some(Reply::Http(response))) => {
                let attempt = *attempt;
                self.answer(now, &response, attempt)
            }
            (Awaiting::Verdict, Some(Reply::Http(response))) => verdict(now, &response),
            _ => Ok(self.ask(Try::First)),
        }
    }
}

impl Machine {
    fn ask(&mut self, attempt: Try) -> Wish {
        self.awaiting = Awaiting::Answer(attempt);
        let headers = match &self.identity.platform {
            Platform::Imds | Platform::Arc { .. } => ("Metadata", Secret::from("true")),
            Platform::AppService { header } => ("X-IDENTITY-HEADER", header.clone()),
        };
        Wish::Get(self.request(vec![headers]))
    }

    fn request(&self, headers: Form) -> Request {
        let version = match &self.identity.platform {
            Platform::Imds => "2018-02-01",
            Platform::AppService { .. } => "2019-08-01",
            Platform::Arc { .. } => "2020-06-01",
        };
        let mut query = vec![
            ("api-version", Secret::from(version)),
            ("resource", Secret::from(self.resource.as_str())),
        ];
        if let Some((name, value)) = &self.identity.identity {
            query.push((name, Secret::from(value.as_str())));
        }
        Request { headers, route: Route::Direct, ..Request::new(&self.url, query) }
    }

    fn answer(
        &mut self,
        now: SystemTime,
        response: &Response,
        attempt: Try,
    ) -> Result<Wish, Failure> {
        if let Platform::Arc { keys } = &self.identity.platform
            && response.status == 401
        {
            let key = key_file(response, keys)?;
            self.awaiting = Awaiting::Key;
            return Ok(Wish::Read(key));
        }
        match attempt {
            Try::First if is_momentary(response.status) => Ok(self.ask(Try::Second)),
            Try::First | Try::Second => verdict(now, response),
        }
    }

    fn show_key(&mut self, key: &Secret<Vec<u8>>) -> Result<Wish, Failure> {
        let key = Some(key).filter(|key| key.reveal().len() <= LONGEST_KEY).and_then(line);
        let key = key.ok_or_else(|| arc("the key file of Azure Arc's agent holds no key"))?;
        self.awaiting = Awaiting::Verdict;
        let proof = Secret::new(format!("Basic {}", key.reveal()));
        let headers = vec![("Metadata", Secret::from("true")), ("Authorization", proof)];
        Ok(Wish::Get(self.request(headers)))
    }
}

/// What Microsoft says to repeat: the endpoint is being updated, or hasn't heard of the identity yet.
fn is_momentary(status: u16) -> bool {
    matches!(status, 404 | 410 | 429 | 500..)
}

fn verdict(now: SystemTime, response: &Response) -> Result<Wish, Failure> {
    endpoint::judge(now, response, &[]).map(Wish::Granted).map_err(|failure| {
        if is_momentary(response.status) {
            return failure.transient();
        }
        Failure { class: Class::Configure, advice: NO_IDENTITY.into(), ..failure }
    })
}

/// The file that the agent names in `Basic realm=FILE`. Only a key in the agent's own folder: who
/// stands in for the agent must not learn what other files hold.
fn key_file(response: &Response, keys: &Path) -> Result<PathBuf, Failure> {
    let challenge = response.challenge.as_deref().unwrap_or_default();
    let path = challenge.split_once("realm=").map(|(_, path)| Path::new(path.trim_matches('"')));
    path.filter(|path| path.parent() == Some(keys))
        .filter(|path| path.extension().is_some_and(|extension| extension == "key"))
        .map(Path::to_owned)
        .ok_or_else(|| arc("Azure Arc's agent names no key in its own folder"))
}

fn arc(meaning: &'static str) -> Failure {
    let advice = "Check the agent (azcmagent show), and that gatepost's user is in the group himds";
    Failure::new(Class::Configure, meaning, advice)
}

fn unreachable(failure: Failure) -> Failure {
    Failure { advice: NO_IDENTITY.into(), ..failure }
}
