//! What people have been asked and what they answered: authorization codes and device codes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::Instant;

use crate::entropy;

/// The letters of a user code: no vowels, so that it spells nothing, and nothing that looks like something else
/// (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters of a user code.
const USER_CODE_LENGTH: usize = 9;

/// How long a code is remembered after its end, to be called stale and not unknown.
const MEMORY: Duration = Duration::from_secs(3600);

/// All codes of one stand-in.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    authorizations: Mutex<HashMap<String, Issued>>,
    devices: Mutex<Vec<Device>>,
}

/// What an authorization code stands for.
#[derive(Clone, Debug)]
pub(crate) struct Authorization {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) nonce: Option<String>,
    pub(crate) challenge: Option<Challenge>,
    /// Who signed in.
    pub(crate) address: String,
}

/// The `code_challenge` of RFC 7636.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// The verifier itself.
    Plain(String),
    /// Its SHA-256, base64url.
    S256(String),
}

/// A device that waits for somebody to sign in elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) user_code: String,
    pub(crate) device_code: String,
    pub(crate) client_id: String,
    pub(crate) scope: String,
    pub(crate) expires: Instant,
    pub(crate) decision: Decision,
}

/// What became of a device code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nobody has answered.
    Pending,
    /// The owner of this address signed in.
    Approved(String),
    /// Somebody said no.
    Declined,
    /// The tokens have been fetched.
    Redeemed,
}

/// Why a code is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// It was redeemed before.
    Redeemed,
    /// Its time is over.
    Expired,
}

/// An authorization code and what has become of it.
#[derive(Debug)]
struct Issued {
    authorization: Authorization,
    expires: Instant,
    redeemed: bool,
}

impl Codes {
    /// A code for a sign-in that just succeeded.
    pub(crate) fn authorize(&self, authorization: Authorization, lifetime: Duration) -> String {
        let code = format!("1.A{}", URL_SAFE_NO_PAD.encode(entropy::octets::<96>()));
        let expires = Instant::now() + lifetime;
        let mut authorizations = self.authorizations();
        authorizations.retain(|_, issued| issued.expires + MEMORY > Instant::now());
        authorizations.insert(code.clone(), Issued { authorization, expires, redeemed: false });
        code
    }

    /// What the code stands for, if anything: unless `check` refuses, it can't be redeemed again.
    pub(crate) fn redeem<E>(
        &self,
        code: &str,
        check: impl FnOnce(&Authorization, Result<(), Stale>) -> Result<(), E>,
    ) -> Option<Result<Authorization, E>> {
        let mut authorizations = self.authorizations();
        let issued = authorizations.get_mut(code)?;
        let fresh = match issued.redeemed {
            true => Err(Stale::Redeemed),
            false if issued.expires <= Instant::now() => Err(Stale::Expired),
            false => Ok(()),
        };
        Some(check(&issued.authorization, fresh).map(|()| {
            issued.redeemed = true;
            issued.authorization.clone()
        }))
    }

    /// Codes for a device.
    pub(crate) fn ask(&self, client_id: &str, scope: &str, lifetime: Duration) -> Device {
        let device = Device {
            user_code: user_code(),
            device_code: URL_SAFE_NO_PAD.encode(entropy::octets::<96>()),
            client_id: client_id.into(),
            scope: scope.into(),
            expires: Instant::now() + lifetime,
            decision: Decision::Pending,
        };
        let mut devices = self.devices();
        devices.retain(|device| device.expires + MEMORY > Instant::now());
        devices.push(device.clone());
        device
    }

    /// The device with this code.
    pub(crate) fn device(&self, device_code: &str) -> Option<Device> {
        self.devices().iter().find(|device| device.device_code == device_code).cloned()
    }

    /// The device that waits with this user code, which people may type in small letters or with hyphens.
    pub(crate) fn waiting(&self, user_code: &str) -> Option<Device> {
        let typed = normalized(user_code);
        self.devices().iter().find(|device| device.user_code == typed && device.waits()).cloned()
    }

    /// Settles a device code; `false` if none such waits.
    pub(crate) fn decide(&self, user_code: &str, decision: Decision) -> bool {
        let typed = normalized(user_code);
        let mut devices = self.devices();
        let device = devices.iter_mut().find(|device| device.user_code == typed && device.waits());
        device.map(|device| device.decision = decision).is_some()
    }

    /// Marks an approved device code as used; `false` if somebody was faster.
    pub(crate) fn collect(&self, device_code: &str) -> bool {
        let mut devices = self.devices();
        let approved = devices.iter_mut().find(|device| {
            device.device_code == device_code && matches!(device.decision, Decision::Approved(_))
        });
        approved.map(|device| device.decision = Decision::Redeemed).is_some()
    }

    fn authorizations(&self) -> MutexGuard<'_, HashMap<String, Issued>> {
        self.authorizations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn devices(&self) -> MutexGuard<'_, Vec<Device>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device {
    pub(crate) fn has_expired(&self) -> bool {
        self.expires <= Instant::now()
    }

    fn waits(&self) -> bool {
        self.decision == Decision::Pending && !self.has_expired()
    }
}

fn user_code() -> String {
    let letter = |_| char::from(LETTERS[entropy::below(LETTERS.len() as u64) as usize]);
    (0..USER_CODE_LENGTH).map(letter).collect()
}

fn normalized(user_code: &str) -> String {
    user_code.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase()
}
