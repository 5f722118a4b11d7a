//! Which directory a path of the authority addresses: the tenant, or one of the names that stand for many.

use super::aadsts::Refusal;
use crate::tenant::{Account, NationalCloud, Tenant};

/// The part of a path before the endpoint.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The cloud whose authority is asked.
    pub(super) cloud: NationalCloud,
    /// A tenant id, a domain, or `common`, `organizations`, `consumers`.
    pub(super) tenant: String,
}

/// Who may sign in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directory {
    /// The people of the tenant.
    Tenant,
    /// The people of any tenant.
    Organizations,
    /// Personal accounts.
    Consumers,
    /// Everybody.
    Common,
}

impl Place {
    /// The directory at this place, if it is in this cloud.
    pub(super) fn directory(&self, tenant: &Tenant) -> Result<Directory, Refusal> {
        let name = &self.tenant;
        match name.to_ascii_lowercase().as_str() {
            "organizations" => return Ok(Directory::Organizations),
            "consumers" => return Ok(Directory::Consumers),
            "common" => return Ok(Directory::Common),
            _ => {}
        }
        if !name.eq_ignore_ascii_case(&tenant.id) && !name.eq_ignore_ascii_case(&tenant.domain) {
            let text = format!(
                "Tenant '{name}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
            );
            return Err(Refusal::with_text(90_002, text));
        }
        if self.cloud != tenant.cloud {
            let text = format!(
                "The specified tenant '{name}' belongs to the National Cloud '{:?}'. Current cloud instance '{:?}' does not federate with it.",
                tenant.cloud, self.cloud
            );
            return Err(Refusal::with_text(90_038, text));
        }
        Ok(Directory::Tenant)
    }
}

impl Directory {
    /// Whether this account may sign in here.
    pub(super) fn admit(self, account: &Account) -> Result<(), Refusal> {
        let wanted = match self {
            Self::Common => return Ok(()),
            Self::Consumers => true,
            Self::Tenant | Self::Organizations => false,
        };
        if account.personal == wanted {
            return Ok(());
        }
        let provider = if account.personal { "live.com" } else { "Microsoft Entra ID" };
        let text = format!(
            "User account '{}' from identity provider '{provider}' does not exist in tenant '{self:?}' and cannot access the application in that tenant. The account needs to be added as an external user in the tenant first.",
            account.address
        );
        Err(Refusal::with_text(50_020, text))
    }
}
