//! The client credentials grant (RFC 6749 section 4.4): the application asks for itself.

use std::sync::Arc;

use super::advice::{Class, Failure};
use super::inquiry::Inquiry;
use super::{Application, Ask, Credential, Exchange, Grant, Owner, Proof, Seed};

pub(super) const GRANT: Grant = Grant {
    name: "client_credentials",
    owner: Owner::Application,
    proof: Proof::Client,
    seed: Seed::None,
    begin,
    sign_in: None,
};

fn begin(application: &Arc<Application>, ask: &Ask) -> Result<Box<dyn Exchange>, Failure> {
    match application.credential {
        Credential::Secrets(_) | Credential::Certificate(_) | Credential::Federated(_) => Ok(
            Box::new(Inquiry::new(application, GRANT.name, &ask.scope, &ask.entropy, Vec::new())),
        ),
        _ => Err(Failure::new(
            Class::Configure,
            "the grant client_credentials needs a secret or a certificate, and there is none",
            "Add the application's client secret or certificate to the provider",
        )),
    }
}
