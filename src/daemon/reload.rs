//! Another configuration while the service runs: all of it or nothing.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::gate::Door;
use super::{Error, Gate, Service, way};
use crate::config::{Address, Config, Log};
use crate::graph::Graph;
use crate::notice::Hooks;
use crate::tls::Trust;

/// Gives a running service another configuration.
#[derive(Clone)]
pub struct Reloader(mpsc::Sender<Request>);

/// The configurations that are to come.
pub(super) struct Requests {
    sender: mpsc::Sender<Request>,
    receiver: mpsc::Receiver<Request>,
}

pub(super) struct Request {
    config: Box<Config>,
    done: oneshot::Sender<Result<(), Error>>,
}

/// What a running service keeps until it is started again.
#[derive(PartialEq, Eq)]
pub(super) struct Fixed {
    state_directory: PathBuf,
    ca_files: Vec<PathBuf>,
    token_requests: (Duration, Duration, usize),
    log: Log,
    hooks: Hooks,
}

impl Reloader {
    /// Serves new connections by `config` from now on. Those that are open go on as they are.
    ///
    /// # Errors
    /// Why nothing has changed.
    pub async fn apply(&self, config: Config) -> Result<(), Error> {
        let (done, outcome) = oneshot::channel();
        let request = Request { config: Box::new(config), done };
        self.0.send(request).await.map_err(|_| Error::Stopping)?;
        outcome.await.unwrap_or(Err(Error::Stopping))
    }
}

impl Default for Requests {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        Self { sender, receiver }
    }
}

impl Requests {
    pub(super) fn reloader(&self) -> Reloader {
        Reloader(self.sender.clone())
    }

    pub(super) async fn next(&mut self) -> Request {
        match self.receiver.recv().await {
            Some(request) => request,
            // Not while the sender beside it lives.
            None => std::future::pending().await,
        }
    }
}

impl Fixed {
    /// What of `config` only a start reads.
    pub(super) fn of(config: &Config) -> Self {
        let (timeouts, limits) = (&config.timeouts, &config.limits);
        Self {
            state_directory: config.state_directory.clone(),
            ca_files: config.ca_files.clone(),
            token_requests: (timeouts.connect, timeouts.token_request, limits.token_response),
            log: config.log,
            hooks: config.hooks.clone(),
        }
    }
}

impl Service {
    pub(super) async fn answer(&mut self, Request { config, done }: Request) {
        let outcome = self.apply(&config).await;
        if outcome.is_ok() {
            info!(
                mailboxes = config.directory.len(),
                "the new configuration holds for new connections"
            );
        }
        // Whoever asked may have gone.
        let _ = done.send(outcome);
    }

    /// Opens what is new before anything else changes.
    async fn apply(&mut self, config: &Config) -> Result<(), Error> {
        let trust = Trust::load(&config.ca_files).map_err(Error::Tls)?;
        let graph = way::graph(config, &trust, &self.hall.relay().tokens)?;
        let mut old: VecDeque<Option<usize>> = (0..self.gates.len()).map(Some).collect();
        let (mut kept, mut opened) = (Vec::new(), Vec::new());
        for listener in &config.listeners {
            let door = Arc::new(Door::new(listener));
            for address in &listener.addresses {
                match self.claim(&mut old, address) {
                    Some(index) => kept.push((index, Arc::clone(&door))),
                    None => opened.push(
                        Gate::open(address, listener.mode, Arc::clone(&door), &self.handed).await?,
                    ),
                }
            }
        }
        for (index, door) in kept {
            self.gates[index].door.send_replace(door);
        }
        self.close(old.into_iter().flatten().collect());
        self.gates.extend(opened);
        self.change_relay(config, trust, graph);
        self.upkeep.change(config);
        self.attend();
        Ok(())
    }

    /// The gate at `address`, unless it has been claimed.
    fn claim(&self, old: &mut VecDeque<Option<usize>>, address: &Address) -> Option<usize> {
        let same = |slot: &&mut Option<usize>| {
            slot.is_some_and(|index| self.gates[index].address == *address)
        };
        old.iter_mut().find(same)?.take()
    }

    /// Closes the gates that the configuration doesn't have any more.
    fn close(&mut self, unclaimed: Vec<usize>) {
        for index in unclaimed.into_iter().rev() {
            let gate = self.gates.remove(index);
            info!(address = %gate.address, "not listening any more");
            gate.close();
        }
    }

    fn change_relay(&mut self, config: &Config, trust: Trust, graph: Option<Graph>) {
        if Fixed::of(config) != self.fixed {
            warn!(
                "changes of state_directory, [log], [hooks], ca_file for authorities, connect, \
                 token_request and token_response hold after a restart only"
            );
        }
        let mut relay = self.hall.relay.write().unwrap_or_else(PoisonError::into_inner);
        let shared = (Arc::clone(&config.directory), trust);
        let (name, timeouts) = (config.name.clone(), config.timeouts);
        let mut next = relay.reconfigured(name, shared, timeouts, config.limits);
        next.proxy.clone_from(&config.proxy);
        next.graph = graph;
        *relay = Arc::new(next);
    }
}
