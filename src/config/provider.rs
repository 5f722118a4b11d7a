//! `[provider.NAME]`: a preset, an application registration and what they override.

use std::sync::Arc;

use toml::Spanned;
use url::Url;

use super::document::{Section, Words, unknown_word};
use super::host;
use super::preset::{PRESETS, Preset, Upstream};
use super::problem::Report;
use super::secret::{Forms, Inline};
use crate::mailbox::{Provider, Service};
use crate::oauth::{Application, GRANTS, Grant, Need};
use crate::proto::{PROTOCOLS, Protocol, Security};
use crate::secret::Secret;

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
    let token_endpoint = preset.and_then(|preset| token_endpoint(preset, &mut section, report));
    let client_id = section.required_text("client_id", report);
    let client_secret = client_secret(&mut section, grant, report);
    let scope = section.text("scope", report);
    let (preset, grant) = (preset?, grant?);
    let defaults = Defaults { preset, grant, scope };
    let services = defaults.services(&mut section, report);
    section.finish(report);
    let application = Application {
        token_endpoint: token_endpoint?,
        client_id: client_id?.into_inner(),
        client_secret,
    };
    Some(Arc::new(Provider {
        name: name.get_ref().clone(),
        application: Arc::new(application),
        grant,
        services,
    }))
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

fn client_secret(
    section: &mut Section<'_>,
    grant: Option<&'static Grant>,
    report: &Report<'_>,
) -> Option<Secret<String>> {
    let forms = Forms::take(section, "client_secret", report);
    if let Some(grant) = grant
        && grant.client_secret == Need::Required
        && forms.is_empty()
    {
        let title = format!("the grant {} needs a client secret", grant.name);
        report.problem(section.span(), title, "needs client_secret_file, or another form of it");
    }
    forms.resolve("client_secret", Inline::Discouraged, report).map(Spanned::into_inner)
}

/// The URL that tokens are asked for at: as written, or the preset's with its blanks filled.
fn token_endpoint(
    preset: &Preset,
    section: &mut Section<'_>,
    report: &Report<'_>,
) -> Option<String> {
    let authority = section.text("authority", report);
    let tenant = section.text("tenant", report);
    if let Some(written) = section.text("token_endpoint", report) {
        return check_url(&written, "token_endpoint", report);
    }
    for (key, blank, value) in
        [("authority", "{authority}", &authority), ("tenant", "{tenant}", &tenant)]
    {
        if let Some(value) = value
            && !preset.token_endpoint.contains(blank)
        {
            let title = format!("the preset {} has no use for {key:?}", preset.name);
            report.problem(value.span(), title, "leave it out, or write token_endpoint");
            return None;
        }
    }
    if preset.token_endpoint.is_empty() {
        section.missing("token_endpoint", report);
        return None;
    }
    let authority = match authority {
        Some(written) => check_url(&written, "authority", report)?,
        None => preset.authority.to_owned(),
    };
    let mut url = preset.token_endpoint.replace("{authority}", authority.trim_end_matches('/'));
    if url.contains("{tenant}") {
        url = url.replace("{tenant}", &check_tenant(tenant, section, report)?);
    }
    Some(url)
}

fn check_tenant(
    tenant: Option<Spanned<String>>,
    section: &Section<'_>,
    report: &Report<'_>,
) -> Option<String> {
    let Some(tenant) = tenant else {
        section.missing("tenant", report);
        return None;
    };
    if !host::is_domain(tenant.get_ref()) {
        let title = format!("{:?} is no tenant", tenant.get_ref());
        report.problem(tenant.span(), title, "the directory's id, or one of its domain names");
        return None;
    }
    Some(tenant.into_inner())
}

/// A URL that client secrets may be sent to: https, or http where it never leaves this machine.
fn check_url(text: &Spanned<String>, key: &str, report: &Report<'_>) -> Option<String> {
    let fail = |title: String, label: &str| {
        report.problem(text.span(), title, label);
        None
    };
    let written = text.get_ref();
    let Ok(url) = Url::parse(written) else {
        return fail(format!("{key} {written:?} is no URL"), "https://…");
    };
    let Some(host) = url.host_str() else {
        return fail(format!("{key} {written:?} names no host"), "https://…");
    };
    match url.scheme() {
        "https" => Some(written.clone()),
        "http" if host::is_loopback(host) => Some(written.clone()),
        "http" => fail(
            format!("{key} would send secrets in clear"),
            "https; http is for loopback hosts only",
        ),
        scheme => fail(format!("{key} speaks {scheme:?}"), "https://…"),
    }
}

/// What a provider's services have in common.
struct Defaults {
    preset: &'static Preset,
    grant: &'static Grant,
    scope: Option<Spanned<String>>,
}

impl Defaults {
    fn services(&self, section: &mut Section<'_>, report: &Report<'_>) -> Vec<Service> {
        let names: Vec<&str> = PROTOCOLS.iter().map(|protocol| protocol.name).collect();
        if self.preset.services.is_empty() && !names.iter().any(|name| section.has(name)) {
            let label = format!("needs a table of its own for {}", names.join(", "));
            report.problem(section.span(), "a provider without a mail host", label);
        }
        let mut services = Vec::new();
        for protocol in PROTOCOLS {
            let known =
                self.preset.services.iter().find(|upstream| upstream.protocol == protocol.name);
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
        let preset = known.map_or("", |known| known.scope(self.grant.owner));
        let text = written.map_or_else(|| preset.to_owned(), Spanned::into_inner);
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            let (preset, grant) = (self.preset.name, self.grant.name);
            let title = format!("the preset {preset} knows no scope for the grant {grant}");
            report.problem(section.span(), title, "needs scope, here or in the provider");
            return None;
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
