//! IMAP as Exchange Online speaks it.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::cloud::Cloud;
use crate::dialogue::Dialogue;

/// Serves one connection until it ends.
pub(crate) async fn serve<S>(
    mut stream: S,
    _cloud: Arc<Cloud>,
    dialogue: Dialogue,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let bye = b"* BYE Connection is closed. 13\r\n";
    dialogue.server(bye);
    stream.write_all(bye).await?;
    stream.shutdown().await
}
