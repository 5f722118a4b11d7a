//! An RSA key with its certificate, and JWTs that it signs.
#![allow(dead_code)] // Each suite needs a part of it.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, PKCS_RSA_SHA256};
use serde_json::{Value, json};

pub(crate) struct Signer {
    key: KeyPair,
    pub(crate) public_key_pem: String,
    pub(crate) certificate_pem: String,
    certificate_der: Vec<u8>,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        Self {
            public_key_pem: key.public_key_pem(),
            certificate_pem: certificate.pem(),
            certificate_der: certificate.der().to_vec(),
            key: KeyPair::from_pkcs8(&key.serialize_der()).unwrap(),
        }
    }

    pub(crate) fn certificate_der(&self) -> Vec<u8> {
        self.certificate_der.clone()
    }

    /// A header with the thumbprint of the certificate by SHA-256.
    pub(crate) fn header(&self, algorithm: &str) -> Value {
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.certificate_der));
        json!({ "alg": algorithm, "typ": "JWT", "x5t#S256": thumbprint })
    }

    /// The same with SHA-1.
    pub(crate) fn old_header(&self, algorithm: &str) -> Value {
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.certificate_der);
        json!({ "alg": algorithm, "typ": "JWT", "x5t": URL_SAFE_NO_PAD.encode(digest) })
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let padding = match header["alg"].as_str() {
            Some("PS256") => &RSA_PSS_SHA256,
            _ => &RSA_PKCS1_SHA256,
        };
        self.key.sign(padding, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
