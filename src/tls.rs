//! TLS of both sides: certificates of listeners, trust in upstreams. The only module that knows how
//! PEM is read and which cryptography is used.

mod connected;
mod identity;
mod signature;
mod validity;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;

pub(crate) use connected::Connected;

pub use identity::{Identity, Look};
pub use signature::{assertion_certificate, signer_of_pem};

/// Which certificates of upstreams and authorities are believed.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

/// A PEM file that is of no use.
#[derive(Debug)]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for Error {}

impl Trust {
    /// Believes what the operating system believes, and the roots in `extra`, PEM files. Where the
    /// system has no roots at all (a bare container), Mozilla's stand in.
    ///
    /// # Errors
    /// Names the file that is missing or holds no certificate.
    pub fn load(extra: &[PathBuf]) -> Result<Self, Error> {
        let mut roots = Vec::new();
        for path in extra {
            roots.extend(certificates(path)?);
        }
        let verifier = verifier(roots).map_err(|error| {
            fault(
                extra.first().map_or_else(|| Path::new("ca_file"), PathBuf::as_path),
                error.to_string(),
            )
        })?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| fault(Path::new("tls"), error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Starts TLS with the server called `host`, a domain name or an IP address.
    ///
    /// # Errors
    /// Whatever ends the handshake; a certificate that isn't believed among it.
    pub(crate) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<Connected> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not a host name"))?;
        Connected::shake_hands(self.0.clone(), name, stream).await
    }

    /// The same trust for an HTTP client of its own.
    pub fn client_config(&self) -> ClientConfig {
        ClientConfig::clone(&self.0)
    }
}

/// Whether the certificate in the file at `path` was issued by, and to, the common name `name`. No more than
/// what tells an authority of one's own from another's: nothing is verified.
pub fn is_authority(path: &Path, name: &str) -> bool {
    let found = |der: &CertificateDer<'_>| {
        let times = |text: &[u8]| memchr::memmem::find_iter(der, text).count();
        times(name.as_bytes()) >= 2
    };
    certificates(path).is_ok_and(|chain| chain.first().is_some_and(found))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn verifier(
    roots: Vec<CertificateDer<'static>>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    match Verifier::new_with_extra_roots(roots.clone(), provider()) {
        Ok(verifier) => Ok(Arc::new(verifier)),
        Err(rustls::Error::General(_)) => mozilla(roots),
        Err(error) => Err(error),
    }
}

fn mozilla(
    roots: Vec<CertificateDer<'static>>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    tracing::warn!(
        "the system has no trust roots; Mozilla's are used instead (install ca-certificates)"
    );
    let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in roots {
        store.add(root)?;
    }
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
    Ok(verifier)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = read(path)?;
    let chain = rustls_pemfile::certs(&mut pem.as_slice())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fault(path, format!("is no valid PEM: {error}")))?;
    if chain.is_empty() {
        return Err(fault(path, not_pem(&pem, "certificate (a PEM block BEGIN CERTIFICATE)")));
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let pem = zeroize::Zeroizing::new(read(path)?);
    rustls_pemfile::private_key(&mut pem.as_slice())
        .map_err(|error| fault(path, format!("is no valid PEM: {error}")))?
        .ok_or_else(|| {
            let wanted = "private key that isn't encrypted (a PEM block BEGIN PRIVATE KEY)";
            fault(path, not_pem(&pem, wanted))
        })
}

/// What a file without the `wanted` PEM block is told. PKCS#12 and DER begin with an ASN.1 sequence.
fn not_pem(octets: &[u8], wanted: &str) -> String {
    if octets.first() == Some(&0x30) {
        return "is DER or PKCS#12, not PEM; `openssl pkcs12 -in FILE -noenc -out both.pem` makes PEM \
                of PKCS#12, certificate and key in one file"
            .to_owned();
    }
    format!("holds no {wanted}")
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| fault(path, format!("can't be read: {error}")))
}

fn fault(path: &Path, reason: String) -> Error {
    Error { path: path.to_owned(), reason }
}
