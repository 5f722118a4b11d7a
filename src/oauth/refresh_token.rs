//! The refresh token grant (RFC 6749 section 6): a person signed in once, the rest is renewal.

use std::sync::Arc;

use super::advice::{Class, Failure};
use super::inquiry::Inquiry;
use super::{Application, Ask, Exchange, Grant, Owner, Proof, Seed};

pub(super) const GRANT: Grant = Grant {
    name: "refresh_token",
    owner: Owner::Mailbox,
    proof: Proof::ClientIfAny,
    seed: Seed::RefreshToken,
    begin,
    sign_in: None,
};

/// How every grant goes on after its sign-in.
pub(super) fn begin(
    application: &Arc<Application>,
    ask: &Ask,
) -> Result<Box<dyn Exchange>, Failure> {
    let Some(token) = &ask.refresh_token else {
        return Err(Failure::new(
            Class::SignIn,
            "nobody has signed in for it yet",
            "Sign in with the mailbox's account, or give its refresh token in the configuration",
        ));
    };
    let fields = vec![("refresh_token", token.clone())];
    let inquiry = Inquiry::new(application, GRANT.name, &ask.scope, &ask.entropy, fields);
    Ok(Box::new(inquiry))
}
