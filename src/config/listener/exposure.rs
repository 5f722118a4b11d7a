//! Passwords in clear stay on this machine, unless someone names the network that they may cross.

use std::ops::Range;

use ipnet::IpNet;
use toml::Spanned;

use super::{Address, Admission};
use crate::config::network::is_public;
use crate::config::problem::Report;
use crate::relay::Opening;

/// What decides whether passwords may cross a network in clear.
pub(super) struct Exposure<'a> {
    pub(super) opening: Opening,
    /// Where the configuration says `plaintext = "allow"`.
    pub(super) allowed: Option<Range<usize>>,
    pub(super) admission: &'a Admission,
}

impl Exposure<'_> {
    /// Complains unless the listener may take passwords in clear at `address`.
    pub(super) fn check(&self, address: &Address, span: &Range<usize>, report: &Report<'_>) {
        if !self.opening.takes_clear_logins() || !address.is_exposed() {
            return;
        }
        if self.allowed.is_none() {
            report.problem_with_help(
                span.clone(),
                format!("{address} would take passwords in clear from the network"),
                "not a loopback address",
                "set tls = \"implicit\" or \"starttls-required\" with a certificate; for devices without TLS on a \
                 network that you trust, set plaintext = \"allow\" and from = [\"192.0.2.0/24\"], the network",
            );
            return;
        }
        let (key, networks) = self.admission.in_clear();
        let Some(networks) = networks else {
            report.problem_with_help(
                span.clone(),
                format!("{address} would take passwords in clear from every network"),
                format!("{key:?} is missing"),
                format!("name the networks of the devices: {key} = [\"192.0.2.0/24\"]"),
            );
            return;
        };
        for network in networks {
            check_network(key, network, report);
        }
        report.warn(
            span,
            "passwords cross the network in clear here (plaintext = \"allow\"); keep the network closed to all \
             but the devices that need it",
        );
    }
}

fn check_network(key: &str, network: &Spanned<IpNet>, report: &Report<'_>) {
    if is_public(network.get_ref()) {
        report.problem_with_help(
            network.span(),
            format!("passwords would cross the Internet in clear: {} is public", network.get_ref()),
            format!("{key} beside plaintext = \"allow\" takes private networks only"),
            "set tls = \"implicit\" or \"starttls-required\" with a certificate, or let the devices come by VPN",
        );
    }
}
