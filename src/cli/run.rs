//! `gatepost run`: serve until told to stop.

use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::signals::{Reload, Signals};
use super::{Arguments, Exit, Failure, journal, supervisor};
use crate::config::Config;
use crate::daemon::{self, Daemon, Handed, Reloader};

/// Serves by the configuration until a signal to stop.
///
/// # Errors
/// Why the service doesn't start. Once it has, it ends well.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let handed = Handed::take_over().map_err(|error| {
        Failure::new(Exit::System, format!("a socket of the service manager is of no use: {error}"))
    })?;
    let runtime = runtime()?;
    // Before anything that takes its time: a SIGHUP that nobody heeds ends the process.
    let signals = {
        let _within = runtime.enter();
        Signals::heed().map_err(|error| Failure::new(Exit::System, error))?
    };
    let config = arguments.load()?;
    journal::start(config.log, arguments.verbose)
        .map_err(|error| Failure::new(Exit::System, error))?;
    info!(path = %config.path.display(), version = env!("CARGO_PKG_VERSION"), "starting");
    warn_of(&config);
    runtime.block_on(serve(config, handed, signals))
}

fn warn_of(config: &Config) {
    for warning in &config.warnings {
        warn!("{warning}");
    }
}

/// The runtime that a service or a demonstration runs on.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    Runtime::new().map_err(|error| Failure::new(Exit::System, error))
}

async fn serve(config: Config, handed: Handed, signals: Signals) -> Result<(), Failure> {
    let Signals { stop: mut told_to_stop, reload: told_to_reload } = signals;
    let path = config.path.clone();
    let daemon = Daemon::bind_with(config, handed).await?;
    let (stop, reloader) = (CancellationToken::new(), daemon.reloader());
    let service = daemon.run(stop.clone());
    let stopping = async {
        let signal = told_to_stop.told().await;
        info!(signal, "told to stop");
        supervisor::notify(supervisor::State::Stopping);
        stop.cancel();
    };
    let reloading = async {
        tokio::select! {
            () = reload_when_told(told_to_reload, path, reloader) => {}
            () = stop.cancelled() => {}
        }
    };
    supervisor::notify(supervisor::State::Ready);
    tokio::join!(service, stopping, reloading);
    Ok(())
}

async fn reload_when_told(mut told: Reload, path: PathBuf, reloader: Reloader) {
    loop {
        told.told().await;
        supervisor::notify(supervisor::State::Reloading);
        reload(&path, &reloader).await;
        supervisor::notify(supervisor::State::Ready);
    }
}

async fn reload(path: &Path, reloader: &Reloader) {
    let to_load = path.to_owned();
    // It may wait for the commands that print secrets.
    let loaded = tokio::task::spawn_blocking(move || Config::load(&to_load)).await;
    let config = match loaded {
        Ok(Ok(config)) => config,
        Ok(Err(error)) => return keep_old(path, &error.to_string()),
        Err(error) => return keep_old(path, &error.to_string()),
    };
    warn_of(&config);
    if let Err(error) = reloader.apply(config).await {
        keep_old(path, &error.to_string());
    }
}

fn keep_old(path: &Path, why: &str) {
    for line in why.lines().filter(|line| !line.is_empty()) {
        error!("{line}");
    }
    error!(path = %path.display(), "not reloaded: the old configuration stays");
}

impl From<daemon::Error> for Failure {
    fn from(error: daemon::Error) -> Self {
        let exit = match error {
            daemon::Error::Tls(_) => Exit::Config,
            daemon::Error::Store(_)
            | daemon::Error::Http(_)
            | daemon::Error::Bind(..)
            | daemon::Error::Stopping => Exit::System,
        };
        Self::new(exit, error)
    }
}
