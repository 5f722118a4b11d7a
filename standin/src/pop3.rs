//! POP3 as Exchange Online speaks it: fetching the Inbox of a mailbox.

mod auth;
mod maildrop;
mod session;
mod wire;

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::cloud::Cloud;
use crate::dialogue::Dialogue;
use session::Session;
use wire::Wire;

/// Serves a connection: one that is in TLS already, or one that never will be.
pub(crate) async fn serve<S>(stream: S, cloud: Arc<Cloud>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let wire = Wire::new(stream, Dialogue::new(&cloud, "pop3"), Arc::clone(&cloud));
    let mut session = Session::new(wire, cloud);
    session.converse().await?;
    session.close().await
}
