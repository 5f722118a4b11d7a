//! The refresh token grant (RFC 6749 section 6): a person signed in once, the rest is renewal.

use super::advice::{Class, Failure};
use super::endpoint::{Inquiry, request};
use super::{Application, Ask, Exchange, Grant, Need, Owner};

pub(super) const GRANT: Grant =
    Grant { name: "refresh_token", owner: Owner::Mailbox, client_secret: Need::Optional, begin };

fn begin(application: &Application, ask: &Ask) -> Result<Box<dyn Exchange>, Failure> {
    let Some(token) = &ask.refresh_token else {
        return Err(Failure::new(
            Class::SignIn,
            "nobody has signed in for it yet",
            "Sign in with the mailbox's account, or give its refresh token in the configuration",
        ));
    };
    let mut request = request(application, GRANT.name, &ask.scope);
    request.form.push(("refresh_token", token.clone()));
    Ok(Box::new(Inquiry::new(request)))
}
