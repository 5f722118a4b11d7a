//! Where a device password shall be good, as the command line says it.

use std::time::SystemTime;

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::mailbox::{Day, Network, NoDay, Scope};
use crate::proto::PROTOCOLS;

/// Limits of a device password.
#[derive(Args)]
pub(in crate::cli) struct ScopeArguments {
    /// Good for this protocol only; may be repeated
    #[arg(long = "protocol", value_parser = protocol_names())]
    protocols: Vec<String>,
    /// Good from this address or network only, as 10.1.2.3 or 10.1.2.0/24; may be repeated
    #[arg(long = "network", value_name = "NETWORK")]
    networks: Vec<Network>,
    /// The last day it is good, in UTC: 2027-12-31, or 90d for 90 days from now
    #[arg(long, value_name = "DAY", value_parser = last_day)]
    expires: Option<Day>,
}

impl ScopeArguments {
    pub(super) fn scope(&self) -> Scope {
        let named = |name: &&'static str| self.protocols.iter().any(|wanted| wanted == name);
        Scope {
            protocols: PROTOCOLS.iter().map(|row| row.name).filter(named).collect(),
            networks: self.networks.clone(),
            expires: self.expires,
        }
    }
}

fn protocol_names() -> PossibleValuesParser {
    PROTOCOLS.iter().map(|row| row.name).collect::<Vec<_>>().into()
}

fn last_day(text: &str) -> Result<Day, NoDay> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    match days {
        Some(days) => Ok(Day::of(SystemTime::now()).after(days)),
        None => text.parse(),
    }
}
