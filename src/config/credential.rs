//! What an application proves itself by: secrets, a certificate, another authority's token, a
//! machine's identity, a service account, a program.

use std::fs::File;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::document::{Section, Words};
use super::problem::Report;
use super::secret::{Forms, Inline, exposure};
use crate::oauth::{
    Algorithm, Credential, Grant, ManagedIdentity, Platform, Proof, Secrets, ServiceAccount,
};
use crate::secret::Secret;
use crate::tls;

const ALGORITHMS: &Words<Algorithm> = &[("PS256", Algorithm::Ps256), ("RS256", Algorithm::Rs256)];

/// A credential, and where its tokens are had if it says so itself.
pub(super) struct Found {
    pub(super) credential: Credential,
    pub(super) token_endpoint: Option<String>,
}

impl Found {
    fn only(credential: Credential) -> Self {
        Self { credential, token_endpoint: None }
    }
}

/// Reads what `grant` needs; `None` where it isn't there or is of no use.
pub(super) fn read(
    grant: &Grant,
    client_id: Option<&str>,
    section: &mut Section<'_>,
    report: &Report<'_>,
) -> Option<Found> {
    match grant.proof {
        Proof::Client => client(section, report).or_else(|| {
            let title = format!("the grant {} needs a client secret or a certificate", grant.name);
            let label = "needs client_secret_file, client_certificate or federated_token_file";
            report.problem(section.span(), title, label);
            None
        }),
        Proof::ClientIfAny => client(section, report).or(Some(Credential::None)),
        Proof::ManagedIdentity => return managed_identity(client_id, section, report),
        Proof::ServiceAccount => return service_account(section, report),
        Proof::Program => program(section, report),
    }
    .map(Found::only)
}

/// `None` where nothing is given; [`Credential::None`] where what is given is of no use, which has
/// been said then.
fn client(section: &mut Section<'_>, report: &Report<'_>) -> Option<Credential> {
    let secret = Forms::take(section, "client_secret", report);
    let next = Forms::take(section, "client_secret_next", report);
    let certificate = section.file("client_certificate", report);
    let key = section.file("client_key", report);
    let algorithm = section.word("client_assertion_algorithm", ALGORITHMS, report);
    let token = section.file("federated_token_file", report);
    let spans = [
        secret.span().or_else(|| next.span()),
        certificate.as_ref().map(Spanned::span),
        token.as_ref().map(Spanned::span),
    ];
    let mut given = spans.into_iter().flatten();
    given.next()?;
    if let Some(second) = given.next() {
        let title = "the application proves itself in more than one way";
        report.problem(second, title, "one of secret, certificate and federated token is enough");
        return Some(Credential::None);
    }
    if let Some(certificate) = certificate {
        let key = key.unwrap_or_else(|| certificate.clone());
        let algorithm = algorithm.map_or(Algorithm::Ps256, Spanned::into_inner);
        return Some(signing(&certificate, &key, algorithm, report));
    }
    if let Some(token) = token {
        return Some(Credential::Federated(token.into_inner()));
    }
    let secrets = [("client_secret", secret), ("client_secret_next", next)];
    let read = secrets
        .into_iter()
        .filter_map(|(name, forms)| forms.resolve(name, Inline::Discouraged, report))
        .map(Spanned::into_inner);
    Some(Credential::Secrets(Secrets::new(read.collect())))
}

fn signing(
    certificate: &Spanned<PathBuf>,
    key: &Spanned<PathBuf>,
    algorithm: Algorithm,
    report: &Report<'_>,
) -> Credential {
    let exposed = File::open(key.get_ref()).ok().and_then(|file| exposure(&file, key.get_ref()));
    if let Some(chmod) = exposed {
        report.problem(key.span(), "the private key can be read by everyone", chmod);
    }
    match tls::assertion_certificate(certificate.get_ref(), key.get_ref(), algorithm) {
        Ok(certificate) => Credential::Certificate(certificate),
        Err(error) => {
            let about_key = error.path == *key.get_ref();
            let span = if about_key { key.span() } else { certificate.span() };
            report.problem(span, format!("no client certificate: {error}"), "this file");
            Credential::None
        }
    }
}

const PLATFORMS: &Words<Host> =
    &[("imds", Host::Imds), ("app_service", Host::AppService), ("arc", Host::Arc)];

#[derive(Clone, Copy)]
enum Host {
    Imds,
    AppService,
    Arc,
}

/// What this process runs on, by the variables that Azure sets there.
fn here() -> Host {
    let set = |name| std::env::var_os(name).is_some();
    match (set("IDENTITY_ENDPOINT"), set("IDENTITY_HEADER"), set("IMDS_ENDPOINT")) {
        (true, true, _) => Host::AppService,
        (true, false, true) => Host::Arc,
        _ => Host::Imds,
    }
}

fn managed_identity(
    client_id: Option<&str>,
    section: &mut Section<'_>,
    report: &Report<'_>,
) -> Option<Found> {
    let host = section.word("platform", PLATFORMS, report).map_or_else(here, Spanned::into_inner);
    let object_id = section.text("object_id", report).map(Spanned::into_inner);
    let resource_id = section.text("resource_id", report).map(Spanned::into_inner);
    let variable = |name| std::env::var(name).ok();
    let resource_name = match host {
        Host::Imds => "msi_res_id",
        Host::AppService | Host::Arc => "mi_res_id",
    };
    let identity = client_id
        .map(|id| ("client_id", id.to_owned()))
        .or_else(|| object_id.map(|id| ("object_id", id)))
        .or_else(|| resource_id.map(|id| (resource_name, id)));
    let (platform, usual) = match host {
        Host::Imds => (Platform::Imds, "http://169.254.169.254/metadata/identity/oauth2/token"),
        Host::Arc => (
            Platform::Arc { keys: arc_keys() },
            "http://localhost:40342/metadata/identity/oauth2/token",
        ),
        Host::AppService => {
            let Some(header) = variable("IDENTITY_HEADER") else {
                let title = "App Service hasn't set IDENTITY_HEADER";
                report.problem(section.span(), title, "give the app an identity, or set platform");
                return None;
            };
            (Platform::AppService { header: Secret::new(header) }, "")
        }
    };
    let told = variable("IDENTITY_ENDPOINT").filter(|_| !matches!(host, Host::Imds));
    Some(Found {
        credential: Credential::ManagedIdentity(ManagedIdentity { platform, identity }),
        token_endpoint: Some(told.unwrap_or_else(|| usual.to_owned())),
    })
}

/// Where Arc's agent keeps its keys.
fn arc_keys() -> PathBuf {
    match std::env::var_os("ProgramData").filter(|_| cfg!(windows)) {
        Some(folder) => PathBuf::from(folder).join("AzureConnectedMachineAgent").join("Tokens"),
        None => PathBuf::from("/var/opt/azcmagent/tokens"),
    }
}

/// The key file of a Google service account, as Google hands it out.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: Secret<String>,
    private_key_id: String,
    token_uri: Option<String>,
}

fn service_account(section: &mut Section<'_>, report: &Report<'_>) -> Option<Found> {
    let forms = Forms::take(section, "service_account", report);
    if forms.is_empty() {
        let title = "the grant service_account needs the account's key";
        report.problem(
            section.span(),
            title,
            "needs service_account_file, the JSON that Google gives",
        );
        return None;
    }
    let text = forms.resolve("service_account", Inline::Discouraged, report)?;
    let span = text.span();
    let complain = |title: String| {
        report.problem(span.clone(), title, "the JSON file that Google gives for a key");
        None
    };
    // serde_json's own words would quote from the key.
    let Ok(file) = serde_json::from_str::<KeyFile>(text.get_ref().reveal()) else {
        return complain("this is no service account's key".to_owned());
    };
    match tls::signer_of_pem(&file.private_key_id, file.private_key.reveal()) {
        Ok(signer) => {
            let (email, key_id) = (file.client_email, file.private_key_id);
            let account = ServiceAccount { email, key_id, signer };
            let credential = Credential::ServiceAccount(account);
            Some(Found { credential, token_endpoint: file.token_uri })
        }
        Err(reason) => complain(format!("the service account's key is of no use: {reason}")),
    }
}

fn program(section: &mut Section<'_>, report: &Report<'_>) -> Option<Credential> {
    let words = section.texts("command", report).unwrap_or_default();
    if words.first().is_none_or(|program| program.get_ref().is_empty()) {
        let title = "the grant command needs a program that prints an access token";
        report.problem(section.span(), title, "command = [\"program\", \"{mailbox}\"]");
        return None;
    }
    Some(Credential::Program(words.into_iter().map(Spanned::into_inner).collect()))
}
