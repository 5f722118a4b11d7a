//! Microsoft's personal accounts: outlook.com, hotmail.com, live.com.

use super::{Cloud, Upstream};
use crate::proto::Security;

/// What the tenant `consumers` leads to. There are no applications that act for themselves, and
/// submission has a host of its own.
pub(super) const CLOUD: Cloud = Cloud {
    name: "consumers",
    authority: "https://login.microsoftonline.com",
    resource: "https://outlook.office.com",
    graph: "https://graph.microsoft.com",
    services: &[
        Upstream {
            protocol: "imap",
            host: "outlook.office365.com",
            port: 993,
            security: Security::Implicit,
            application_scope: "",
            mailbox_scope: "https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
        },
        Upstream {
            protocol: "smtp",
            host: "smtp-mail.outlook.com",
            port: 587,
            security: Security::StartTls,
            application_scope: "",
            mailbox_scope: "https://outlook.office.com/SMTP.Send offline_access",
        },
        Upstream {
            protocol: "pop3",
            host: "outlook.office365.com",
            port: 995,
            security: Security::Implicit,
            application_scope: "",
            mailbox_scope: "https://outlook.office.com/POP.AccessAsUser.All offline_access",
        },
    ],
};
