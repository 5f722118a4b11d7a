//! What is known of providers beforehand. A provider is one row; a national cloud is one of the rows
//! in its provider.

mod exchange;
mod personal;

use crate::oauth::Owner;
use crate::proto::Security;

/// What a preset fills in; the configuration may override all of it.
pub(super) struct Preset {
    /// Its name in the configuration.
    pub(super) name: &'static str,
    /// Who stands behind it, for the rules that tokens follow there.
    pub(super) house: House,
    /// The clouds it has; the first where the configuration names none.
    pub(super) clouds: &'static [Cloud],
    /// Where tokens are asked for; `{authority}` and `{tenant}` stand for the keys of these names.
    /// Empty where the configuration has to say it.
    pub(super) token_endpoint: &'static str,
    /// Where people sign in with a browser; empty where they can't, or nobody knows.
    pub(super) authorization_endpoint: &'static str,
    /// Where codes for other devices are had, or empty.
    pub(super) device_endpoint: &'static str,
    /// What an authorization request carries beyond RFC 6749.
    pub(super) authorize: &'static [(&'static str, &'static str)],
    /// What a sign-in asks for beyond the scopes of mail.
    pub(super) sign_in_scope: &'static str,
}

/// Who stands behind a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum House {
    /// Microsoft Entra, whose scopes name the resource that a token is for.
    Entra,
    /// Anyone.
    Other,
}

/// One of a provider's separate worlds.
pub(super) struct Cloud {
    /// Its name in the configuration.
    pub(super) name: &'static str,
    /// What `{authority}` is where the configuration doesn't say.
    pub(super) authority: &'static str,
    /// What the scopes of mail begin with, without a slash; empty where they have no such thing.
    pub(super) resource: &'static str,
    /// Its Microsoft Graph, without a slash at the end; empty where it has none.
    pub(super) graph: &'static str,
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
            Owner::Mailbox | Owner::Unattended => self.mailbox_scope,
        }
    }
}

/// The presets there are.
pub(super) const PRESETS: &[Preset] =
    &[exchange::MICROSOFT, exchange::HVE, GOOGLE, YAHOO, FASTMAIL, CUSTOM];

impl Preset {
    /// The cloud called `name`, or the usual one. Personal accounts, which are found by their tenant,
    /// have one of their own.
    pub(super) fn cloud(&self, name: Option<&str>, tenant: Option<&str>) -> Option<&'static Cloud> {
        let personal = self.house == House::Entra && tenant == Some("consumers");
        match name {
            None if personal => Some(&personal::CLOUD),
            None => self.clouds.first(),
            Some(name) => self.clouds.iter().find(|cloud| cloud.name == name),
        }
    }
}

/// An upstream whose tokens belong to the mailbox alone, with TLS from the start.
const fn implicit(
    protocol: &'static str,
    host: &'static str,
    port: u16,
    mailbox_scope: &'static str,
) -> Upstream {
    let (security, application_scope) = (Security::Implicit, "");
    Upstream { protocol, host, port, security, application_scope, mailbox_scope }
}

/// Gmail and Workspace. Google has no client credentials grant; a service account takes its place.
/// Without `access_type` and `prompt` it hands out a refresh token once, and never again.
const GOOGLE: Preset = Preset {
    name: "google",
    house: House::Other,
    clouds: &[Cloud {
        name: "global",
        authority: "",
        resource: "",
        graph: "",
        services: &[
            implicit("imap", "imap.gmail.com", 993, "https://mail.google.com/"),
            implicit("smtp", "smtp.gmail.com", 465, "https://mail.google.com/"),
            implicit("pop3", "pop.gmail.com", 995, "https://mail.google.com/"),
        ],
    }],
    token_endpoint: "https://oauth2.googleapis.com/token",
    authorization_endpoint: "https://accounts.google.com/o/oauth2/v2/auth",
    // Google's has no mail among the scopes that it allows.
    device_endpoint: "",
    authorize: &[("access_type", "offline"), ("prompt", "consent")],
    sign_in_scope: "openid email",
};

/// Yahoo, which registers no new applications for mail; AOL is the same at `login.aol.com`.
const YAHOO: Preset = Preset {
    name: "yahoo",
    house: House::Other,
    clouds: &[Cloud {
        name: "global",
        authority: "",
        resource: "",
        graph: "",
        services: &[
            implicit("imap", "imap.mail.yahoo.com", 993, "mail-w"),
            implicit("smtp", "smtp.mail.yahoo.com", 465, "mail-w"),
            implicit("pop3", "pop.mail.yahoo.com", 995, "mail-w"),
        ],
    }],
    token_endpoint: "https://api.login.yahoo.com/oauth2/get_token",
    authorization_endpoint: "https://api.login.yahoo.com/oauth2/request_auth",
    device_endpoint: "",
    authorize: &[],
    sign_in_scope: "",
};

/// Fastmail.
const FASTMAIL: Preset = Preset {
    name: "fastmail",
    house: House::Other,
    clouds: &[Cloud {
        name: "global",
        authority: "",
        resource: "",
        graph: "",
        services: &[
            implicit(
                "imap",
                "imap.fastmail.com",
                993,
                "https://www.fastmail.com/dev/protocol-imap",
            ),
            implicit(
                "smtp",
                "smtp.fastmail.com",
                465,
                "https://www.fastmail.com/dev/protocol-smtp",
            ),
            implicit("pop3", "pop.fastmail.com", 995, "https://www.fastmail.com/dev/protocol-pop"),
        ],
    }],
    token_endpoint: "https://api.fastmail.com/oauth/refresh",
    authorization_endpoint: "https://api.fastmail.com/oauth/authorize",
    device_endpoint: "",
    authorize: &[],
    sign_in_scope: "offline_access",
};

/// Anything else: the configuration says it all, or an issuer does.
const CUSTOM: Preset = Preset {
    name: "custom",
    house: House::Other,
    clouds: &[Cloud { name: "global", authority: "", resource: "", graph: "", services: &[] }],
    token_endpoint: "",
    authorization_endpoint: "",
    device_endpoint: "",
    authorize: &[],
    sign_in_scope: "",
};
