//! A provider: where a mailbox's mail lives, and how its tokens are obtained.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::oauth::{Application, Grant};
use crate::proto::Security;

/// A mail provider as one application registration sees it.
#[derive(Debug)]
pub struct Provider {
    /// Its name in the configuration.
    pub name: String,
    /// Who gatepost is to the authority.
    pub application: Arc<Application>,
    /// How access tokens are obtained.
    pub grant: &'static Grant,
    /// Its upstreams, at most one a protocol.
    pub services: Vec<Service>,
    /// Its Microsoft Graph, if it has one.
    pub graph: Option<GraphService>,
}

/// A provider's Microsoft Graph, as far as it sends mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphService {
    /// What its paths, which begin with `/v1.0/`, are put behind: a URL with a host.
    pub endpoint: Url,
    /// What to request for it: scope values between single spaces.
    pub scope: String,
    /// How messages go out.
    pub sending: Sending,
}

/// How messages go out through Graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Each in one request.
    AtOnce,
    /// Those too large for one request as drafts, to which files are uploaded.
    Drafts,
}

/// A provider's upstream of one protocol.
#[derive(Debug)]
pub struct Service {
    /// The protocol's name, as in [`PROTOCOLS`](crate::proto::PROTOCOLS).
    pub protocol: &'static str,
    /// The name to dial and to verify the certificate against.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How the connection is secured.
    pub security: Security,
    /// What to request for it: scope values between single spaces (RFC 6749 section 3.3). Protocols
    /// with the same string share a token.
    pub scope: String,
}

/// What a sign-in asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The scopes of all services, which may be of several resources.
    pub all: String,
    /// Those of one resource, for the token that the sign-in ends with; the others are had by its
    /// refresh token.
    pub first: String,
}

/// How much of its life an access token must have left when it opens a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Margin {
    /// More than half of it: the session ends with its token.
    Half,
    /// This much.
    Least(Duration),
}

/// Enough for dial and login, and for the clocks of three machines; a session outlives its token.
const LOGIN: Margin = Margin::Least(Duration::from_secs(5 * 60));

/// Exchange's high volume service refuses tokens that end within ten minutes: `501 5.5.127 … Token will
/// expire soon error`.
const HIGH_VOLUME: Margin = Margin::Least(Duration::from_secs(15 * 60));

/// The names of Exchange's high volume service, the second one to replace the first.
const HIGH_VOLUME_HOSTS: [&str; 2] = ["smtp-hve.office365.com", "smtp.hve.mx.microsoft"];

impl Service {
    /// How fresh a token its sessions begin with. Exchange cuts an IMAP session when its token ends.
    pub fn margin(&self) -> Margin {
        let is_high_volume =
            HIGH_VOLUME_HOSTS.iter().any(|host| host.eq_ignore_ascii_case(&self.host));
        match self.protocol {
            "imap" => Margin::Half,
            _ if is_high_volume => HIGH_VOLUME,
            _ => LOGIN,
        }
    }
}

impl Provider {
    /// What a sign-in has to ask for, so that its refresh token serves every service.
    pub fn consent(&self) -> Consent {
        let services = self.services.iter().map(|service| service.scope.as_str());
        let scopes = services.chain([self.application.sign_in_scope.as_str()]);
        let mut all: Vec<&str> = Vec::new();
        for word in scopes.flat_map(str::split_whitespace) {
            if !all.contains(&word) {
                all.push(word);
            }
        }
        let resource = all.iter().find_map(|word| resource_of(word));
        let alike = |word: &&str| resource_of(word).is_none_or(|other| Some(other) == resource);
        let first: Vec<&str> = all.iter().copied().filter(alike).collect();
        Consent { all: all.join(" "), first: first.join(" ") }
    }

    /// The upstream for `protocol`, if there is one.
    pub fn service(&self, protocol: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.protocol == protocol)
    }
}

/// The resource that a scope names, where it is a URL.
fn resource_of(scope: &str) -> Option<&str> {
    scope.split_once("://")?;
    scope.rsplit_once('/').map(|(resource, _)| resource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::Credential;

    fn service(protocol: &'static str, host: &str) -> Service {
        let scope = "https://outlook.office365.com/.default".to_owned();
        Service { protocol, host: host.to_owned(), port: 993, security: Security::Implicit, scope }
    }

    fn provider() -> Provider {
        Provider {
            name: "contoso".to_owned(),
            application: Arc::new(Application {
                token_endpoint: "https://login.microsoftonline.com/t/oauth2/v2.0/token".to_owned(),
                client_id: "app".to_owned(),
                credential: Credential::secret("hunter2"),
                ..Application::default()
            }),
            grant: Grant::named("client_credentials").unwrap(),
            services: vec![service("imap", "imap.example"), service("smtp", "smtp.example")],
            graph: None,
        }
    }

    #[test]
    fn a_service_is_found_by_its_protocol() {
        assert_eq!(provider().service("smtp").unwrap().host, "smtp.example");
        assert!(provider().service("pop3").is_none());
    }

    #[test]
    fn sessions_begin_with_a_token_as_fresh_as_their_service_needs_it() {
        let least = |minutes: u64| Margin::Least(Duration::from_secs(minutes * 60));
        for (protocol, host, margin) in [
            ("imap", "outlook.office365.com", Margin::Half),
            ("pop3", "outlook.office365.com", least(5)),
            ("smtp", "smtp.office365.com", least(5)),
            ("smtp", "SMTP-HVE.office365.com", least(15)),
            ("smtp", "smtp.hve.mx.microsoft", least(15)),
        ] {
            assert_eq!(service(protocol, host).margin(), margin, "{host}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", provider()).contains("hunter2"));
    }
}
