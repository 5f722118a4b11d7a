//! The password grant (RFC 6749 section 4.3): for accounts that no person signs in to, such as those
//! of Exchange's high volume service, and for clouds that know no better way.

use std::sync::Arc;

use super::advice::{Class, Failure};
use super::inquiry::Inquiry;
use super::{Application, Ask, Exchange, Grant, Owner, Proof, Seed};
use crate::secret::Secret;

pub(super) const GRANT: Grant = Grant {
    name: "password",
    owner: Owner::Unattended,
    proof: Proof::ClientIfAny,
    seed: Seed::Password,
    begin,
    sign_in: None,
};

fn begin(application: &Arc<Application>, ask: &Ask) -> Result<Box<dyn Exchange>, Failure> {
    let Some(password) = &ask.password else {
        return Err(Failure::new(
            Class::Configure,
            "the grant password needs the mailbox's password at its provider, and there is none",
            "Add provider_password_file to the mailbox",
        ));
    };
    let fields =
        vec![("username", Secret::from(ask.mailbox.as_str())), ("password", password.clone())];
    let inquiry = Inquiry::new(application, GRANT.name, &ask.scope, &ask.entropy, fields);
    Ok(Box::new(inquiry))
}
