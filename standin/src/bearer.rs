//! The initial response of XOAUTH2, and what Exchange thinks of it.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::cloud::Cloud;
use crate::tenant::Tenant;
use crate::token::{Claims, Issued};

/// Who wants in, with which token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) user: String,
    pub(crate) token: String,
}

/// A mail protocol, as far as permissions are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Reading.
    Imap,
    /// Fetching.
    Pop3,
    /// Submission.
    Smtp,
    /// Submission to High Volume Email.
    Hve,
}

/// What a token must have left to live for High Volume Email.
const HVE_MARGIN: Duration = Duration::from_secs(600);

/// A login that is answered with success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    /// The mailbox as the tenant spells it, or as the client did if there is none.
    pub(crate) mailbox: String,
    /// When the access token ends.
    pub(crate) expires: SystemTime,
    /// Whether the mailbox behind the login opens.
    pub(crate) access: Access,
}

/// What a successful login is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The mailbox is open.
    Granted,
    /// Authenticated, but not connected: the mailbox is missing, switched off, or not granted.
    Missing,
}

/// Why a login is answered with failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The token or the name is no good.
    Unsuccessful,
    /// SMTP AUTH is switched off for the mailbox.
    SmtpDisabled,
    /// The token is good, but not for long.
    ExpiresSoon,
}

impl Bearer {
    /// Reads `base64("user=" user %x01 "auth=Bearer " token %x01 %x01)`. `auth` and `Bearer` may have any case
    /// (RFC 7628 section 4; Microsoft's own samples write `Auth`).
    pub(crate) fn read(response: &[u8]) -> Option<Self> {
        let decoded = String::from_utf8(STANDARD.decode(response).ok()?).ok()?;
        let fields = decoded.strip_suffix("\x01\x01")?;
        let (user, auth) = fields.split_once('\x01')?;
        let user = user.strip_prefix("user=")?;
        let (scheme, token) = auth.split_once(' ')?;
        let known =
            scheme.eq_ignore_ascii_case("auth=bearer") && !user.is_empty() && !token.is_empty();
        known.then(|| Self { user: user.into(), token: token.into() })
    }
}

/// What Exchange answers this login on this protocol now.
pub(crate) fn judge(
    cloud: &Cloud,
    bearer: &Bearer,
    protocol: Protocol,
) -> Result<Admission, Refusal> {
    let issued = cloud.tokens.recognise(&bearer.token).ok_or(Refusal::Unsuccessful)?;
    if !issued.claims.is_for_outlook()
        || !issued.claims.permits(permission(&issued.claims, protocol))
    {
        return Err(Refusal::Unsuccessful);
    }
    let tenant = cloud.tenant();
    match protocol {
        Protocol::Imap => Ok(imap(&tenant, bearer, &issued)),
        Protocol::Pop3 => pop3(&tenant, bearer, &issued),
        Protocol::Smtp => smtp(&tenant, bearer, &issued),
        Protocol::Hve => hve(&tenant, bearer, &issued),
    }
}

fn permission(claims: &Claims, protocol: Protocol) -> &'static str {
    match (protocol, &claims.address) {
        (Protocol::Imap, None) => "IMAP.AccessAsApp",
        (Protocol::Imap, Some(_)) => "IMAP.AccessAsUser.All",
        (Protocol::Pop3, None) => "POP.AccessAsApp",
        (Protocol::Pop3, Some(_)) => "POP.AccessAsUser.All",
        (Protocol::Smtp, None) => "SMTP.SendAsApp",
        (Protocol::Smtp, Some(_)) => "SMTP.Send",
        (Protocol::Hve, _) => "Mail.Send",
    }
}

/// IMAP says yes to any good token and shows only afterwards that the mailbox doesn't open.
fn imap(tenant: &Tenant, bearer: &Bearer, issued: &Issued) -> Admission {
    let account = tenant.mailbox(&bearer.user);
    let opens = account
        .is_some_and(|account| account.imap_enabled && account.admits(holder(&issued.claims)));
    admission(tenant, bearer, issued.expires, if opens { Access::Granted } else { Access::Missing })
}

/// POP3 has one verdict for all that may be wrong.
fn pop3(tenant: &Tenant, bearer: &Bearer, issued: &Issued) -> Result<Admission, Refusal> {
    let account = tenant.mailbox(&bearer.user).ok_or(Refusal::Unsuccessful)?;
    if !account.pop_enabled || !account.admits(holder(&issued.claims)) {
        return Err(Refusal::Unsuccessful);
    }
    Ok(admission(tenant, bearer, issued.expires, Access::Granted))
}

/// SMTP wants a mailbox; a person's token submits for that person alone, an application's needs the mailbox's grant, which
/// is only noticed when a message is submitted.
fn smtp(tenant: &Tenant, bearer: &Bearer, issued: &Issued) -> Result<Admission, Refusal> {
    let account = tenant.mailbox(&bearer.user).ok_or(Refusal::Unsuccessful)?;
    if issued
        .claims
        .address
        .as_deref()
        .is_some_and(|person| !person.eq_ignore_ascii_case(&account.address))
    {
        return Err(Refusal::Unsuccessful);
    }
    if !account.smtp_enabled {
        return Err(Refusal::SmtpDisabled);
    }
    let access =
        if account.admits(holder(&issued.claims)) { Access::Granted } else { Access::Missing };
    Ok(admission(tenant, bearer, issued.expires, access))
}

/// High Volume Email wants an application on its list, by the object id of the enterprise application, or the account's own
/// token. Whether SMTP AUTH is on doesn't matter to it.
fn hve(tenant: &Tenant, bearer: &Bearer, issued: &Issued) -> Result<Admission, Refusal> {
    let account = tenant.mailbox(&bearer.user).ok_or(Refusal::Unsuccessful)?;
    let claims = &issued.claims;
    let listed = match &claims.address {
        Some(person) => person.eq_ignore_ascii_case(&account.address),
        None => tenant.app(&claims.client_id).is_some_and(|app| {
            tenant.hve_apps.iter().any(|listed| listed.eq_ignore_ascii_case(&app.object_id))
        }),
    };
    if !listed {
        return Err(Refusal::Unsuccessful);
    }
    if issued.expires < SystemTime::now() + HVE_MARGIN {
        return Err(Refusal::ExpiresSoon);
    }
    Ok(admission(tenant, bearer, issued.expires, Access::Granted))
}

/// Who holds the token: the person, or else the application.
fn holder(claims: &Claims) -> &str {
    claims.address.as_deref().unwrap_or(&claims.client_id)
}

fn admission(tenant: &Tenant, bearer: &Bearer, expires: SystemTime, access: Access) -> Admission {
    let mailbox = tenant.mailbox(&bearer.user).map_or(&bearer.user, |account| &account.address);
    Admission { mailbox: mailbox.clone(), expires, access }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(decoded: &str) -> Option<(String, String)> {
        let bearer = Bearer::read(STANDARD.encode(decoded).as_bytes())?;
        Some((bearer.user, bearer.token))
    }

    #[test]
    fn the_published_example_is_read() {
        let response = b"dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVm\
            UwYmpMQldaV0NjbFJDM0VvQUEBAQ==";
        let bearer = Bearer::read(response).unwrap();
        assert_eq!(bearer.user, "test@contoso.onmicrosoft.com");
        assert_eq!(bearer.token, "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA");
    }

    #[test]
    fn the_scheme_may_have_any_case() {
        assert_eq!(read("user=a\x01Auth=BEARER t\x01\x01"), Some(("a".into(), "t".into())));
    }

    #[test]
    fn anything_else_is_not() {
        let broken = [
            "",
            "user=a\x01auth=Bearer t\x01",
            "user=\x01auth=Bearer t\x01\x01",
            "user=a\x01auth=Bearer \x01\x01",
        ];
        for decoded in broken
            .into_iter()
            .chain(["a\x01auth=Bearer t\x01\x01", "user=a\x01auth=Basic t\x01\x01"])
        {
            assert_eq!(read(decoded), None, "{decoded:?}");
        }
        assert!(Bearer::read(b"not base64").is_none());
    }
}
