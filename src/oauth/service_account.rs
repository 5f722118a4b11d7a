//! A Google service account with domain-wide delegation: its key signs an assertion that speaks for a
//! mailbox (RFC 7523 section 2.1).

use std::sync::Arc;
use std::time::SystemTime;

use super::advice::{Class, Failure};
use super::{
    Application, Ask, Credential, Exchange, Grant, Owner, Proof, Reply, Request, Seed,
    ServiceAccount, Wish, assertion, endpoint,
};
use crate::secret::Secret;

pub(super) const GRANT: Grant = Grant {
    name: "service_account",
    owner: Owner::Unattended,
    proof: Proof::ServiceAccount,
    seed: Seed::None,
    begin,
    sign_in: None,
};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

const DELEGATION: &str = "In the Admin console allow the service account's client id this scope \
                          (Security, API controls, Domain-wide delegation), and check that the mailbox exists";

fn begin(application: &Arc<Application>, ask: &Ask) -> Result<Box<dyn Exchange>, Failure> {
    let Credential::ServiceAccount(account) = &application.credential else {
        return Err(Failure::new(
            Class::Configure,
            "the grant service_account needs the key of a service account, and there is none",
            "Add service_account_file to the provider",
        ));
    };
    Ok(Box::new(Delegation {
        application: Arc::clone(application),
        account: account.clone(),
        mailbox: ask.mailbox.clone(),
        scope: ask.scope.clone(),
        told: Vec::new(),
    }))
}

struct Delegation {
    application: Arc<Application>,
    account: ServiceAccount,
    mailbox: String,
    scope: String,
    told: Vec<(&'static str, Secret<String>)>,
}

impl Exchange for Delegation {
    fn advance(&mut self, now: SystemTime, reply: Option<Reply>) -> Result<Wish, Failure> {
        match reply {
            Some(Reply::Failed(failure)) => Err(failure),
            Some(Reply::Http(response)) => {
                endpoint::judge(now, &response, &self.told).map(Wish::Granted).map_err(no_sign_in)
            }
            _ => {
                let subject = (self.mailbox.as_str(), self.scope.as_str());
                let assertion =
                    assertion::service_account(&self.account, &self.application, subject, now)?;
                self.told =
                    vec![("grant_type", Secret::from(GRANT_TYPE)), ("assertion", assertion)];
                Ok(Wish::Post(Request::new(&self.application.token_endpoint, self.told.clone())))
            }
        }
    }
}

/// There is nobody who could sign in: what asks for that is the delegation's fault.
fn no_sign_in(failure: Failure) -> Failure {
    match failure.class {
        Class::SignIn => Failure { class: Class::Configure, advice: DELEGATION.into(), ..failure },
        _ => failure,
    }
}
