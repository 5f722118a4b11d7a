//! Where an authority is asked: the preset's endpoints with their blanks filled, what is written in
//! their place, or an issuer who tells them.

use toml::Spanned;
use url::Url;

use super::document::Section;
use super::host;
use super::preset::{Cloud, House, Preset};
use super::problem::Report;
use crate::oauth::Target;

/// The endpoints of one authority.
#[derive(Default)]
pub(super) struct Endpoints {
    /// Empty where the issuer tells it.
    pub(super) token: String,
    pub(super) authorization: Option<String>,
    pub(super) device: Option<String>,
    pub(super) issuer: Option<String>,
}

/// What is written of them.
pub(super) struct Written {
    token: Option<Spanned<String>>,
    authorization: Option<Spanned<String>>,
    device: Option<Spanned<String>>,
    issuer: Option<Spanned<String>>,
    authority: Option<Spanned<String>>,
    tenant: Option<Spanned<String>>,
}

impl Written {
    pub(super) fn take(section: &mut Section<'_>, report: &Report<'_>) -> Self {
        Self {
            token: section.text("token_endpoint", report),
            authorization: section.text("authorization_endpoint", report),
            device: section.text("device_authorization_endpoint", report),
            issuer: section.text("issuer", report),
            authority: section.text("authority", report),
            tenant: section.text("tenant", report),
        }
    }

    /// The tenant, as far as it is written.
    pub(super) fn tenant(&self) -> Option<&str> {
        self.tenant.as_ref().map(|tenant| tenant.get_ref().as_str())
    }

    /// The token endpoint alone: as written, or as the credential has it.
    pub(super) fn token_of(self, usual: Option<String>, report: &Report<'_>) -> Option<Endpoints> {
        let token = match &self.token {
            Some(written) => check_url(written, "token_endpoint", report)?,
            None => usual.unwrap_or_default(),
        };
        Some(Endpoints { token, ..Endpoints::default() })
    }

    /// All endpoints of `preset` in `cloud`.
    pub(super) fn fill(
        self,
        (preset, cloud, target): (&Preset, &Cloud, Target),
        section: &Section<'_>,
        report: &Report<'_>,
    ) -> Option<Endpoints> {
        let checked = |text: &Option<Spanned<String>>, key| match text {
            Some(text) => check_url(text, key, report).map(Some),
            None => Some(None),
        };
        let authorization = checked(&self.authorization, "authorization_endpoint")?;
        let device = checked(&self.device, "device_authorization_endpoint")?;
        let issuer = checked(&self.issuer, "issuer")?;
        let usual = match (&self.token, &issuer) {
            (Some(written), _) => {
                let token = check_url(written, "token_endpoint", report)?;
                beside(token, preset)
            }
            (None, Some(_)) => Endpoints::default(),
            (None, None) => self.templates(preset, cloud, section, report)?.of(target),
        };
        Some(Endpoints {
            token: usual.token,
            authorization: authorization.or(usual.authorization),
            device: device.or(usual.device),
            issuer,
        })
    }

    fn templates(
        &self,
        preset: &Preset,
        cloud: &Cloud,
        section: &Section<'_>,
        report: &Report<'_>,
    ) -> Option<Endpoints> {
        for (key, blank, value) in
            [("authority", "{authority}", &self.authority), ("tenant", "{tenant}", &self.tenant)]
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
        let authority = match &self.authority {
            Some(written) => check_url(written, "authority", report)?,
            None => cloud.authority.to_owned(),
        };
        let tenant = match preset.token_endpoint.contains("{tenant}") {
            true => check_tenant(self.tenant.as_ref(), section, report)?,
            false => String::new(),
        };
        let fill = |template: &str| {
            let url = template.replace("{authority}", authority.trim_end_matches('/'));
            url.replace("{tenant}", &tenant)
        };
        let some = |template: &str| Some(template).filter(|url| !url.is_empty()).map(fill);
        Some(Endpoints {
            token: fill(preset.token_endpoint),
            authorization: some(preset.authorization_endpoint),
            device: some(preset.device_endpoint),
            issuer: None,
        })
    }
}

impl Endpoints {
    /// Entra's endpoints of version 1.0 take resources, and lack a `/v2.0`.
    fn of(self, target: Target) -> Self {
        match target {
            Target::Scope => self,
            Target::Resource => {
                Self { token: self.token.replace("/oauth2/v2.0/", "/oauth2/"), ..self }
            }
        }
    }
}

/// The endpoints that stand beside a token endpoint that was written: Entra's have one folder.
fn beside(token: String, preset: &Preset) -> Endpoints {
    let folder = token.strip_suffix("/token").filter(|_| preset.house == House::Entra);
    Endpoints {
        authorization: folder.map(|folder| format!("{folder}/authorize")),
        device: folder.map(|folder| format!("{folder}/devicecode")),
        token,
        issuer: None,
    }
}

fn check_tenant(
    tenant: Option<&Spanned<String>>,
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
    Some(tenant.get_ref().clone())
}

/// A URL that client secrets may be sent to: https, or http where it never leaves this machine.
pub(super) fn check_url(text: &Spanned<String>, key: &str, report: &Report<'_>) -> Option<String> {
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
