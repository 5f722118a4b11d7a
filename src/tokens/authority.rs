//! The way to a token: does what a grant wants until that has one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::Method;
use tokio::time::sleep;

use super::http::{Http, Limits};
use super::{Clock, Errand, Miss, program};
use crate::oauth::discovery::{self, Metadata};
use crate::oauth::{
    Application, Ask, Class, Entropy, Exchange, Failure, Grant, Owner, Prompt, Reply, Request,
    SignIn, Token, Wish,
};
use crate::secret::Secret;

/// How long an issuer's metadata is gone by: it changes once in years, and a change is announced.
const METADATA_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Who is asked for tokens.
pub struct Authority {
    http: Http,
    limits: Limits,
    clock: Clock,
    /// What issuers said of themselves, and when. Bounded by the configuration.
    issuers: Mutex<HashMap<String, (SystemTime, Metadata)>>,
}

impl Authority {
    /// An authority that is asked over `http`.
    pub fn new(http: Http, limits: Limits, clock: Clock) -> Self {
        Self { http, limits, clock, issuers: Mutex::default() }
    }

    /// Does what the errand's grant wants until it has a token.
    pub(super) async fn obtain(
        &self,
        errand: &Errand,
        refresh_token: Option<Secret<String>>,
    ) -> Result<Token, Miss> {
        let application = self.located(&errand.application).await.map_err(Miss::Answered)?;
        let password = errand.seed.clone().filter(|_| errand.grant.owner == Owner::Unattended);
        let ask = Ask {
            scope: errand.scope.clone(),
            mailbox: errand.mailbox.clone().unwrap_or_default(),
            refresh_token,
            password,
            entropy: entropy().map_err(Miss::Known)?,
        };
        let exchange = (errand.grant.begin)(&application, &ask).map_err(Miss::Known)?;
        self.drive(exchange, async |_| Err(nobody_here())).await.map_err(Miss::Answered)
    }

    /// Lets a person sign in the way of `grant`, and returns the tokens that come of it. `show` tells
    /// the person what to do. In [`Prompt::Browser`]'s case it waits for the browser's return and says
    /// where to (see [`Reply::Redirected`]); it is called again where that was no answer.
    ///
    /// # Errors
    /// Why nobody is signed in, in the operator's words.
    pub async fn sign_in(
        &self,
        application: &Arc<Application>,
        grant: &Grant,
        sign_in: &SignIn,
        show: impl AsyncFnMut(Prompt) -> Result<Option<Secret<String>>, Failure>,
    ) -> Result<Token, Failure> {
        let begin = grant.sign_in.ok_or_else(|| {
            let meaning = format!("nobody can sign in by the grant {}", grant.name);
            Failure::new(Class::Configure, meaning, "Sign in by authorization_code or device_code")
        })?;
        let application = self.located(application).await?;
        self.drive(begin(&application, sign_in)?, show).await
    }

    async fn drive(
        &self,
        mut exchange: Box<dyn Exchange>,
        mut show: impl AsyncFnMut(Prompt) -> Result<Option<Secret<String>>, Failure>,
    ) -> Result<Token, Failure> {
        let mut reply = None;
        loop {
            let done = match exchange.advance((self.clock)(), reply.take())? {
                Wish::Granted(token) => return Ok(token),
                Wish::Show(prompt) => show(prompt).await?.map(Reply::Redirected).map(Ok),
                Wish::Wait(pause) => {
                    sleep(pause).await;
                    None
                }
                Wish::Post(request) => Some(self.send(Method::POST, &request).await),
                Wish::Get(request) => Some(self.send(Method::GET, &request).await),
                Wish::Read(path) => Some(program::read(&path).await.map(Reply::Content)),
                Wish::Run(words) => {
                    let printed = program::run(&words, self.limits.total).await;
                    Some(printed.map(Reply::Content))
                }
            };
            reply = done.map(|done| done.unwrap_or_else(Reply::Failed));
        }
    }

    async fn send(&self, method: Method, request: &Request) -> Result<Reply, Failure> {
        self.http.send(method, request, &self.limits).await.map(Reply::Http)
    }

    /// The application with its endpoints, which its issuer is asked for where it has one.
    ///
    /// # Errors
    /// What the issuer doesn't tell.
    pub async fn located(
        &self,
        application: &Arc<Application>,
    ) -> Result<Arc<Application>, Failure> {
        let Some(issuer) = &application.issuer else {
            return Ok(Arc::clone(application));
        };
        if let Some(metadata) = self.remembered(issuer) {
            return Ok(Arc::new(metadata.complete(application)));
        }
        let response =
            self.http.send(Method::GET, &discovery::request(issuer), &self.limits).await?;
        let metadata = Metadata::read(issuer, &response)?;
        let complete = Arc::new(metadata.complete(application));
        let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        issuers.insert(issuer.clone(), ((self.clock)(), metadata));
        Ok(complete)
    }

    fn remembered(&self, issuer: &str) -> Option<Metadata> {
        let issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, metadata) = issuers.get(issuer)?;
        let fresh = (self.clock)().duration_since(*asked).is_ok_and(|age| age < METADATA_LIFE);
        fresh.then(|| metadata.clone())
    }
}

/// Randomness for one exchange.
///
/// # Errors
/// The system gives none.
pub fn entropy() -> Result<Entropy, Failure> {
    let mut octets = [0; 64];
    getrandom::fill(&mut octets).map_err(|error| {
        let meaning = format!("the system gives no random numbers: {error}");
        Failure::new(Class::Retry, meaning, "Look after the system")
    })?;
    Ok(Secret::new(octets))
}

fn nobody_here() -> Failure {
    Failure::new(Class::SignIn, "a person has to sign in", "Sign in with the mailbox's account")
}
