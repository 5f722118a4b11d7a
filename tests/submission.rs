//! Messages through submission mode: legacy clients, gatepost, and the stand-in for Microsoft 365.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code)]

#[path = "relay/certificate.rs"]
mod certificate;
#[path = "relay/client.rs"]
mod client;
#[path = "relay/journal.rs"]
mod journal;
#[path = "relay/rig.rs"]
mod rig;

#[path = "dialogue/submission.rs"]
mod dialogue;
#[path = "submission/pieces.rs"]
mod pieces;

#[path = "submission/chunks.rs"]
mod chunks;
#[path = "submission/cuts.rs"]
mod cuts;
#[path = "submission/fleet.rs"]
mod fleet;
#[path = "submission/headers.rs"]
mod headers;
#[path = "submission/policy.rs"]
mod policy;
#[path = "submission/transactions.rs"]
mod transactions;
