//! OpenID Connect Discovery 1.0: an issuer tells its endpoints.

use serde::Deserialize;

use super::advice::{Class, Failure};
use super::{Application, Request, Response, endpoint};

const ADVICE: &str = "Correct issuer, or write the endpoints into the provider";

/// What an issuer says of itself (section 3).
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Metadata {
    issuer: String,
    token_endpoint: String,
    authorization_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
}

/// The request for the metadata of `issuer` (section 4.1), to be made by GET.
pub fn request(issuer: &str) -> Request {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    Request::new(&url, Vec::new())
}

impl Metadata {
    /// Reads the response of `issuer`.
    ///
    /// # Errors
    /// It is none, another issuer's (section 4.3), or leads where secrets would go in clear.
    pub fn read(issuer: &str, response: &Response) -> Result<Self, Failure> {
        let metadata: Self = endpoint::read(response)?;
        if metadata.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
            let meaning = "the issuer's metadata names another issuer";
            return Err(Failure::new(Class::Configure, meaning, ADVICE));
        }
        let urls = [
            Some(&metadata.token_endpoint),
            metadata.authorization_endpoint.as_ref(),
            metadata.device_authorization_endpoint.as_ref(),
        ];
        if urls.into_iter().flatten().any(|url| !url.starts_with("https://")) {
            let meaning = "the issuer's metadata names an endpoint without TLS";
            return Err(Failure::new(Class::Configure, meaning, ADVICE));
        }
        Ok(metadata)
    }

    /// The application with the endpoints that its configuration leaves open.
    pub fn complete(&self, application: &Application) -> Application {
        let mut complete = application.clone();
        if complete.token_endpoint.is_empty() {
            complete.token_endpoint.clone_from(&self.token_endpoint);
        }
        let or = |configured: &Option<String>, told: &Option<String>| {
            configured.clone().or_else(|| told.clone())
        };
        complete.authorization_endpoint =
            or(&application.authorization_endpoint, &self.authorization_endpoint);
        complete.device_endpoint =
            or(&application.device_endpoint, &self.device_authorization_endpoint);
        complete
    }
}
