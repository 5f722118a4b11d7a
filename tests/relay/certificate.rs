//! The listeners' certificate, and a client's TLS.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::client::Client;

/// The listeners' certificate, in the folder of every configuration.
static CERTIFICATE: LazyLock<rcgen::CertifiedKey<rcgen::KeyPair>> =
    LazyLock::new(|| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());

pub(crate) const IMPLICIT: &str =
    "tls = \"implicit\"\ncertificate = \"listener.pem\"\nkey = \"listener.key\"";
pub(crate) const STARTTLS: &str =
    "tls = \"starttls-required\"\ncertificate = \"listener.pem\"\nkey = \"listener.key\"";

/// Puts certificate and key where [`IMPLICIT`] and [`STARTTLS`] look for them.
pub(crate) fn write_certificate(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(folder.join("listener.pem"), CERTIFICATE.cert.pem()).unwrap();
    let key = folder.join("listener.key");
    std::fs::write(&key, CERTIFICATE.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The client's side of a TLS handshake with a listener.
pub(crate) async fn secure(stream: TcpStream) -> Client<TlsStream<TcpStream>> {
    secure_by(CERTIFICATE.cert.der(), stream).await.unwrap()
}

/// The same, by a client that believes in no other certificate.
pub(crate) async fn secure_by(
    certificate: &CertificateDer<'static>,
    stream: TcpStream,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map(Client::new)
}
