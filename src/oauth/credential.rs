//! What an application proves itself by.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::secret::Secret;

/// What an application proves itself by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    /// Nothing: a public client.
    #[default]
    None,
    /// A client secret, or several while they are rotated.
    Secrets(Secrets),
    /// A certificate, whose key signs assertions (RFC 7523 section 2.2).
    Certificate(Certificate),
    /// Another authority's token in this file, which a platform renews.
    Federated(PathBuf),
    /// The machine's own identity.
    ManagedIdentity(ManagedIdentity),
    /// A Google service account's key.
    ServiceAccount(ServiceAccount),
    /// A program that prints tokens: its path or name and its arguments.
    Program(Vec<String>),
}

impl Credential {
    /// A single client secret.
    pub fn secret(text: &str) -> Self {
        Self::Secrets(Secrets::new(vec![Secret::from(text)]))
    }
}

/// Client secrets, of which any may be in force.
#[derive(Clone)]
pub struct Secrets {
    texts: Vec<Secret<String>>,
    /// Which of them worked last.
    favourite: Arc<AtomicUsize>,
}

impl Secrets {
    /// Secrets to be tried in this order.
    pub fn new(texts: Vec<Secret<String>>) -> Self {
        Self { texts, favourite: Arc::default() }
    }

    /// The secrets as they are configured.
    pub fn iter(&self) -> impl Iterator<Item = &Secret<String>> {
        self.texts.iter()
    }

    /// The places of the secrets in the order in which to try them: the one that worked last first.
    pub(super) fn order(&self) -> Vec<usize> {
        let first = self.favourite.load(Ordering::Relaxed);
        let mut places: Vec<usize> = (0..self.texts.len()).collect();
        places.sort_by_key(|place| *place != first);
        places
    }

    /// The secret at this place.
    pub(super) fn at(&self, place: usize) -> Option<&Secret<String>> {
        self.texts.get(place)
    }

    /// Remembers that the secret at this place works.
    pub(super) fn prefer(&self, place: usize) {
        self.favourite.store(place, Ordering::Relaxed);
    }
}

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Eq for Secrets {}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.texts.fmt(f)
    }
}

/// A certificate that the application's registration knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The SHA-256 of its DER form, by which the registration finds it.
    pub thumbprint: [u8; 32],
    /// Its key.
    pub signer: Signer,
    /// How to sign.
    pub algorithm: Algorithm,
    /// The year, month and day of its end, in UTC; `None` where it doesn't tell in DER.
    pub ends: Option<(u16, u8, u8)>,
}

/// How assertions are signed (RFC 7518 section 3.1). Both are for RSA keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// Its name in a JWT's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

/// Signs octets with an RSA key that stays where it is.
#[derive(Clone)]
pub struct Signer {
    key: String,
    sign: Arc<Sign>,
}

/// The signature of octets, or `None` where the key can't make one.
type Sign = dyn Fn(Algorithm, &[u8]) -> Option<Vec<u8>> + Send + Sync;

impl Signer {
    /// Signs by `sign`, whose key is known by the public name `key`.
    pub fn new(
        key: impl Into<String>,
        sign: impl Fn(Algorithm, &[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self { key: key.into(), sign: Arc::new(sign) }
    }

    pub(super) fn sign(&self, algorithm: Algorithm, octets: &[u8]) -> Option<Vec<u8>> {
        (self.sign)(algorithm, octets)
    }
}

impl PartialEq for Signer {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Signer {}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key)
    }
}

/// The identity that a cloud gives to the machine it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedIdentity {
    /// Who is asked for its tokens, and how.
    pub platform: Platform,
    /// Which identity, where the machine has several: the name of the parameter and its value, such
    /// as `client_id`.
    pub identity: Option<(&'static str, String)>,
}

/// What a machine with a managed identity runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platform {
    /// A virtual machine of Azure's: the Instance Metadata Service.
    Imds,
    /// App Service, Functions or Container Apps, with the value of `IDENTITY_HEADER`.
    AppService {
        /// What proves that the request comes from the application.
        header: Secret<String>,
    },
    /// A machine elsewhere with Azure Arc's agent.
    Arc {
        /// The folder in which the agent leaves keys for those who may read them.
        keys: PathBuf,
    },
}

/// A Google service account with domain-wide delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// `client_email` of its key file.
    pub email: String,
    /// `private_key_id`.
    pub key_id: String,
    /// Its key.
    pub signer: Signer,
}
