//! SMTP submission.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::cloud::Cloud;

/// Under way.
#[derive(Debug, Default)]
pub(crate) struct Submissions;

/// Serves port 587.
pub(crate) async fn serve_starttls(
    stream: TcpStream,
    peer: SocketAddr,
    cloud: Arc<Cloud>,
) -> io::Result<()> {
    serve(stream, peer, cloud).await
}

/// Serves one connection until it ends.
pub(crate) async fn serve<S>(_stream: S, _peer: SocketAddr, _cloud: Arc<Cloud>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    Ok(())
}
