//! TLS towards a stand-in, trusting its certificate authority alone.

use std::net::SocketAddr;
use std::sync::Arc;

use gatepost_standin::Standin;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) async fn dial(standin: &Standin, address: SocketAddr) -> TlsStream<TcpStream> {
    wrap(standin, "localhost", TcpStream::connect(address).await.unwrap()).await
}

pub(crate) async fn wrap<S>(standin: &Standin, name: &'static str, stream: S) -> TlsStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(standin.ca_pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}
