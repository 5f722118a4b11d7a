//! What Exchange, or Graph, can be expected to make of a token, by its claims alone. Expected, not known: its
//! verdict is asked for on the wire, and where the two differ the wire is right.

use std::time::{Duration, SystemTime};

use super::{Claims, Owner};

/// What a token is wanted for.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The protocol's name, or [`GRAPH`] for mail that goes out through Microsoft Graph.
    pub protocol: &'a str,
    /// The mail host, or Graph's.
    pub host: &'a str,
    /// The mailbox's address.
    pub mailbox: &'a str,
    /// The time of day.
    pub now: SystemTime,
}

/// How sure a finding is of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The login will fail.
    Fail,
    /// It may, depending on what is granted in Exchange.
    Warn,
}

/// What claims are found to lack. In its texts, words in angle brackets such as `<mailbox>` stand for
/// facts of the case.
#[derive(Debug)]
pub struct Finding {
    fits: fn(&Claims, &Expected<'_>) -> bool,
    /// How sure it is.
    pub severity: Severity,
    /// What is wrong, as the end of a sentence that begins with "the token".
    pub meaning: &'static str,
    /// What to do, as a sentence without its full stop.
    pub advice: &'static str,
    /// What to run for that, if it can be said as commands.
    pub commands: &'static [&'static str],
}

/// What stands for a protocol's name where a token is wanted for Microsoft Graph.
pub const GRAPH: &str = "graph";

/// Names of Graph as an audience.
const GRAPH_AUDIENCES: &[&str] = &[
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
    "00000003-0000-0000-c000-000000000000",
];

/// Names of Exchange as an audience, all clouds'.
const EXCHANGE_AUDIENCES: &[&str] = &[
    "https://outlook.office365.com",
    "https://outlook.office.com",
    "https://outlook.office365.us",
    "https://outlook-dod.office365.us",
    "https://partner.outlook.cn",
    "00000002-0000-0ff1-ce00-000000000000",
];

/// The tenant of personal accounts.
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Protocol, delegated permission, application permission. High Volume Email has one of its own.
const PERMISSIONS: &[(&str, &str, &str)] = &[
    ("imap", "IMAP.AccessAsUser.All", "IMAP.AccessAsApp"),
    ("pop3", "POP.AccessAsUser.All", "POP.AccessAsApp"),
    ("smtp", "SMTP.Send", "SMTP.SendAsApp"),
    (GRAPH, "Mail.Send", "Mail.Send"),
];

/// What lets an account send for others by Graph.
const SHARED: &str = "Mail.Send.Shared";
const HIGH_VOLUME: &str = "Mail.Send";

/// A token that ends sooner doesn't outlast a login.
const SPENT: Duration = Duration::from_secs(30);

/// High Volume Email refuses tokens with less to live: `501 5.5.127`.
const TOO_SHORT: Duration = Duration::from_secs(600);

const ADD_PERMISSION: &str = "az ad app permission add --id <client id> --api 00000002-0000-0ff1-ce00-000000000000 --api-permissions \"$(az ad sp show --id 00000002-0000-0ff1-ce00-000000000000 --query \"appRoles[?value=='<permission>'].id\" -o tsv)=Role\"";
const ADD_GRAPH_PERMISSION: &str = "az ad app permission add --id <client id> --api 00000003-0000-0000-c000-000000000000 --api-permissions \"$(az ad sp show --id 00000003-0000-0000-c000-000000000000 --query \"appRoles[?value=='<permission>'].id\" -o tsv)=Role\"";
const CONSENT: &str = "az ad app permission admin-consent --id <client id>";
const SIGN_IN: &str = "gatepost login <mailbox>";

const ENDED: Finding = Finding {
    fits: |claims, expected| ends_within(claims, expected, SPENT),
    severity: Severity::Fail,
    meaning: "is fresh, and has ended by this host's clock",
    advice: "Set this host's clock; it is ahead of the authority's",
    commands: &["timedatectl set-ntp true"],
};

/// What there is to find, what rules out the rest first.
pub(super) const EXPECTED: &[Finding] = &[
    Finding {
        fits: |claims, _| GRAPH_AUDIENCES.contains(&audience(claims)),
        severity: Severity::Fail,
        meaning: "is for Microsoft Graph (aud <audience>), which no mail server takes",
        advice: "Name Exchange's resource in the provider's `scope`: <resource>/.default for an application, <resource>/<permission> offline_access for an account. A permission without its resource means Graph's",
        commands: &[],
    },
    Finding {
        fits: |claims, _| !EXCHANGE_AUDIENCES.contains(&audience(claims)),
        severity: Severity::Fail,
        meaning: "is for another resource (aud <audience>) than Exchange",
        advice: "Name Exchange's resource in the provider's `scope`: <resource>/.default for an application, <resource>/<permission> offline_access for an account",
        commands: &[],
    },
    ENDED,
    Finding {
        fits: |claims, expected| is_hve(expected) && ends_within(claims, expected, TOO_SHORT),
        severity: Severity::Fail,
        meaning: "has less than the ten minutes left that High Volume Email asks for",
        advice: "Set this host's clock, or raise the tenant's token lifetime above ten minutes",
        commands: &[],
    },
    Finding {
        fits: |claims, expected| by_account(claims) && lacks(claims, expected),
        severity: Severity::Fail,
        meaning: "lacks the delegated permission <permission>",
        advice: "Add <resource>/<permission> to the provider's `scope` and to the app registration, then sign in again and consent",
        commands: &[SIGN_IN],
    },
    Finding {
        fits: |claims, _| claims.words("roles") == ["full_access_as_app"],
        severity: Severity::Fail,
        meaning: "has full_access_as_app alone, which opens EWS and neither IMAP, POP nor SMTP",
        advice: "Add the application permission <permission> of Office 365 Exchange Online, and consent to it",
        commands: &[ADD_PERMISSION, CONSENT],
    },
    Finding {
        fits: |claims, expected| {
            !by_account(claims)
                && lacks(claims, expected)
                && (expected.protocol != "smtp" || is_hve(expected))
        },
        severity: Severity::Fail,
        meaning: "lacks the application permission <permission>",
        advice: "Add the application permission <permission> of Office 365 Exchange Online (not of Microsoft Graph), and let an administrator consent",
        commands: &[ADD_PERMISSION, CONSENT],
    },
    // With Exchange's RBAC for Applications the permission must not be there.
    Finding {
        fits: |claims, expected| {
            !by_account(claims) && expected.protocol == "smtp" && lacks(claims, expected)
        },
        severity: Severity::Warn,
        meaning: "lacks the application permission <permission>, which is right only with Exchange's RBAC for Applications",
        advice: "Add <permission> and consent to it, or assign the role \"Application SMTP.SendAsApp\" in Exchange (`gatepost entra-script --variant rbac`)",
        commands: &[ADD_PERMISSION, CONSENT],
    },
    Finding {
        fits: |claims, expected| is_anothers(claims, expected) && expected.protocol != "smtp",
        severity: Severity::Warn,
        meaning: "is <account>'s, who needs full access to <mailbox>",
        advice: "Grant it, or sign in as <mailbox>",
        commands: &[
            "Add-MailboxPermission -Identity <mailbox> -User <account> -AccessRights FullAccess",
            SIGN_IN,
        ],
    },
    Finding {
        fits: |claims, expected| is_anothers(claims, expected) && expected.protocol == "smtp",
        severity: Severity::Warn,
        meaning: "is <account>'s, and Exchange takes it over SMTP for that account alone",
        advice: "Sign in as <mailbox>, or log in as <account> and send as <mailbox> with Send As",
        commands: &[
            SIGN_IN,
            "Add-RecipientPermission -Identity <mailbox> -Trustee <account> -AccessRights SendAs",
        ],
    },
    Finding {
        fits: |claims, _| claims.text("tid") == Some(PERSONAL),
        severity: Severity::Warn,
        meaning: "is a personal account's",
        advice: "Use the tenant \"consumers\", and smtp-mail.outlook.com for SMTP",
        commands: &[],
    },
];

/// The same where the token is for Graph.
pub(super) const EXPECTED_BY_GRAPH: &[Finding] = &[
    Finding {
        fits: |claims, _| !GRAPH_AUDIENCES.contains(&audience(claims)),
        severity: Severity::Fail,
        meaning: "is for another resource (aud <audience>) than Microsoft Graph",
        advice: "Name Graph's resource in the `scope` of the provider's table for Graph: <resource>/.default for an application, <resource>/<permission> for an account",
        commands: &[],
    },
    ENDED,
    Finding {
        fits: |claims, expected| {
            by_account(claims) && lacks(claims, expected) && !has(claims, SHARED)
        },
        severity: Severity::Fail,
        meaning: "lacks Graph's delegated permission <permission>",
        advice: "Add <resource>/<permission> to the app registration, then sign in again and consent",
        commands: &[SIGN_IN],
    },
    // With Exchange's RBAC for Applications the permission must not be there.
    Finding {
        fits: |claims, expected| !by_account(claims) && lacks(claims, expected),
        severity: Severity::Warn,
        meaning: "lacks Graph's application permission <permission>, which is right only with Exchange's RBAC for Applications",
        advice: "Add the application permission <permission> of Microsoft Graph (not of Office 365 Exchange Online) and consent to it, or assign the role \"Application Mail.Send\" in Exchange",
        commands: &[ADD_GRAPH_PERMISSION, CONSENT],
    },
    Finding {
        fits: |claims, expected| is_anothers(claims, expected),
        severity: Severity::Warn,
        meaning: "is <account>'s, who sends for <mailbox> by Graph only with the permission Mail.Send.Shared and Send As",
        advice: "Grant both, or sign in as <mailbox>",
        commands: &[
            "Add-RecipientPermission -Identity <mailbox> -Trustee <account> -AccessRights SendAs",
            SIGN_IN,
        ],
    },
];

impl Expected<'_> {
    /// What is wrong with `claims`: the one thing that will make the login fail, or all that may.
    /// Nothing is known of tokens that aren't Entra's.
    pub fn of(&self, claims: &Claims) -> Vec<&'static Finding> {
        if !claims.is_entra() {
            return Vec::new();
        }
        let table = if self.protocol == GRAPH { EXPECTED_BY_GRAPH } else { EXPECTED };
        let fitting = || table.iter().filter(|finding| (finding.fits)(claims, self));
        match fitting().find(|finding| finding.severity == Severity::Fail) {
            Some(fatal) => vec![fatal],
            None => fitting().collect(),
        }
    }

    /// The permission that a token of `owner`'s needs.
    pub fn permission(&self, owner: Owner) -> Option<&'static str> {
        if is_hve(self) {
            return Some(HIGH_VOLUME);
        }
        let (_, delegated, application) =
            PERMISSIONS.iter().find(|(protocol, ..)| *protocol == self.protocol)?;
        Some(if owner == Owner::Application { application } else { delegated })
    }

    /// The resource that such tokens are asked for by.
    pub fn resource(&self) -> &'static str {
        match self.host {
            host if self.protocol == GRAPH => GRAPH_AUDIENCES
                .iter()
                .find(|name| name.strip_prefix("https://") == Some(host))
                .unwrap_or(&GRAPH_AUDIENCES[0]),
            host if host.ends_with(".office365.us") => "https://outlook.office365.us",
            host if host.ends_with("partner.outlook.cn") => "https://partner.outlook.cn",
            _ => "https://outlook.office365.com",
        }
    }
}

fn audience(claims: &Claims) -> &str {
    claims.text("aud").unwrap_or_default().trim_end_matches('/')
}

fn by_account(claims: &Claims) -> bool {
    claims.owner() == Owner::Mailbox
}

fn ends_within(claims: &Claims, expected: &Expected<'_>, left: Duration) -> bool {
    claims.time("exp").is_some_and(|end| end <= expected.now + left)
}

fn lacks(claims: &Claims, expected: &Expected<'_>) -> bool {
    expected.permission(claims.owner()).is_some_and(|needed| !has(claims, needed))
}

fn has(claims: &Claims, permission: &str) -> bool {
    let granted = if claims.owner() == Owner::Application { "roles" } else { "scp" };
    claims.words(granted).iter().any(|one| one.eq_ignore_ascii_case(permission))
}

fn is_anothers(claims: &Claims, expected: &Expected<'_>) -> bool {
    by_account(claims)
        && claims.account().is_some_and(|account| !account.eq_ignore_ascii_case(expected.mailbox))
}

/// `smtp.hve.mx.microsoft`, and `smtp-hve.office365.com` before it.
fn is_hve(expected: &Expected<'_>) -> bool {
    expected.host.split(['.', '-']).any(|part| part.eq_ignore_ascii_case("hve"))
}
