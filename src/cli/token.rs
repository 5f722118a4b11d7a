//! `gatepost token`: an access token for other programs, or what one says.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use url::Url;

use super::doctor::chosen;
use super::facts::Facts;
use super::run::runtime;
use super::{Arguments, Exit, Failure};
use crate::daemon::engine;
use crate::mailbox::{Mailbox, Margin};
use crate::oauth::claims::{Claims, Expected};
use crate::oauth::{self, Class, Owner};
use crate::tokens::Bearer;

/// What is wanted.
pub(super) struct Ask<'a> {
    /// The address or user of a mailbox.
    pub(super) mailbox: &'a str,
    /// For which resource; the mail's without it.
    pub(super) resource: Option<&'a str>,
    pub(super) form: Form,
    pub(super) show: Show,
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// The token itself.
    Token,
    /// What it says, which is no secret.
    Claims,
}

/// The version of the JSON form. Fields may be added to it; what is there stays.
const VERSION: u32 = 1;

/// Exchange in each cloud, and its Graph.
const GRAPHS: &[(&str, &str)] = &[
    ("https://outlook.office365.us", "https://graph.microsoft.us"),
    ("https://partner.outlook.cn", "https://microsoftgraph.chinacloudapi.cn"),
];
const GRAPH: &str = "https://graph.microsoft.com";
const EXCHANGE: &str = "https://outlook.office365.com";

/// Prints a token for the mailbox, or its claims.
///
/// # Errors
/// The authority's no, with what to do.
pub(super) fn token(arguments: &Arguments, ask: &Ask<'_>) -> Result<(), Failure> {
    let config = arguments.load()?;
    let mailbox = chosen(&config, Some(ask.mailbox))?.swap_remove(0);
    let scope = scope(&mailbox, ask.resource)?;
    let (tokens, _) = engine(&config)?;
    let bearer = runtime()?.block_on(async {
        let owner = mailbox.owner();
        let (provider, address, seed) = (&mailbox.provider, &owner.address, owner.seed());
        let inquiry = tokens.inquire(provider, address, seed, &scope, Margin::Half).await;
        tokens.finish().await;
        inquiry.map_err(|failure| refused(owner, &failure))
    })?;
    let text = match (ask.form, ask.show) {
        (Form::Text, Show::Token) => format!("{}\n", bearer.token.reveal()),
        (Form::Text, Show::Claims) => told(&mailbox, &bearer)?,
        (Form::Json, show) => document(&mailbox, &bearer, &scope, show)?,
    };
    io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::new(Exit::System, error))
}

fn refused(mailbox: &Mailbox, failure: &oauth::Failure) -> Failure {
    let hint = match failure.class {
        Class::SignIn if mailbox.provider.grant.owner == Owner::Mailbox => {
            format!("\nTo sign in: gatepost login {}", mailbox.address)
        }
        _ => String::new(),
    };
    Failure::new(exit_of(failure.class), format!("{}: {failure}{hint}", mailbox.address))
}

/// What a program ends with that got no token.
pub(super) fn exit_of(class: Class) -> Exit {
    match class {
        Class::Retry => Exit::TryAgain,
        Class::SignIn | Class::Policy => Exit::Denied,
        Class::Configure => Exit::Config,
    }
}

/// What to ask for: the mail's own scopes, a resource by its short name or URL, or a scope as written.
fn scope(mailbox: &Mailbox, resource: Option<&str>) -> Result<String, Failure> {
    let own = mail_scope(mailbox);
    let exchange = origin(&own).unwrap_or_else(|| EXCHANGE.to_owned());
    let personal = mailbox.provider.grant.owner == Owner::Mailbox;
    let offline = |scope: String| if personal { scope + " offline_access" } else { scope };
    match resource {
        None => Ok(own),
        Some("exchange") => Ok(offline(format!("{exchange}/.default"))),
        Some("ews") if personal => Ok(offline(format!("{exchange}/EWS.AccessAsUser.All"))),
        Some("ews") => Ok(format!("{exchange}/.default")),
        Some("graph") => {
            let known = GRAPHS.iter().find(|(cloud, _)| *cloud == exchange);
            let graph = known.map_or(GRAPH, |(_, graph)| graph);
            Ok(offline(format!("{graph}/.default")))
        }
        Some(scope) if scope.contains(char::is_whitespace) => Ok(scope.to_owned()),
        Some(url) => match Url::parse(url) {
            Ok(parsed) if parsed.path().trim_matches('/').is_empty() => {
                Ok(offline(format!("{}/.default", url.trim_end_matches('/'))))
            }
            Ok(_) => Ok(url.to_owned()),
            Err(_) => Err(Failure::new(
                Exit::Usage,
                format!("{url:?} is no resource: exchange, graph, ews, or a URL"),
            )),
        },
    }
}

/// The scopes of all the mailbox's services that are of one resource with the first.
fn mail_scope(mailbox: &Mailbox) -> String {
    let services = &mailbox.provider.services;
    let first = services.first().map(|service| origin(&service.scope));
    let mut words: Vec<&str> = Vec::new();
    for service in services.iter().filter(|service| Some(origin(&service.scope)) == first) {
        for word in service.scope.split_whitespace() {
            if !words.contains(&word) {
                words.push(word);
            }
        }
    }
    words.join(" ")
}

/// The resource of the first scope that names one.
fn origin(scope: &str) -> Option<String> {
    let url = scope.split_whitespace().find_map(|word| Url::parse(word).ok())?;
    let host = url.host_str()?;
    Some(format!("{}://{host}", url.scheme()))
}

fn document(
    mailbox: &Mailbox,
    bearer: &Bearer,
    scope: &str,
    show: Show,
) -> Result<String, Failure> {
    let seconds = bearer.expires_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let left = bearer.expires_at.duration_since(SystemTime::now()).unwrap_or_default().as_secs();
    let mut document = json!({
        "version": VERSION,
        "mailbox": mailbox.address,
        "scope": scope,
        "expires_at": seconds,
        "expires_in": left,
    });
    match show {
        Show::Token => document["access_token"] = Value::from(bearer.token.reveal().as_str()),
        Show::Claims => {
            let claims = Claims::read(&bearer.token).ok_or_else(opaque)?;
            document["claims"] =
                claims.rows().map(|(name, value, _)| (name.to_owned(), value.clone())).collect();
        }
    }
    Ok(format!("{document:#}\n"))
}

/// The claims with their notes, then what each protocol will make of them.
fn told(mailbox: &Mailbox, bearer: &Bearer) -> Result<String, Failure> {
    let claims = Claims::read(&bearer.token).ok_or_else(opaque)?;
    let mut text = String::new();
    for (name, value, note) in claims.rows() {
        let value = match (claims.time(name), value) {
            (Some(time), _) if ["iat", "nbf", "exp"].contains(&name) => {
                httpdate::fmt_http_date(time)
            }
            (_, Value::String(value)) => value.clone(),
            (_, value) => value.to_string(),
        };
        let value: String = value.chars().filter(|c| !c.is_control()).collect();
        let note = note.map(|note| format!("\n              {note}")).unwrap_or_default();
        // A String takes all that is written to it.
        let _ = writeln!(text, "{name:13} {value}{note}");
    }
    for service in &mailbox.provider.services {
        let (protocol, host) = (service.protocol, service.host.as_str());
        let expected =
            Expected { protocol, host, mailbox: &mailbox.owner().address, now: SystemTime::now() };
        let mut facts = Facts::of(mailbox);
        facts.learn(&claims, &expected);
        for finding in expected.of(&claims) {
            let (meaning, advice) = (facts.text(finding.meaning), facts.text(finding.advice));
            let _ = writeln!(text, "\n{protocol}: the token {meaning}.\n  -> {advice}.");
        }
    }
    Ok(text)
}

fn opaque() -> Failure {
    let text = "the token is opaque: only its resource can read it, so there are no claims to show";
    Failure::new(Exit::Data, text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mailbox::{Provider, Service};
    use crate::oauth::{Application, Grant};
    use crate::proto::Security;

    fn mailbox(grant: &str, scopes: &[&str]) -> Mailbox {
        let service = |scope: &&str| Service {
            protocol: "imap",
            host: "outlook.office365.com".into(),
            port: 993,
            security: Security::Implicit,
            scope: (*scope).to_owned(),
        };
        let application = Application { client_id: "app".into(), ..Application::default() };
        let provider = Provider {
            name: "contoso".into(),
            application: Arc::new(application),
            grant: Grant::named(grant).unwrap(),
            services: scopes.iter().map(service).collect(),
        };
        Mailbox::new("scanner@contoso.example", Arc::new(provider))
    }

    #[test]
    fn resources_become_scopes() {
        let app = mailbox("client_credentials", &["https://outlook.office365.com/.default"]);
        let person = mailbox(
            "refresh_token",
            &[
                "https://outlook.office365.us/IMAP.AccessAsUser.All offline_access",
                "https://outlook.office365.us/SMTP.Send offline_access",
                "https://graph.microsoft.us/Mail.Send offline_access",
            ],
        );
        for (mailbox, resource, expected) in [
            (&app, None, "https://outlook.office365.com/.default"),
            (&app, Some("exchange"), "https://outlook.office365.com/.default"),
            (&app, Some("ews"), "https://outlook.office365.com/.default"),
            (&app, Some("graph"), "https://graph.microsoft.com/.default"),
            (&app, Some("https://vault.example/"), "https://vault.example/.default"),
            (&app, Some("https://x.example/Mail.Read"), "https://x.example/Mail.Read"),
            (
                &person,
                None,
                "https://outlook.office365.us/IMAP.AccessAsUser.All offline_access https://outlook.office365.us/SMTP.Send",
            ),
            (&person, Some("exchange"), "https://outlook.office365.us/.default offline_access"),
            (
                &person,
                Some("ews"),
                "https://outlook.office365.us/EWS.AccessAsUser.All offline_access",
            ),
            (&person, Some("graph"), "https://graph.microsoft.us/.default offline_access"),
            (&person, Some("openid profile"), "openid profile"),
        ] {
            assert_eq!(scope(mailbox, resource).unwrap(), expected, "{resource:?}");
        }
        assert_eq!(scope(&app, Some("grpah")).unwrap_err().exit, Exit::Usage);
    }
}
