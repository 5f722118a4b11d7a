//! OAuth 2.0 (RFC 6749): grants as machines without a network, a clock or files.
//!
//! A grant says which request it wants posted; the token engine posts it. [`advice`] says what an
//! authority's error means for the operator.

pub mod advice;
mod client_credentials;
mod endpoint;
mod refresh_token;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::secret::Secret;

pub use advice::{Class, Failure};
