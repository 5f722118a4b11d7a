//! Whole connections over real sockets: a legacy client, gatepost, and the stand-in for Microsoft 365.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "relay/authority.rs"]
mod authority;
#[path = "relay/certificate.rs"]
mod certificate;
#[path = "relay/client.rs"]
mod client;
#[path = "relay/journal.rs"]
mod journal;
#[path = "relay/logins.rs"]
mod logins;
#[path = "relay/memory.rs"]
mod memory;
#[path = "relay/patience.rs"]
mod patience;
#[path = "relay/rig.rs"]
mod rig;
#[path = "relay/splice.rs"]
mod splice;
#[path = "relay/tls.rs"]
mod tls;
#[path = "relay/tokens.rs"]
mod tokens;
#[path = "relay/upstream.rs"]
mod upstream;
