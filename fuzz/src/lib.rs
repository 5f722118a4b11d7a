//! A session driven by octets that a stranger chose; what must hold whatever they are stands with the tests.
//!
//! The first octet chooses the terms and the size of the reads, the rest is what the peer sends; `TLS` in a line of its
//! own parts what it sends in clear from what it sends behind the handshake.

#[path = "../../tests/dialogue/properties.rs"]
mod properties;
#[path = "../../tests/dialogue/submission.rs"]
mod submission_talk;
#[path = "../../tests/dialogue/talk.rs"]
mod talk;

use gatepost::proto::{Cause, Privacy, Probe, Protocol};
use properties::{Sent, Told};

/// What a login is told; no more than a few, each with its own form of answer.
const CAUSES: [Cause; 4] =
    [Cause::LoginRejected, Cause::SignInNeeded, Cause::UpstreamUnavailable, Cause::TokenRefused];

const PRIVACIES: [Privacy; 4] =
    [Privacy::Tls, Privacy::Plain, Privacy::StartTlsOptional, Privacy::StartTlsRequired];

/// A client's half: see `downstream` of the properties.
pub fn downstream(protocol: &str, input: &[u8]) {
    let Some((&first, octets)) = input.split_first() else {
        return;
    };
    let scene = usize::from(first);
    let (privacy, cause) = (PRIVACIES[scene % 4], CAUSES[scene / 4 % 4]);
    properties::downstream(row(protocol), privacy, cause, &sent(first, octets));
}

/// A service's half: see `upstream` of the properties.
pub fn upstream(protocol: &str, input: &[u8]) {
    let Some((&first, octets)) = input.split_first() else {
        return;
    };
    let row = row(protocol);
    let told = Told {
        security: row.upstream_security[usize::from(first & 3) % row.upstream_security.len()],
        known: (first & 4 != 0).then_some(&["AUTH=XOAUTH2", "SASL-IR"]),
        probe: if first & 8 == 0 { Probe::Mailbox } else { Probe::Skip },
    };
    properties::upstream(row, told, &sent(first, octets));
}

/// A client after its login: see `talk`. The first octet is the size of the reads.
pub fn submission(input: &[u8]) {
    let Some((&first, octets)) = input.split_first() else {
        return;
    };
    let pieces: Vec<&[u8]> = octets.chunks(usize::from(first) + 1).collect();
    assert_eq!(submission_talk::talk(&pieces), submission_talk::talk(&[octets]));
}

fn row(name: &str) -> &'static Protocol {
    Protocol::named(name).expect("a target names a row of the table")
}

fn sent(first: u8, octets: &[u8]) -> Sent {
    const HANDSHAKE: &[u8] = b"TLS\n";
    let handshake = octets.windows(HANDSHAKE.len()).position(|window| window == HANDSHAKE);
    let (clear, behind_tls) = match handshake {
        Some(at) => (&octets[..at], &octets[at + HANDSHAKE.len()..]),
        None => (octets, &[][..]),
    };
    Sent { first: clear.to_vec(), behind_tls: behind_tls.to_vec(), cuts: vec![(first >> 4) + 1] }
}
