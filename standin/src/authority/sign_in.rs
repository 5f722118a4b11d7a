//! A person at a page: account, password, and the button that was pressed.

use serde::Deserialize;

use super::directory::Directory;
use crate::cloud::Cloud;
use crate::tenant::Tenant;

/// The form of a sign-in page.
#[derive(Deserialize)]
pub(super) struct Attempt {
    #[serde(default)]
    pub(super) login: String,
    #[serde(default)]
    passwd: String,
    #[serde(default)]
    choice: String,
    /// On the page of the device grant.
    #[serde(default)]
    pub(super) user_code: String,
}

/// What an attempt comes to.
pub(super) enum Verdict {
    /// The address as the tenant spells it.
    SignedIn(String),
    /// The person pressed the other button.
    Declined,
    /// What the page says, to try again.
    Wrong(String),
}

impl Attempt {
    /// Enter presses no button and means yes.
    pub(super) fn judge(&self, cloud: &Cloud, tenant: &Tenant, directory: Directory) -> Verdict {
        if matches!(self.choice.as_str(), "cancel" | "decline") {
            return Verdict::Declined;
        }
        let Some(account) = tenant.mailbox(self.login.trim()) else {
            return Verdict::Wrong("This username may be incorrect.".into());
        };
        if account.password.as_deref() != Some(&self.passwd) {
            return Verdict::Wrong("Your account or password is incorrect.".into());
        }
        if let Err(refusal) = directory.admit(account) {
            return Verdict::Wrong(refusal.sentence());
        }
        cloud.counters.sign_ins.increment();
        Verdict::SignedIn(account.address.clone())
    }
}
