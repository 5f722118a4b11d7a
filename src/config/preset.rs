//! What is known of providers beforehand. A provider is one row.

use crate::oauth::Owner;
use crate::proto::Security;

/// What a preset fills in; the configuration may override all of it.
pub(super) struct Preset {
    /// Its name in the configuration.
    pub(super) name: &'static str,
    /// Where tokens are asked for; `{authority}` and `{tenant}` stand for the keys of these names.
    /// Empty where the configuration has to say it.
    pub(super) token_endpoint: &'static str,
    /// What `{authority}` is where the configuration doesn't say.
    pub(super) authority: &'static str,
    /// The upstreams.
    pub(super) services: &'static [Upstream],
}

/// The upstream of one protocol.
pub(super) struct Upstream {
    pub(super) protocol: &'static str,
    pub(super) host: &'static str,
    pub(super) port: u16,
    pub(super) security: Security,
    /// The scope for a token that belongs to the application; empty where there is no such token.
    application_scope: &'static str,
    /// The scope for a token that belongs to the mailbox's owner.
    mailbox_scope: &'static str,
}

impl Upstream {
    /// The scope for a token of `owner`'s.
    pub(super) fn scope(&self, owner: Owner) -> &'static str {
        match owner {
            Owner::Application => self.application_scope,
            Owner::Mailbox => self.mailbox_scope,
        }
    }
}

/// The presets there are.
pub(super) const PRESETS: &[Preset] = &[MICROSOFT, GOOGLE, CUSTOM];

/// Exchange Online, global cloud. Delegated scopes ask for one protocol each, so that an application
/// which was granted only one still works.
const MICROSOFT: Preset = Preset {
    name: "microsoft",
    token_endpoint: "{authority}/{tenant}/oauth2/v2.0/token",
    authority: "https://login.microsoftonline.com",
    services: &[
        Upstream {
            protocol: "imap",
            host: "outlook.office365.com",
            port: 993,
            security: Security::Implicit,
            application_scope: "https://outlook.office365.com/.default",
            mailbox_scope: "https://outlook.office365.com/IMAP.AccessAsUser.All offline_access",
        },
        // Never 465: Exchange Online doesn't listen there.
        Upstream {
            protocol: "smtp",
            host: "smtp.office365.com",
            port: 587,
            security: Security::StartTls,
            application_scope: "https://outlook.office365.com/.default",
            mailbox_scope: "https://outlook.office365.com/SMTP.Send offline_access",
        },
        Upstream {
            protocol: "pop3",
            host: "outlook.office365.com",
            port: 995,
            security: Security::Implicit,
            application_scope: "https://outlook.office365.com/.default",
            mailbox_scope: "https://outlook.office365.com/POP.AccessAsUser.All offline_access",
        },
    ],
};

/// Gmail and Workspace. Google has no client credentials grant.
const GOOGLE: Preset = Preset {
    name: "google",
    token_endpoint: "https://oauth2.googleapis.com/token",
    authority: "",
    services: &[
        Upstream {
            protocol: "imap",
            host: "imap.gmail.com",
            port: 993,
            security: Security::Implicit,
            application_scope: "",
            mailbox_scope: "https://mail.google.com/",
        },
        Upstream {
            protocol: "smtp",
            host: "smtp.gmail.com",
            port: 465,
            security: Security::Implicit,
            application_scope: "",
            mailbox_scope: "https://mail.google.com/",
        },
        Upstream {
            protocol: "pop3",
            host: "pop.gmail.com",
            port: 995,
            security: Security::Implicit,
            application_scope: "",
            mailbox_scope: "https://mail.google.com/",
        },
    ],
};

/// Anything else: the configuration says it all.
const CUSTOM: Preset = Preset { name: "custom", token_endpoint: "", authority: "", services: &[] };
