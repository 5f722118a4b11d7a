//! Submission as Exchange Online speaks it.

mod auth;
mod body;
mod envelope;
mod hello;
mod message;
mod session;
mod submission;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::cloud::Cloud;
use crate::dialogue::Dialogue;
use session::{Ending, Product, Security, Session};
use wire::{Stream, Wire};

pub(crate) use submission::Submissions;

/// Serves a connection that starts in clear and may change to TLS, as on port 587.
pub(crate) async fn serve_starttls(
    stream: TcpStream,
    peer: SocketAddr,
    cloud: Arc<Cloud>,
) -> io::Result<()> {
    serve_product(stream, peer, cloud, Product::ClientSubmission).await
}

/// The same for High Volume Email.
pub(crate) async fn serve_hve(
    stream: TcpStream,
    peer: SocketAddr,
    cloud: Arc<Cloud>,
) -> io::Result<()> {
    serve_product(stream, peer, cloud, Product::HighVolume).await
}

async fn serve_product(
    stream: TcpStream,
    peer: SocketAddr,
    cloud: Arc<Cloud>,
    product: Product,
) -> io::Result<()> {
    let dialogue = Dialogue::new(&cloud, "smtp");
    let mut session = Session::new(&cloud, peer, (product, Security::Clear));
    let mut wire = Wire::new(stream, dialogue.clone(), Arc::clone(&cloud));
    if session.open(&mut wire).await? == Ending::Closed {
        return wire.close().await;
    }
    let stream = cloud.tls.accept(wire.into_stream()).await?;
    let mut wire = Wire::new(stream, dialogue, cloud);
    session.secured();
    session.converse(&mut wire).await?;
    wire.close().await
}

/// Serves a connection on which AUTH is offered at once: one that is in TLS already, or one that never will be.
pub(crate) async fn serve<S: Stream>(
    stream: S,
    peer: SocketAddr,
    cloud: Arc<Cloud>,
) -> io::Result<()> {
    let dialogue = Dialogue::new(&cloud, "smtp");
    let mut session = Session::new(&cloud, peer, (Product::ClientSubmission, Security::Settled));
    let mut wire = Wire::new(stream, dialogue, cloud);
    session.open(&mut wire).await?;
    wire.close().await
}
