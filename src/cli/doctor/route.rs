//! The ways to authorities and mail hosts: name, connection, TLS.

use std::collections::HashMap;

use url::Url;

use super::Patient;
use super::clock;
use super::report::{Check, Report};
use crate::cli::Exit;
use crate::mailbox::{Provider, Service};
use crate::oauth::Proof;
use crate::proto::Security;
use crate::wire::{Unreachable, dial};

/// The places that were tried.
#[derive(Default)]
pub(super) struct Routes(HashMap<Place, bool>);

/// A host with its port, and how a connection to it begins.
type Place = (String, u16, Beginning);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Beginning {
    Tls,
    Clear,
}

impl Routes {
    /// Tries the authority and the mail hosts of `provider`, each place once.
    pub(super) async fn explore(
        &mut self,
        patient: &Patient<'_>,
        provider: &Provider,
        report: &mut Report,
    ) {
        let authority = authority(provider).filter(|place| !self.0.contains_key(place));
        let hosts: Vec<_> =
            patient.services(provider).map(|service| (place(service), service)).collect();
        if authority.is_none() && hosts.iter().all(|(place, _)| self.0.contains_key(place)) {
            return;
        }
        report.about(&format!("Provider {}", provider.name));
        if let Some(place) = authority {
            let url = &provider.application.token_endpoint;
            if self.explore_http(patient, place, report).await {
                report.add(clock::check(patient, url).await);
            }
        }
        for (place, service) in hosts {
            if !self.0.contains_key(&place) {
                self.explore_place(patient, place, Some(service), report).await;
            }
        }
    }

    /// Whether the authority could be reached.
    pub(super) fn leads_to_authority(&self, provider: &Provider) -> bool {
        authority(provider).is_none_or(|place| self.0.get(&place).copied().unwrap_or(true))
    }

    /// Whether the service's host could be reached.
    pub(super) fn lead_to(&self, service: &Service) -> bool {
        self.0.get(&place(service)).copied().unwrap_or(true)
    }

    /// Whether the host of `url` can be reached; tries it if that isn't known yet.
    pub(super) async fn lead_to_url(
        &mut self,
        patient: &Patient<'_>,
        url: &Url,
        report: &mut Report,
    ) -> bool {
        let Some(place) = place_of(url) else {
            return true;
        };
        match self.0.get(&place) {
            Some(reached) => *reached,
            None => self.explore_http(patient, place, report).await,
        }
    }

    async fn explore_http(
        &mut self,
        patient: &Patient<'_>,
        place: Place,
        report: &mut Report,
    ) -> bool {
        let Some(name) = proxy_of_environment(patient) else {
            return self.explore_place(patient, place, None, report).await;
        };
        let text = format!("not tried: {} is asked through the proxy in {name}", place.0);
        report.add(Check::skip("tcp", text));
        true
    }

    async fn explore_place(
        &mut self,
        patient: &Patient<'_>,
        place: Place,
        service: Option<&Service>,
        report: &mut Report,
    ) -> bool {
        let (host, port, beginning) = &place;
        // What an authority takes in clear is on loopback; the configuration saw to that.
        let security = service.map_or(Security::Implicit, |service| service.security);
        let security = match beginning {
            Beginning::Clear if service.is_none() => Security::Plain,
            _ => security,
        };
        let (proxy, patience) = (patient.config.proxy.as_ref(), patient.config.timeouts.connect);
        let dialled = dial((host, *port), security, &patient.trust, proxy, patience).await;
        let target = format!("{host}:{port}");
        let reached = dialled.is_ok();
        let beyond = proxy.is_some_and(|proxy| proxy.serves(host));
        for check in stages(&target, *beginning, dialled.err()) {
            // Through a proxy, the name is the proxy's to resolve.
            if !(beyond && check.stage == "dns") {
                report.add(check);
            }
        }
        self.0.insert(place, reached);
        reached
    }
}

/// The variable that sends requests to authorities through a proxy, where the configuration names none.
fn proxy_of_environment(patient: &Patient<'_>) -> Option<&'static str> {
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    names.into_iter().filter(|_| patient.config.proxy.is_none()).find(set)
}

fn place(service: &Service) -> Place {
    let beginning = match service.security {
        Security::Implicit => Beginning::Tls,
        Security::StartTls | Security::Plain => Beginning::Clear,
    };
    (service.host.clone(), service.port, beginning)
}

/// Where tokens are asked for; `None` where no token endpoint is known beforehand.
fn authority(provider: &Provider) -> Option<Place> {
    // A machine's identity is asked for where only this machine can, in clear.
    if provider.grant.proof == Proof::ManagedIdentity {
        return None;
    }
    place_of(&Url::parse(&provider.application.token_endpoint).ok()?)
}

fn place_of(url: &Url) -> Option<Place> {
    let beginning = if url.scheme() == "https" { Beginning::Tls } else { Beginning::Clear };
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    Some((host, url.port_or_known_default()?, beginning))
}

/// The stages as far as they came.
fn stages(target: &str, beginning: Beginning, trouble: Option<Unreachable>) -> Vec<Check> {
    let dns = Check::pass("dns", format!("the name of {target} has an address"));
    let tcp = Check::pass("tcp", format!("{target} takes a connection"));
    let tls = Check::pass("tls", format!("{target} shows a certificate that is believed"));
    let Some(trouble) = trouble else {
        return if beginning == Beginning::Tls { vec![dns, tcp, tls] } else { vec![dns, tcp] };
    };
    let before = match trouble {
        Unreachable::Tls(_) => vec![dns, tcp],
        Unreachable::Connect(_) | Unreachable::NotLoopback => vec![dns],
        _ => vec![],
    };
    before.into_iter().chain([failed(target, &trouble)]).collect()
}

fn failed(target: &str, trouble: &Unreachable) -> Check {
    let (stage, finding, remedy) = match trouble {
        Unreachable::Name(error) => (
            "dns",
            format!("the name of {target} can't be resolved: {error}"),
            "Check the host's spelling in the configuration and this machine's DNS",
        ),
        Unreachable::Connect(error) => (
            "tcp",
            format!("no address of {target} takes a connection: {error}"),
            "Check the port, and whether the firewall lets this machine out to it",
        ),
        Unreachable::TimedOut => (
            "tcp",
            format!("{target} doesn't answer in time"),
            "See whether a firewall drops the packets; `connect` under [timeouts] says how long to wait",
        ),
        Unreachable::Tls(error) => (
            "tls",
            format!("TLS with {target} fails: {error}"),
            "If a proxy of yours replaces certificates, or the service has an authority of its own, name its root in `ca_file` under [tls]; else check the host name",
        ),
        Unreachable::Proxy(error) => (
            "proxy",
            format!("the proxy doesn't lead to {target}: {error}"),
            "Check `url` under [proxy], its user and password, and whether it lets this host through; `no_proxy` exempts hosts",
        ),
        Unreachable::NotLoopback => (
            "tcp",
            format!("{target} isn't on this machine, and its `security` is \"plain\""),
            "Use `security = \"starttls\"` or \"implicit\" for hosts elsewhere",
        ),
    };
    Check::fail(stage, Exit::Unavailable, finding).remedy(remedy)
}
