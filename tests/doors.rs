//! The doors of a service: how connections start, who is let in, what changes while it runs, and what
//! the service manager has to do with it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, missing_docs)]

#[path = "relay/certificate.rs"]
mod certificate;
#[path = "relay/client.rs"]
mod client;
#[path = "relay/journal.rs"]
mod journal;
#[path = "doors/limits.rs"]
mod limits;
#[path = "doors/opening.rs"]
mod opening;
#[path = "doors/process.rs"]
mod process;
#[path = "doors/reload.rs"]
mod reload;
#[path = "relay/rig.rs"]
mod rig;
