//! The directory: which login leads to which mailbox, and where that lives.

mod provider;

pub use provider::{Provider, Service};
