//! Records under seal: XChaCha20-Poly1305, bound to the mailbox, the key and the form's version.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::Key;
use super::record;

/// The version of the sealed form. The one before is a record in clear, as first builds wrote it.
const VERSION: u32 = 2;

/// Octets of a nonce, so many that random ones never meet.
const NONCE: usize = 24;

/// A file's content before it is opened.
pub(super) enum Content {
    /// A record in clear.
    Clear(Zeroizing<Vec<u8>>),
    /// A sealed one.
    Sealed(Envelope),
}

/// A sealed record. What stands in clear beside it is bound to it.
#[derive(Serialize, Deserialize)]
pub(super) struct Envelope {
    version: u32,
    /// The address in lower case.
    pub(super) mailbox: String,
    /// The key's name.
    pub(super) key: String,
    nonce: String,
    sealed: String,
}

/// The file for `record` of `mailbox`.
pub(super) fn seal(key: &Key, mailbox: &str, record: &[u8]) -> io::Result<Vec<u8>> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    let associated = associated(mailbox, &key.name);
    let payload = Payload { msg: record, aad: &associated };
    let sealed = cipher(key)
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| io::Error::other("the record is too long to be sealed"))?;
    let envelope = Envelope {
        version: VERSION,
        mailbox: mailbox.to_owned(),
        key: key.name.clone(),
        nonce: STANDARD.encode(nonce),
        sealed: STANDARD.encode(sealed),
    };
    Ok(serde_json::to_vec_pretty(&envelope)?)
}

/// What a file holds, or what is wrong with it.
pub(super) fn read(file: Zeroizing<Vec<u8>>) -> Result<Content, String> {
    match record::version(&file)? {
        record::VERSION => Ok(Content::Clear(file)),
        VERSION => serde_json::from_slice(&file)
            .map(Content::Sealed)
            .map_err(|error| record::unreadable(&error)),
        other => Err(format!("version {other}, not {} or {VERSION}", record::VERSION)),
    }
}

impl Envelope {
    /// The record of `mailbox`, or what is wrong with the seal.
    pub(super) fn open(&self, mailbox: &str, key: &Key) -> Result<Zeroizing<Vec<u8>>, String> {
        if self.mailbox != mailbox {
            return Err("it is another mailbox's".to_owned());
        }
        let broken =
            || "the seal is broken: the file was changed after gatepost wrote it".to_owned();
        let nonce = STANDARD.decode(&self.nonce).map_err(|_| broken())?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| broken())?;
        let sealed = STANDARD.decode(&self.sealed).map_err(|_| broken())?;
        let associated = associated(mailbox, &key.name);
        let payload = Payload { msg: &sealed, aad: &associated };
        let opened = cipher(key).decrypt(&XNonce::from(nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| broken())
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.octets.reveal().into())
}

/// A mailbox's file can't pass for another's, nor one form for another.
fn associated(mailbox: &str, key: &str) -> Vec<u8> {
    // Neither an address nor a key's name holds a NUL, so that no two triples look alike.
    format!("gatepost record {VERSION}\0{key}\0{mailbox}").into_bytes()
}
