//! The authority.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::cloud::Cloud;

/// The HTTP side.
#[derive(Clone)]
pub(crate) struct Authority;

impl Authority {
    pub(crate) fn new(_cloud: &Arc<Cloud>) -> Self {
        Self
    }

    /// Serves one connection until it ends.
    pub(crate) async fn serve<S>(&self, _stream: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        Ok(())
    }
}
