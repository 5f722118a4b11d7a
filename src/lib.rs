//! gatepost stands between mail programs that only know a user name and a password and mail services
//! that only accept OAuth 2.0.
//!
//! The modules stand in the order of their floors: each names only modules above it in this list.
//! ARCHITECTURE.md tells the rest.

pub mod secret;

pub mod sasl;

pub mod proto;

pub mod oauth;

pub mod mailbox;

pub mod store;

pub mod tokens;

pub mod config;

pub mod cli;
