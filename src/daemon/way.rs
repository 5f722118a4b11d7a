//! The way to authorities and sign-ins, as a configuration has it.

use std::sync::Arc;
use std::time::SystemTime;

use super::Error;
use super::upkeep::Upkeep;
use crate::config::Config;
use crate::graph::{self, Graph};
use crate::mailbox::Via;
use crate::notice::Notices;
use crate::relay::{LiveDevices, Relay};
use crate::store::{Announced, Store};
use crate::tls::Trust;
use crate::tokens::{self, Http, Tokens, http_client};

/// A relay for the configuration, and the upkeep of what it holds.
pub(super) fn relay(config: &Config) -> Result<(Relay, Upkeep), Error> {
    let Way { http, store, limits, trust } = Way::prepare(config)?;
    let announced = Arc::new(Announced::open(&config.state_directory));
    let notices = Notices::start(config.hooks.clone(), Arc::clone(&announced), http.usual());
    let clock: tokens::Clock = Arc::new(SystemTime::now);
    let tokens = Tokens::with_notices(http, store, limits, (clock, notices.clone()));
    let upkeep = Upkeep::new(tokens.clone(), config, (announced, notices));
    let graph = graph(config, &trust, &tokens)?;
    let shared = (Arc::clone(&config.directory), tokens, trust);
    let mut relay = Relay::new(config.name.clone(), shared, config.timeouts, config.limits);
    relay.proxy.clone_from(&config.proxy);
    relay.graph = graph;
    relay.devices = Arc::new(LiveDevices::kept_in(&config.state_directory));
    Ok((relay, upkeep))
}

/// The way to Graph, where a mailbox needs it.
pub(super) fn graph(
    config: &Config,
    trust: &Trust,
    tokens: &Tokens,
) -> Result<Option<Graph>, Error> {
    if !config.directory.ways().contains(&Via::Graph) {
        return Ok(None);
    }
    let http = http_client(trust.client_config(), &graph::LIMITS, config.proxy.as_ref());
    Ok(Some(Graph::new(http.map_err(Error::Http)?.usual(), tokens.clone())))
}

/// The token engine of a configuration, for a command that ends soon, and the certificates that it
/// believes.
///
/// # Errors
/// Trust roots or a state directory that are of no use.
pub fn engine(config: &Config) -> Result<(Tokens, Trust), Error> {
    let Way { http, store, limits, trust } = Way::prepare(config)?;
    Ok((Tokens::new(http, store, limits), trust))
}

/// The way to authorities and sign-ins, as a configuration has it.
struct Way {
    http: Http,
    store: Store,
    limits: tokens::Limits,
    trust: Trust,
}

impl Way {
    fn prepare(config: &Config) -> Result<Self, Error> {
        let trust = Trust::load(&config.ca_files).map_err(Error::Tls)?;
        let limits = tokens::Limits {
            connect: config.timeouts.connect,
            total: config.timeouts.token_request,
            body: config.limits.token_response,
        };
        let http = http_client(trust.client_config(), &limits, config.proxy.as_ref())
            .map_err(Error::Http)?;
        let store =
            Store::open_with(config.sign_ins(), config.store_key.clone()).map_err(Error::Store)?;
        Ok(Self { http, store, limits, trust })
    }
}
