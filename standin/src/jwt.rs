//! JSON Web Tokens that others sign: client assertions, tokens of other issuers, Google's service accounts.

use aws_lc_rs::digest::{Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use serde_json::Value;

/// A JWT that was taken apart (RFC 7519 section 7.2) and whose signature may yet be wrong.
pub(crate) struct Jwt {
    header: Value,
    claims: Value,
    /// Header and claims as they were signed.
    signed: String,
    signature: Vec<u8>,
}

impl Jwt {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let part = |part: &str| {
            let octets = URL_SAFE_NO_PAD.decode(part).ok()?;
            serde_json::from_slice::<Value>(&octets).ok().filter(Value::is_object)
        };
        Some(Self {
            header: part(header)?,
            claims: part(claims)?,
            signed: signed.into(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// A field of the header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header[name].as_str()
    }

    /// A claim that is a string.
    pub(crate) fn claim(&self, name: &str) -> Option<&str> {
        self.claims[name].as_str()
    }

    /// A claim that is a number of seconds since 1970.
    pub(crate) fn time(&self, name: &str) -> Option<u64> {
        self.claims[name].as_u64()
    }

    /// Whether `aud` is this value, or is a list with it in it.
    pub(crate) fn is_for(&self, audience: &str) -> bool {
        match &self.claims["aud"] {
            Value::String(found) => found == audience,
            Value::Array(found) => found.iter().any(|found| found == audience),
            _ => false,
        }
    }

    /// Whether the owner of the key signed it, with RS256 or PS256 (RFC 7518 sections 3.3 and 3.5).
    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        let algorithm: &RsaParameters = match self.header("alg") {
            Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
            Some("PS256") => &RSA_PSS_2048_8192_SHA256,
            _ => return false,
        };
        let key = UnparsedPublicKey::new(algorithm, key.0.as_ref());
        key.verify(self.signed.as_bytes(), &self.signature).is_ok()
    }
}

/// An RSA public key.
pub(crate) struct PublicKey(SubjectPublicKeyInfoDer<'static>);

impl PublicKey {
    /// From a public key in PEM or a certificate in PEM or DER.
    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        let bare = SubjectPublicKeyInfoDer::from_pem_slice(octets).ok();
        bare.or_else(|| subject_public_key(&certificate(octets))).map(Self)
    }
}

/// The DER of a certificate in PEM or DER.
fn certificate(octets: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(octets).unwrap_or_else(|_| octets.to_vec().into())
}

fn subject_public_key(der: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    Some(webpki::EndEntityCert::try_from(der).ok()?.subject_public_key_info())
}

/// Whether the header names this certificate, by `x5t#S256` or `x5t` (RFC 7515 sections 4.1.7 and 4.1.8).
pub(crate) fn names(jwt: &Jwt, octets: &[u8]) -> bool {
    let der = certificate(octets);
    let encoded = |digest: Digest| URL_SAFE_NO_PAD.encode(digest);
    match (jwt.header("x5t#S256"), jwt.header("x5t")) {
        (Some(thumbprint), _) => encoded(digest(&SHA256, &der)) == thumbprint,
        (None, Some(thumbprint)) => encoded(digest(&SHA1_FOR_LEGACY_USE_ONLY, &der)) == thumbprint,
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_jwt_is_none() {
        for text in ["", ".", "..", "a.b", "e30.e30.!", "e30.W10.", "e30.Zm9v."] {
            assert!(Jwt::read(text).is_none(), "{text}");
        }
        assert!(Jwt::read("e30.e30.").is_some());
    }
}
