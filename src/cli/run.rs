//! `gatepost run`: serve until told to stop.

use std::io;

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Arguments, Exit, Failure, journal};
use crate::config::Config;
use crate::daemon::{self, Daemon};

/// Serves by the configuration until a signal to stop.
///
/// # Errors
/// Why the service doesn't start. Once it has, it ends well.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.load()?;
    journal::start(config.log, arguments.verbose)
        .map_err(|error| Failure::new(Exit::System, error))?;
    info!(path = %config.path.display(), version = env!("CARGO_PKG_VERSION"), "starting");
    for warning in &config.warnings {
        warn!("{warning}");
    }
    runtime()?.block_on(serve(config))
}

/// The runtime that a service or a demonstration runs on.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    Runtime::new().map_err(|error| Failure::new(Exit::System, error))
}

async fn serve(config: Config) -> Result<(), Failure> {
    let daemon = Daemon::bind(config).await?;
    let stop = CancellationToken::new();
    let service = daemon.run(stop.clone());
    let signalled = async {
        match told_to_stop().await {
            Ok(signal) => info!(signal, "told to stop"),
            Err(error) => warn!(%error, "can't wait for signals"),
        }
        stop.cancel();
    };
    tokio::join!(service, signalled);
    Ok(())
}

/// Waits for the signal that ends a service; its name.
#[cfg(unix)]
pub(super) async fn told_to_stop() -> io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}

/// Waits for the signal that ends a service; its name.
#[cfg(not(unix))]
pub(super) async fn told_to_stop() -> io::Result<&'static str> {
    tokio::signal::ctrl_c().await.map(|()| "Ctrl-C")
}

impl From<daemon::Error> for Failure {
    fn from(error: daemon::Error) -> Self {
        let exit = match error {
            daemon::Error::Tls(_) => Exit::Config,
            daemon::Error::Store(_) | daemon::Error::Http(_) | daemon::Error::Bind(..) => {
                Exit::System
            }
        };
        Self::new(exit, error)
    }
}
