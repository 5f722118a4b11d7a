//! Signatures with the keys of applications and service accounts.

use std::path::Path;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use sha2::{Digest, Sha256};

use super::{Error, certificates, fault, private_key, provider, validity};
use crate::oauth::{Algorithm, Certificate, Signer};

/// Reads the certificate of an application and its RSA key, both in PEM, for assertions signed by
/// `algorithm`.
///
/// # Errors
/// Names the file that is missing, holds nothing of use, or doesn't fit the other.
pub fn assertion_certificate(
    certificate: &Path,
    key: &Path,
    algorithm: Algorithm,
) -> Result<Certificate, Error> {
    let chain = certificates(certificate)?;
    let thumbprint = chain.first().map(thumbprint).unwrap_or_default();
    let ends = chain.first().and_then(|certificate| validity::last_day(certificate));
    let signing_key = rsa_key(private_key(key)?).map_err(|reason| fault(key, reason))?;
    let pair = CertifiedKey::new(chain, Arc::clone(&signing_key));
    pair.keys_match().map_err(|error| {
        fault(key, format!("doesn't go with {}: {error}", certificate.display()))
    })?;
    let name = thumbprint.iter().map(|octet| format!("{octet:02X}")).collect::<String>();
    Ok(Certificate { thumbprint, signer: signer(name, signing_key), algorithm, ends })
}

/// A signer with the RSA key in `pem`, known by the public name `name`.
///
/// # Errors
/// What is wrong with the key.
pub fn signer_of_pem(name: &str, pem: &str) -> Result<Signer, String> {
    let key = rustls_pemfile::private_key(&mut pem.as_bytes())
        .map_err(|error| format!("the key is no valid PEM: {error}"))?
        .ok_or("there is no private key in it")?;
    Ok(signer(name.to_owned(), rsa_key(key)?))
}

fn rsa_key(key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, String> {
    let key = provider()
        .key_provider
        .load_private_key(key)
        .map_err(|error| format!("holds a key that is of no use: {error}"))?;
    let can = |algorithm| key.choose_scheme(&[scheme(algorithm)]).is_some();
    if !can(Algorithm::Ps256) || !can(Algorithm::Rs256) {
        return Err("holds a key that is not RSA, and authorities take no other".to_owned());
    }
    Ok(key)
}

fn signer(name: String, key: Arc<dyn SigningKey>) -> Signer {
    Signer::new(name, move |algorithm, octets| {
        key.choose_scheme(&[scheme(algorithm)])?.sign(octets).ok()
    })
}

fn scheme(algorithm: Algorithm) -> SignatureScheme {
    match algorithm {
        Algorithm::Ps256 => SignatureScheme::RSA_PSS_SHA256,
        Algorithm::Rs256 => SignatureScheme::RSA_PKCS1_SHA256,
    }
}

fn thumbprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate).into()
}
