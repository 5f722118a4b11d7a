//! Whole connections over real sockets: a legacy client, gatepost, and the stand-in for Microsoft 365.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "relay/client.rs"]
mod client;
#[path = "relay/journal.rs"]
mod journal;
#[path = "relay/logins.rs"]
mod logins;
#[path = "relay/rig.rs"]
mod rig;
#[path = "relay/tls.rs"]
mod tls;
