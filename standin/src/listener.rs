//! The ports: accepting, stopping, listening again.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::authority::Authority;
use crate::cloud::Cloud;
use crate::dialogue::Dialogue;
use crate::{graph, identity, imap, pop3, smtp};

/// Wait after a failed accept. Out of descriptors it would fail again at once, and spin.
const RESPITE: Duration = Duration::from_millis(20);

/// One of the servers of the stand-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The token endpoint, HTTPS.
    Authority,
    /// IMAP with implicit TLS.
    Imap,
    /// Submission with STARTTLS.
    Smtp,
    /// Submission with implicit TLS.
    Smtps,
    /// IMAP without TLS.
    ImapPlain,
    /// Submission without TLS.
    SmtpPlain,
    /// POP3 with implicit TLS.
    Pop3,
    /// POP3 without TLS.
    Pop3Plain,
    /// Submission to High Volume Email, with STARTTLS.
    Hve,
    /// Microsoft Graph, HTTPS.
    Graph,
    /// The endpoints of managed identities, HTTP.
    Imds,
}

impl Service {
    /// Every service, in the order of its variants.
    const ALL: [Self; 11] = [
        Self::Authority,
        Self::Imap,
        Self::Smtp,
        Self::Smtps,
        Self::ImapPlain,
        Self::SmtpPlain,
        Self::Pop3,
        Self::Pop3Plain,
        Self::Hve,
        Self::Graph,
        Self::Imds,
    ];
}

/// The ports of a stand-in, one for each service.
#[derive(Debug)]
pub(crate) struct Listeners(Vec<Listener>);

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    running: Mutex<Option<Running>>,
}

/// An accept loop. It ends, and with it its connections, when the sender is gone.
#[derive(Debug)]
struct Running {
    /// Each order to drop the connections brings the sender to report to.
    drops: mpsc::UnboundedSender<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
}

impl Listeners {
    pub(crate) async fn open(cloud: &Arc<Cloud>) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for service in Service::ALL {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            let running = Mutex::new(Some(run(service, listener, Arc::clone(cloud))));
            listeners.push(Listener { address, running });
        }
        Ok(Self(listeners))
    }

    pub(crate) fn address(&self, service: Service) -> SocketAddr {
        self.of(service).address
    }

    pub(crate) async fn stop(&self, service: Service) {
        let running =
            self.of(service).running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { drops, ended }) = running {
            drop(drops);
            // The loop cannot be cancelled from elsewhere; were it so, it would have ended too.
            let _ = ended.await;
        }
    }

    pub(crate) async fn restart(&self, service: Service, cloud: &Arc<Cloud>) -> io::Result<()> {
        self.stop(service).await;
        let listener = TcpListener::bind(self.address(service)).await?;
        let running = run(service, listener, Arc::clone(cloud));
        *self.of(service).running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        Ok(())
    }

    pub(crate) async fn drop_connections(&self, service: Service) {
        let (done, dropped) = oneshot::channel();
        if let Some(running) =
            &*self.of(service).running.lock().unwrap_or_else(PoisonError::into_inner)
        {
            // A loop that has ended has no connections to drop.
            let _ = running.drops.send(done);
        }
        let _ = dropped.await;
    }

    fn of(&self, service: Service) -> &Listener {
        &self.0[service as usize]
    }
}

fn run(service: Service, listener: TcpListener, cloud: Arc<Cloud>) -> Running {
    let (drops, orders) = mpsc::unbounded_channel();
    Running { drops, ended: tokio::spawn(accept(service, listener, cloud, orders)) }
}

async fn accept(
    service: Service,
    listener: TcpListener,
    cloud: Arc<Cloud>,
    mut orders: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
) {
    let authority = Authority::new(&cloud);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, peer)) = accepted else {
                    sleep(RESPITE).await;
                    continue;
                };
                connections.spawn(serve(service, stream, peer, Arc::clone(&cloud), authority.clone()));
            }
            Some(_) = connections.join_next() => {}
            order = orders.recv() => {
                let Some(done) = order else { break };
                connections.shutdown().await;
                let _ = done.send(());
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// Serves one connection. How it broke is the client's business to notice.
async fn serve(
    service: Service,
    stream: TcpStream,
    peer: SocketAddr,
    cloud: Arc<Cloud>,
    authority: Authority,
) {
    let _ = stream.set_nodelay(true);
    let counters = &cloud.counters;
    match service {
        Service::Imap | Service::ImapPlain => counters.imap_connections.increment(),
        Service::Smtp | Service::Smtps | Service::SmtpPlain | Service::Hve => {
            counters.smtp_connections.increment();
        }
        Service::Pop3 | Service::Pop3Plain => counters.pop_connections.increment(),
        Service::Authority | Service::Imds | Service::Graph => {}
    }
    let _ = converse(service, stream, peer, cloud, authority).await;
}

async fn converse(
    service: Service,
    stream: TcpStream,
    peer: SocketAddr,
    cloud: Arc<Cloud>,
    authority: Authority,
) -> io::Result<()> {
    let tls = cloud.tls.clone();
    match service {
        Service::Authority => authority.serve(tls.accept(stream).await?).await,
        Service::Imap => {
            let dialogue = Dialogue::new(&cloud, "imap");
            imap::serve(tls.accept(stream).await?, cloud, dialogue).await
        }
        Service::ImapPlain => {
            let dialogue = Dialogue::new(&cloud, "imap");
            imap::serve(stream, cloud, dialogue).await
        }
        Service::Smtp => smtp::serve_starttls(stream, peer, cloud).await,
        Service::Smtps => smtp::serve(tls.accept(stream).await?, peer, cloud).await,
        Service::SmtpPlain => smtp::serve(stream, peer, cloud).await,
        Service::Pop3 => pop3::serve(tls.accept(stream).await?, cloud).await,
        Service::Pop3Plain => pop3::serve(stream, cloud).await,
        Service::Hve => smtp::serve_hve(stream, peer, cloud).await,
        Service::Graph => graph::serve(tls.accept(stream).await?, cloud).await,
        Service::Imds => identity::serve(stream, cloud).await,
    }
}
