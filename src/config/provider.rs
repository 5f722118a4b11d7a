//! `[provider.NAME]`: a preset, an application registration and what they override.

use std::sync::Arc;

use toml::Spanned;

use super::document::{Section, Words, unknown_word};
use super::endpoints::{Written, check_url};
use super::preset::{Cloud, House, PRESETS, Preset, Upstream};
use super::problem::Report;
use super::{credential, graph, host, scope};
use crate::mailbox::{Provider, Service};
use crate::oauth::{Application, GRANTS, Grant, Proof, Target};
use crate::proto::{PROTOCOLS, Protocol, Security};

const SECURITY: &Words<Security> = &[
    ("implicit", Security::Implicit),
    ("starttls", Security::StartTls),
    ("plain", Security::Plain),
];

/// Reads the table of the provider called `name`.
pub(super) fn read(
    name: &Spanned<String>,
    mut section: Section<'_>,
    report: &Report<'_>,
) -> Option<Arc<Provider>> {
    let preset = preset(&mut section, report);
    let grant = grant(&mut section, report);
    let (preset, grant) = (preset?, grant?);
    let written = Written::take(&mut section, report);
    let cloud = cloud(preset, written.tenant(), &mut section, report);
    let client_id = client_id(grant, &mut section, report);
    let found = credential::read(grant, client_id.as_deref(), &mut section, report);
    let (scope, target) = wanted(&mut section, report);
    let sign_in = Browser::read(preset, &mut section, report);
    let endpoints = match grant.proof {
        Proof::Client | Proof::ClientIfAny => {
            written.fill((preset, cloud?, target), &section, report)
        }
        Proof::ServiceAccount | Proof::ManagedIdentity | Proof::Program => {
            let told = found.as_ref().and_then(|found| found.token_endpoint.clone());
            written.token_of(told, report)
        }
    };
    let defaults = Defaults { preset, cloud: cloud?, grant, scope, target };
    let services = defaults.services(&mut section, report);
    let graph = graph::read(cloud?, grant.owner, section.section("graph", report), report);
    section.finish(report);
    let endpoints = endpoints?;
    let application = Application {
        token_endpoint: endpoints.token,
        client_id: client_id.unwrap_or_default(),
        credential: found?.credential,
        target,
        issuer: endpoints.issuer,
        authorization_endpoint: endpoints.authorization,
        device_endpoint: endpoints.device,
        redirect_uri: sign_in.redirect_uri,
        authorize: sign_in.authorize,
        sign_in_scope: preset.sign_in_scope.to_owned(),
    };
    Some(Arc::new(Provider {
        name: name.get_ref().clone(),
        application: Arc::new(application),
        grant,
        services,
        graph,
    }))
}

/// What a sign-in in a browser goes by.
struct Browser {
    redirect_uri: Option<String>,
    authorize: Vec<(String, String)>,
}

impl Browser {
    fn read(preset: &Preset, section: &mut Section<'_>, report: &Report<'_>) -> Self {
        let redirect_uri = section.text("redirect_uri", report);
        let redirect_uri = redirect_uri.and_then(|uri| check_url(&uri, "redirect_uri", report));
        let mut authorize: Vec<_> =
            preset.authorize.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        // An empty text leaves a parameter of the preset out.
        let mut given = section.section("authorize", report).pairs(report);
        authorize.retain(|(name, _)| !given.iter().any(|(key, _)| key == name));
        given.retain(|(_, value)| !value.is_empty());
        let usual = authorize.into_iter().map(|(name, value)| (name.to_owned(), value));
        Self { redirect_uri, authorize: usual.chain(given).collect() }
    }
}

/// What is asked for: scopes, or a resource where the authority is of the older kind.
fn wanted(section: &mut Section<'_>, report: &Report<'_>) -> (Option<Spanned<String>>, Target) {
    let (scope, resource) = (section.text("scope", report), section.text("resource", report));
    match (scope, resource) {
        (Some(_), Some(second)) => {
            let title = "a scope and a resource";
            report.problem(second.span(), title, "resource is for endpoints that know no scopes");
            (None, Target::Scope)
        }
        (None, Some(resource)) => (Some(resource), Target::Resource),
        (scope, None) => (scope, Target::Scope),
    }
}

fn cloud(
    preset: &'static Preset,
    tenant: Option<&str>,
    section: &mut Section<'_>,
    report: &Report<'_>,
) -> Option<&'static Cloud> {
    let written = section.text("cloud", report);
    let name = written.as_ref().map(|name| name.get_ref().as_str());
    let cloud = preset.cloud(name, tenant);
    if let (None, Some(written)) = (cloud, &written) {
        let names: Vec<&str> = preset.clouds.iter().map(|cloud| cloud.name).collect();
        unknown_word("cloud", written, &names, report);
    }
    cloud
}

/// The client id, which only those grants lack that no registration stands behind.
fn client_id(grant: &Grant, section: &mut Section<'_>, report: &Report<'_>) -> Option<String> {
    let text = match grant.proof {
        Proof::Client | Proof::ClientIfAny => section.required_text("client_id", report),
        Proof::ManagedIdentity => section.text("client_id", report),
        Proof::ServiceAccount | Proof::Program => None,
    };
    text.map(Spanned::into_inner)
}

fn preset(section: &mut Section<'_>, report: &Report<'_>) -> Option<&'static Preset> {
    let name = section.required_text("preset", report)?;
    let preset = PRESETS.iter().find(|preset| preset.name == name.get_ref());
    if preset.is_none() {
        let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        unknown_word("preset", &name, &names, report);
    }
    preset
}

fn grant(section: &mut Section<'_>, report: &Report<'_>) -> Option<&'static Grant> {
    let name = section.required_text("grant", report)?;
    let grant = Grant::named(name.get_ref());
    if grant.is_none() {
        let names: Vec<&str> = GRANTS.iter().map(|grant| grant.name).collect();
        unknown_word("grant", &name, &names, report);
    }
    grant
}

/// What a provider's services have in common.
struct Defaults {
    preset: &'static Preset,
    cloud: &'static Cloud,
    grant: &'static Grant,
    scope: Option<Spanned<String>>,
    target: Target,
}

impl Defaults {
    fn services(&self, section: &mut Section<'_>, report: &Report<'_>) -> Vec<Service> {
        let names: Vec<&str> = PROTOCOLS.iter().map(|protocol| protocol.name).collect();
        if self.cloud.services.is_empty() && !names.iter().any(|name| section.has(name)) {
            let label = format!("needs a table of its own for {}", names.join(", "));
            report.problem(section.span(), "a provider without a mail host", label);
        }
        let mut services = Vec::new();
        for protocol in PROTOCOLS {
            let known =
                self.cloud.services.iter().find(|upstream| upstream.protocol == protocol.name);
            let given = section.has(protocol.name);
            let overrides = section.section(protocol.name, report);
            if known.is_some() || given {
                services.extend(self.service(protocol, known, overrides, report));
            }
        }
        services
    }

    fn service(
        &self,
        protocol: &'static Protocol,
        known: Option<&Upstream>,
        mut section: Section<'_>,
        report: &Report<'_>,
    ) -> Option<Service> {
        let host = host(&mut section, known, report);
        let security = security(protocol, known, &mut section, report);
        let port = section.number("port", &(1..=65_535), report);
        let scope = self.scope(&mut section, known, report);
        let span = section.span();
        section.finish(report);
        let (host, security) = (host?, security?);
        if security == Security::Plain && !host::is_loopback(&host) {
            let title = format!("access tokens would go to {host} in clear");
            report.problem(span, title, "security = \"plain\" is for loopback hosts only");
        }
        let usual = match known {
            Some(known) if known.security == security => known.port,
            _ if security == Security::Implicit => protocol.implicit_tls_port,
            _ => protocol.starttls_port,
        };
        let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(usual);
        Some(Service { protocol: protocol.name, host, port, security, scope: scope? })
    }

    /// The scope: the service's own, else the provider's, else the preset's.
    fn scope(
        &self,
        section: &mut Section<'_>,
        known: Option<&Upstream>,
        report: &Report<'_>,
    ) -> Option<String> {
        let written = section.text("scope", report).or_else(|| self.scope.clone());
        let span = written.as_ref().map_or_else(|| section.span(), Spanned::span);
        let preset = known.map_or("", |known| known.scope(self.grant.owner));
        let text = written.map_or_else(|| preset.to_owned(), Spanned::into_inner);
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() && self.grant.proof != Proof::Program {
            let (preset, grant) = (self.preset.name, self.grant.name);
            let title = format!("the preset {preset} knows no scope for the grant {grant}");
            report.problem(section.span(), title, "needs scope, here or in the provider");
            return None;
        }
        if self.preset.house == House::Entra && self.target == Target::Scope {
            scope::check_entra(&words, (self.grant.owner, self.cloud.resource), &span, report);
        }
        Some(words.join(" "))
    }
}

fn host(
    section: &mut Section<'_>,
    known: Option<&Upstream>,
    report: &Report<'_>,
) -> Option<String> {
    let missing = !section.has("host");
    let Some(written) = section.text("host", report) else {
        if missing && known.is_none() {
            section.missing("host", report);
        }
        return known.filter(|_| missing).map(|known| known.host.to_owned());
    };
    if !host::is_host(written.get_ref()) {
        let title = format!("{:?} is no host name", written.get_ref());
        report.problem(written.span(), title, "a name such as imap.example.com, without a port");
        return None;
    }
    Some(written.into_inner())
}

fn security(
    protocol: &Protocol,
    known: Option<&Upstream>,
    section: &mut Section<'_>,
    report: &Report<'_>,
) -> Option<Security> {
    let allowed: Vec<(&str, Security)> = SECURITY
        .iter()
        .copied()
        .filter(|(_, security)| protocol.upstream_security.contains(security))
        .collect();
    if let Some(written) = section.word("security", &allowed, report) {
        return Some(written.into_inner());
    }
    known.map(|known| known.security).or_else(|| protocol.upstream_security.first().copied())
}
