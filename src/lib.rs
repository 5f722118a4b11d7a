//! An authenticating mail proxy: old programs log in with a password, the mail service gets an
//! OAuth 2.0 access token.

pub mod secret;

pub mod sasl;

pub mod proto;

pub mod oauth;

pub mod mailbox;

pub mod config;

pub mod cli;
