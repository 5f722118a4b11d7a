//! A provider: where a mailbox's mail lives, and how its tokens are obtained.

use std::sync::Arc;

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

impl Provider {
    /// The upstream for `protocol`, if there is one.
    pub fn service(&self, protocol: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.protocol == protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

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
                client_secret: Some(Secret::from("hunter2")),
            }),
            grant: Grant::named("client_credentials").unwrap(),
            services: vec![service("imap", "imap.example"), service("smtp", "smtp.example")],
        }
    }

    #[test]
    fn a_service_is_found_by_its_protocol() {
        assert_eq!(provider().service("smtp").unwrap().host, "smtp.example");
        assert!(provider().service("pop3").is_none());
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", provider()).contains("hunter2"));
    }
}
