//! What listeners show to their clients, for as long as the files stay what they are.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Error, certificates, fault, private_key, provider};

/// What a listener shows to its clients: a certificate chain and its key. Clones show the same.
#[derive(Clone)]
pub struct Identity(Arc<Files>);

struct Files {
    chain: PathBuf,
    key: PathBuf,
    shown: Mutex<Shown>,
}

struct Shown {
    config: Arc<ServerConfig>,
    /// Of the files as they were when last looked at, whatever that came to.
    stamps: [Option<Stamp>; 2],
}

/// What tells one content of a file from another without reading it. Renamed files keep their time,
/// hence the size.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    #[cfg(unix)]
    inode: u64,
}

/// What a look at the files came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// They are as before.
    Same,
    /// New connections are shown the new certificate.
    Changed,
}

impl Identity {
    /// Reads a certificate chain, the listener's own certificate first, and its private key (PKCS#8,
    /// PKCS#1 or SEC 1, not encrypted), both in PEM.
    ///
    /// # Errors
    /// Names the file that is missing, holds nothing of use, or doesn't fit the other.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, Error> {
        // Before reading: a change meanwhile is then seen by the next look.
        let stamps = stamps(certificate, key);
        let config = read(certificate, key)?;
        let shown = Mutex::new(Shown { config, stamps });
        Ok(Self(Arc::new(Files { chain: certificate.to_owned(), key: key.to_owned(), shown })))
    }

    /// Reads the files again where they have changed. What was shown stays where they are of no use;
    /// connections that are open keep what they were shown. Blocks for as long as the disk does.
    ///
    /// # Errors
    /// As [`load`](Self::load); once for each change of the files.
    pub fn refresh(&self) -> Result<Look, Error> {
        let Files { chain, key, .. } = &*self.0;
        let stamps = stamps(chain, key);
        let before = std::mem::replace(&mut self.shown().stamps, stamps);
        if before == stamps {
            return Ok(Look::Same);
        }
        let config = read(chain, key)?;
        self.shown().config = config;
        Ok(Look::Changed)
    }

    /// The file of the certificate chain.
    pub fn chain(&self) -> &Path {
        &self.0.chain
    }

    /// Greets a client with TLS.
    ///
    /// # Errors
    /// Whatever ends the handshake.
    pub async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = Arc::clone(&self.shown().config);
        TlsAcceptor::from(config).accept(stream).await
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Error> {
    let chain = certificates(certificate)?;
    let private_key = private_key(key)?;
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private_key))
        .map(Arc::new)
        .map_err(|error| fault(key, format!("doesn't go with {}: {error}", certificate.display())))
}

fn stamps(certificate: &Path, key: &Path) -> [Option<Stamp>; 2] {
    [certificate, key].map(|path| std::fs::metadata(path).ok().map(|found| stamp(&found)))
}

fn stamp(found: &Metadata) -> Stamp {
    #[cfg(unix)]
    use std::os::unix::fs::MetadataExt as _;
    Stamp {
        modified: found.modified().ok(),
        length: found.len(),
        #[cfg(unix)]
        inode: found.ino(),
    }
}
