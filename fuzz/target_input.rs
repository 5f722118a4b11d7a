//! A fuzzer's bytes as what a peer sends. The first line sets the scene, so that a seed is a transcript's own bytes
//! behind one line; a line `TLS` parts the flights before and behind the handshake.

use gatepost::proto::{Cause, Privacy, Probe, Protocol};

use crate::properties::{self, Sent, Told};

const CAUSES: [Cause; 5] = [
    Cause::LoginRejected,
    Cause::SignInNeeded,
    Cause::UpstreamUnavailable,
    Cause::TooManyFailedLogins,
    Cause::MailboxNotOpened,
];

const PRIVACIES: [Privacy; 4] =
    [Privacy::Tls, Privacy::Plain, Privacy::StartTlsOptional, Privacy::StartTlsRequired];

#[allow(dead_code, reason = "each target asks one half")]
pub fn downstream(protocol: &Protocol, input: &[u8]) {
    let (scene, sent) = parts(input);
    let (privacy, cause) = (PRIVACIES[scene % 4], CAUSES[scene / 4 % 5]);
    properties::downstream(protocol, privacy, cause, &sent);
}

#[allow(dead_code, reason = "each target asks one half")]
pub fn upstream(protocol: &Protocol, input: &[u8]) {
    let (scene, sent) = parts(input);
    let security = protocol.upstream_security[scene % protocol.upstream_security.len()];
    let probe = if scene / 4 % 2 == 0 { Probe::Mailbox } else { Probe::Skip };
    let known: Option<&[&str]> = (scene / 8 % 2 == 0).then_some(&["SASL-IR", "AUTH=XOAUTH2"]);
    properties::upstream(protocol, Told { security, probe, known }, &sent);
}

/// The scene's number, and what is sent in pieces of the lengths that the first line's bytes give.
fn parts(input: &[u8]) -> (usize, Sent) {
    let (cuts, sent) = split(input, b"\n").unwrap_or((&[], input));
    let (first, behind_tls) = split(sent, b"TLS\n").unwrap_or((sent, &[]));
    let scene = cuts.first().copied().unwrap_or_default();
    let sent = Sent { first: first.to_vec(), behind_tls: behind_tls.to_vec(), cuts: cuts.to_vec() };
    (usize::from(scene), sent)
}

fn split<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}
