//! The certificate authority of one stand-in and the certificate of its servers.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The names that the servers answer to: loopback, and the real service for programs whose resolver is bent.
const NAMES: [&str; 6] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "outlook.office365.com",
    "smtp.office365.com",
    "login.microsoftonline.com",
];

/// A fresh certificate with the authority that signed it.
pub(crate) struct Certificate {
    pub(crate) ca_pem: String,
    servers: Arc<ServerConfig>,
}

impl Certificate {
    /// Makes new keys, so that nobody trusts one stand-in because of another.
    pub(crate) fn issue() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "gatepost stand-in authority");
        let ca_certificate = ca.self_signed(&ca_key)?;

        let leaf_key = KeyPair::generate()?;
        let mut leaf = CertificateParams::new(NAMES.map(String::from))?;
        leaf.distinguished_name.push(DnType::CommonName, "localhost");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let leaf = leaf.signed_by(&leaf_key, &Issuer::new(ca, ca_key))?;

        let key = PrivateKeyDer::try_from(leaf_key.serialize_der())?;
        let servers = server_config(leaf.der().clone(), key)?;
        Ok(Self { ca_pem: ca_certificate.pem(), servers: Arc::new(servers) })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.servers))
    }
}

fn server_config(
    leaf: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
}
