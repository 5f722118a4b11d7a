//! Exchange Online and its high volume service, in Microsoft's clouds.

use super::{Cloud, House, Preset, Upstream};
use crate::proto::Security;

/// The upstreams of one cloud. Delegated scopes ask for one protocol each, so that an application
/// which was granted only one still works. Never 465: Exchange Online doesn't listen there.
macro_rules! services {
    ($resource:literal, $imap:literal, $smtp:literal) => {
        &[
            Upstream {
                protocol: "imap",
                host: $imap,
                port: 993,
                security: Security::Implicit,
                application_scope: concat!($resource, "/.default"),
                mailbox_scope: concat!($resource, "/IMAP.AccessAsUser.All offline_access"),
            },
            Upstream {
                protocol: "smtp",
                host: $smtp,
                port: 587,
                security: Security::StartTls,
                application_scope: concat!($resource, "/.default"),
                mailbox_scope: concat!($resource, "/SMTP.Send offline_access"),
            },
            Upstream {
                protocol: "pop3",
                host: $imap,
                port: 995,
                security: Security::Implicit,
                application_scope: concat!($resource, "/.default"),
                mailbox_scope: concat!($resource, "/POP.AccessAsUser.All offline_access"),
            },
        ]
    };
}

const TOKEN_ENDPOINT: &str = "{authority}/{tenant}/oauth2/v2.0/token";
const AUTHORIZATION_ENDPOINT: &str = "{authority}/{tenant}/oauth2/v2.0/authorize";
const DEVICE_ENDPOINT: &str = "{authority}/{tenant}/oauth2/v2.0/devicecode";
const GLOBAL_AUTHORITY: &str = "https://login.microsoftonline.com";
const US_AUTHORITY: &str = "https://login.microsoftonline.us";

/// A browser is often signed in with another account than the mailbox's.
const AUTHORIZE: &[(&str, &str)] = &[("prompt", "select_account")];
const SIGN_IN_SCOPE: &str = "openid profile offline_access";

/// Exchange Online.
pub(super) const MICROSOFT: Preset = Preset {
    name: "microsoft",
    house: House::Entra,
    clouds: &[
        Cloud {
            name: "global",
            authority: GLOBAL_AUTHORITY,
            resource: "https://outlook.office365.com",
            graph: "https://graph.microsoft.com",
            services: services!(
                "https://outlook.office365.com",
                "outlook.office365.com",
                "smtp.office365.com"
            ),
        },
        Cloud {
            name: "gcc-high",
            authority: US_AUTHORITY,
            resource: "https://outlook.office365.us",
            graph: "https://graph.microsoft.us",
            services: services!(
                "https://outlook.office365.us",
                "outlook.office365.us",
                "smtp.office365.us"
            ),
        },
        Cloud {
            name: "dod",
            authority: US_AUTHORITY,
            resource: "https://outlook.office365.us",
            graph: "https://dod-graph.microsoft.us",
            services: services!(
                "https://outlook.office365.us",
                "outlook-dod.office365.us",
                "outlook-dod.office365.us"
            ),
        },
        Cloud {
            name: "china",
            authority: "https://login.partner.microsoftonline.cn",
            resource: "https://partner.outlook.cn",
            graph: "https://microsoftgraph.chinacloudapi.cn",
            services: services!(
                "https://partner.outlook.cn",
                "partner.outlook.cn",
                "smtp.partner.outlook.cn"
            ),
        },
    ],
    token_endpoint: TOKEN_ENDPOINT,
    authorization_endpoint: AUTHORIZATION_ENDPOINT,
    device_endpoint: DEVICE_ENDPOINT,
    authorize: AUTHORIZE,
    sign_in_scope: SIGN_IN_SCOPE,
};

/// High volume email: submission to the own organisation. Its former name, smtp-hve.office365.com, is
/// still there.
pub(super) const HVE: Preset = Preset {
    name: "hve",
    house: House::Entra,
    clouds: &[Cloud {
        name: "global",
        authority: GLOBAL_AUTHORITY,
        resource: "https://outlook.office.com",
        graph: "",
        services: &[Upstream {
            protocol: "smtp",
            host: "smtp.hve.mx.microsoft",
            port: 587,
            security: Security::StartTls,
            application_scope: "https://outlook.office.com/.default",
            mailbox_scope: "https://outlook.office.com/.default offline_access",
        }],
    }],
    token_endpoint: TOKEN_ENDPOINT,
    authorization_endpoint: AUTHORIZATION_ENDPOINT,
    device_endpoint: DEVICE_ENDPOINT,
    authorize: AUTHORIZE,
    sign_in_scope: SIGN_IN_SCOPE,
};
