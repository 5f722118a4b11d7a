//! The client credentials grant (RFC 6749 section 4.4): the application asks for itself.

use super::advice::{Class, Failure};
use super::endpoint::{Inquiry, request};
use super::{Application, Ask, Exchange, Grant, Need, Owner};

pub(super) const GRANT: Grant = Grant {
    name: "client_credentials",
    owner: Owner::Application,
    client_secret: Need::Required,
    begin,
};

fn begin(application: &Application, ask: &Ask) -> Result<Box<dyn Exchange>, Failure> {
    if application.client_secret.is_none() {
        return Err(Failure::new(
            Class::Configure,
            "the grant client_credentials needs a client secret, and there is none",
            "Add the application's client secret to the provider",
        ));
    }
    Ok(Box::new(Inquiry::new(request(application, GRANT.name, &ask.scope))))
}
