//! gatepost stands between mail programs that only know a user name and a password and mail services
//! that only accept OAuth 2.0.
//!
//! The modules stand in the order of their floors: each names only modules above it in this list.
//! ARCHITECTURE.md tells the rest.

#[deny(clippy::disallowed_types, clippy::disallowed_methods)]
pub mod secret;

#[deny(clippy::disallowed_types, clippy::disallowed_methods)]
pub mod sasl;

#[deny(clippy::disallowed_types, clippy::disallowed_methods)]
pub mod proto;

#[deny(clippy::disallowed_types, clippy::disallowed_methods)]
pub mod oauth;

#[deny(clippy::disallowed_types, clippy::disallowed_methods)]
pub mod mailbox;

pub mod tls;

pub mod wire;

pub mod store;

pub mod notice;

pub mod tokens;

pub mod graph;

pub mod relay;

pub mod config;

pub mod daemon;

pub mod cli;
