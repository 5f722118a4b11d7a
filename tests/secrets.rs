//! Nothing that opens a mailbox is ever written down or told: not in the journal at its most talkative,
//! not in an answer to a client, not in what prints itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
// The rig serves more tests than these.
#![allow(dead_code)]

#[path = "relay/certificate.rs"]
mod certificate;
#[path = "relay/client.rs"]
mod client;
#[path = "relay/journal.rs"]
mod journal;
#[path = "relay/rig.rs"]
mod rig;
#[path = "secrets/tour.rs"]
mod tour;
