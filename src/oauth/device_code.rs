//! The device authorization grant (RFC 8628): a person signs in on another device with a code, a
//! refresh token does the rest.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::advice::{Class, Failure};
use super::endpoint;
use super::inquiry::Inquiry;
use super::{
    Application, Exchange, Grant, Owner, Prompt, Proof, Reply, Request, Response, Seed, SignIn,
    Wish, refresh_token,
};
use crate::secret::Secret;

pub(super) const GRANT: Grant = Grant {
    name: "device_code",
    owner: Owner::Mailbox,
    proof: Proof::ClientIfAny,
    seed: Seed::RefreshToken,
    begin: refresh_token::begin,
    sign_in: Some(sign_in),
};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The pause between two questions where the authority names none (RFC 8628 section 3.2), and what
/// `slow_down` adds to it for good (section 3.5).
const INTERVAL: Duration = Duration::from_secs(5);

/// The longest pause believed: a person who has typed the code in waits no longer.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);

/// The longest life of a code believed: beyond an hour a unit was mistaken.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);

fn sign_in(application: &Arc<Application>, sign_in: &SignIn) -> Result<Box<dyn Exchange>, Failure> {
    let endpoint = application.device_endpoint.clone().ok_or_else(|| {
        Failure::new(
            Class::Configure,
            "nobody can sign in on another device: the provider has no endpoint for it",
            "Add device_authorization_endpoint to the provider, or sign in with a browser",
        )
    })?;
    Ok(Box::new(DeviceSignIn {
        application: Arc::clone(application),
        sign_in: sign_in.clone(),
        endpoint,
        awaiting: Awaiting::Start,
    }))
}

/// A sign-in under way.
struct DeviceSignIn {
    application: Arc<Application>,
    sign_in: SignIn,
    endpoint: String,
    awaiting: Awaiting,
}

enum Awaiting {
    Start,
    /// The authority's codes.
    Codes,
    /// The person, who was shown the code or is busy with it.
    Person(Pending),
    /// The authority's word on what the person did.
    Verdict(Pending, Inquiry),
}

/// A code that nobody has approved or declined yet.
#[derive(Clone)]
struct Pending {
    device_code: Secret<String>,
    expires_at: SystemTime,
    interval: Duration,
    /// Whether the wait before the next question is still to come.
    rest: Rest,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Due,
    Taken,
}

/// RFC 8628 section 3.2.
#[derive(Deserialize)]
struct Codes {
    device_code: Secret<String>,
    user_code: String,
    #[serde(alias = "verification_url")]
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

impl Exchange for DeviceSignIn {
    fn advance(&mut self, now: SystemTime, reply: Option<Reply>) -> Result<Wish, Failure> {
        match (std::mem::replace(&mut self.awaiting, Awaiting::Start), reply) {
            (Awaiting::Start, _) => Ok(self.ask()),
            (Awaiting::Codes, Some(Reply::Http(response))) => self.codes(now, &response),
            (Awaiting::Codes, Some(Reply::Failed(failure))) => Err(failure),
            (Awaiting::Codes, _) => Ok(self.ask()),
            (Awaiting::Person(pending), _) => self.poll(now, pending),
            (Awaiting::Verdict(pending, inquiry), reply) => {
                self.verdict(now, (pending, inquiry), reply)
            }
        }
    }
}

impl DeviceSignIn {
    fn ask(&mut self) -> Wish {
        self.awaiting = Awaiting::Codes;
        let form = vec![
            ("client_id", Secret::from(self.application.client_id.as_str())),
            ("scope", Secret::from(self.sign_in.scope.as_str())),
        ];
        Wish::Post(Request::new(&self.endpoint, form))
    }

    fn codes(&mut self, now: SystemTime, response: &Response) -> Result<Wish, Failure> {
        let codes: Codes = endpoint::read(response)?;
        let expires_at = now + Duration::from_secs(codes.expires_in).min(LONGEST_LIFE);
        let interval = codes.interval.map_or(INTERVAL, Duration::from_secs);
        self.awaiting = Awaiting::Person(Pending {
            device_code: codes.device_code,
            expires_at,
            interval: interval.clamp(Duration::from_secs(1), LONGEST_INTERVAL),
            rest: Rest::Due,
        });
        Ok(Wish::Show(Prompt::Device {
            user_code: codes.user_code,
            verification_uri: codes.verification_uri,
            complete: codes.verification_uri_complete,
            expires_at,
        }))
    }

    fn poll(&mut self, now: SystemTime, pending: Pending) -> Result<Wish, Failure> {
        if now >= pending.expires_at {
            return Err(Failure::new(
                Class::SignIn,
                "nobody has signed in before the code ended",
                "Start the sign-in again",
            ));
        }
        if pending.rest == Rest::Due {
            let pause = pending.interval;
            self.awaiting = Awaiting::Person(Pending { rest: Rest::Taken, ..pending });
            return Ok(Wish::Wait(pause));
        }
        let fields = vec![("device_code", pending.device_code.clone())];
        let entropy = &self.sign_in.entropy;
        let inquiry = Inquiry::new(&self.application, GRANT_TYPE, "", entropy, fields);
        self.verdict(now, (pending, inquiry), None)
    }

    fn verdict(
        &mut self,
        now: SystemTime,
        (pending, mut inquiry): (Pending, Inquiry),
        reply: Option<Reply>,
    ) -> Result<Wish, Failure> {
        match inquiry.advance(now, reply) {
            Ok(Wish::Granted(token)) => Ok(Wish::Granted(token)),
            Ok(wish) => {
                self.awaiting = Awaiting::Verdict(pending, inquiry);
                Ok(wish)
            }
            Err(failure) => {
                let interval = pause(&failure, pending.interval).ok_or(failure)?;
                self.poll(now, Pending { interval, rest: Rest::Due, ..pending })
            }
        }
    }
}

/// How long to wait before the next question, if this failure isn't the end (RFC 8628 section 3.5).
fn pause(failure: &Failure, interval: Duration) -> Option<Duration> {
    let error = failure.words.as_deref().map_or("", |words| words.error.as_str());
    match error {
        "authorization_pending" => Some(interval),
        "slow_down" => Some(interval + INTERVAL),
        _ if failure.class == Class::Retry => {
            let told = failure.retry_after.unwrap_or_default();
            Some(interval.max(told.min(LONGEST_INTERVAL)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
