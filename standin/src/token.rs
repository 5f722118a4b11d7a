//! Access and refresh tokens: minting them and recognising them again.
//!
//! A token is good because the stand-in remembers issuing it; the JWT around it is there to be looked at.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::tenant::{Account, App, Tenant};
use crate::{calendar, entropy};

/// The audience of tokens for Exchange's mail protocols.
pub(crate) const OUTLOOK: &str = "https://outlook.office365.com";
/// Exchange's other name for the same audience.
pub(crate) const OUTLOOK_ALIAS: &str = "https://outlook.office.com";
/// The audience of tokens for Microsoft Graph, which the mail servers refuse.
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";

/// The same in the cloud of the US government.
pub(crate) const OUTLOOK_US: &str = "https://outlook.office365.us";
/// The same in the cloud of 21Vianet.
pub(crate) const OUTLOOK_CHINA: &str = "https://partner.outlook.cn";
/// The audience of Google's tokens, which is the scope of its mail protocols.
pub(crate) const GOOGLE: &str = "https://mail.google.com";
/// Seconds that an id token lives.
const ID_TOKEN_LIFETIME: u64 = 3600;
/// `tid` of personal accounts.
const PERSONAL_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The resource it is for, such as `https://outlook.office365.com`.
    pub audience: String,
    /// The application that asked for it.
    pub client_id: String,
    /// Who signed in; `None` in an app-only token.
    pub address: Option<String>,
    /// The roles of an app-only token or the scopes of a delegated one.
    pub permissions: Vec<String>,
    /// From now to its expiry.
    pub lifetime: Duration,
}

impl Claims {
    /// An hour for Exchange with the application's own permissions.
    #[must_use]
    pub fn app(client_id: &str, roles: &[&str]) -> Self {
        Self {
            audience: OUTLOOK.into(),
            client_id: client_id.into(),
            address: None,
            permissions: roles.iter().copied().map(String::from).collect(),
            lifetime: Duration::from_secs(3600),
        }
    }

    /// An hour for Exchange on behalf of a person, with the given scopes (`IMAP.AccessAsUser.All`, `SMTP.Send`).
    #[must_use]
    pub fn user(client_id: &str, address: &str, scopes: &[&str]) -> Self {
        Self { address: Some(address.into()), ..Self::app(client_id, scopes) }
    }

    /// Whether the token is for the mail protocols: Exchange's, of whatever cloud, or Google's.
    pub(crate) fn is_for_outlook(&self) -> bool {
        let audience = self.audience.trim_end_matches('/');
        [OUTLOOK, OUTLOOK_ALIAS, OUTLOOK_US, OUTLOOK_CHINA, GOOGLE].contains(&audience)
    }

    /// Google's one scope permits all of them.
    pub(crate) fn permits(&self, permission: &str) -> bool {
        self.audience == GOOGLE
            || self.permissions.iter().any(|granted| granted.eq_ignore_ascii_case(permission))
    }
}

/// What an access token looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// A JWT as of Entra's version 1.0, with a claim of `padding` octets more, by a clock that is `skew` seconds ahead.
    Jwt { padding: usize, skew: i64 },
    /// The compact form of personal accounts.
    Opaque,
    /// The form of Google's tokens.
    Google,
}

/// An access token that the mail servers recognise.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) claims: Claims,
    pub(crate) expires: SystemTime,
}

/// Whom a refresh token stands for.
#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) client_id: String,
    pub(crate) address: String,
    pub(crate) revoked: bool,
}

/// All tokens of one stand-in.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    access: Mutex<HashMap<String, Issued>>,
    refresh: Mutex<HashMap<String, Refresh>>,
}

impl Tokens {
    /// Issues an access token. Forgets the expired ones, so that a long demonstration doesn't collect them.
    pub(crate) fn issue(&self, tenant: &Tenant, claims: Claims, form: Form) -> String {
        let now = SystemTime::now();
        let token = match form {
            Form::Jwt { padding, skew } => {
                sealed(&payload(tenant, &claims, calendar::unix(skew), padding))
            }
            Form::Google => format!("ya29.{}", URL_SAFE_NO_PAD.encode(entropy::octets::<160>())),
            Form::Opaque => format!("EwB{}", URL_SAFE_NO_PAD.encode(entropy::octets::<768>())),
        };
        let expires = now + claims.lifetime;
        let mut access = self.access();
        access.retain(|_, issued| issued.expires > now);
        access.insert(token.clone(), Issued { claims, expires });
        token
    }

    /// What is known of a token that is neither expired nor revoked.
    pub(crate) fn recognise(&self, token: &str) -> Option<Issued> {
        self.access().get(token).filter(|issued| issued.expires > SystemTime::now()).cloned()
    }

    pub(crate) fn revoke_all(&self) {
        self.access().clear();
    }

    pub(crate) fn mint_refresh(&self, client_id: &str, address: &str) -> String {
        let token = format!("1.A{}", URL_SAFE_NO_PAD.encode(entropy::octets::<192>()));
        let refresh =
            Refresh { client_id: client_id.into(), address: address.into(), revoked: false };
        self.refresh().insert(token.clone(), refresh);
        token
    }

    pub(crate) fn refresh_token(&self, token: &str) -> Option<Refresh> {
        self.refresh().get(token).cloned()
    }

    pub(crate) fn revoke_refresh(&self, address: &str) {
        for refresh in self.refresh().values_mut() {
            refresh.revoked |= refresh.address.eq_ignore_ascii_case(address);
        }
    }

    fn access(&self) -> MutexGuard<'_, HashMap<String, Issued>> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh(&self) -> MutexGuard<'_, HashMap<String, Refresh>> {
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Header, payload and a signature that nobody could check: Entra's key for Exchange is not the client's to know either.
fn sealed(payload: &Value) -> String {
    let header = json!({ "typ": "JWT", "alg": "RS256", "x5t": "c3RhbmQtaW4" });
    let signature = URL_SAFE_NO_PAD.encode(entropy::octets::<256>());
    format!("{}.{}.{signature}", encode(&header), encode(payload))
}

/// An id token (OpenID Connect Core 1.0 section 2) of version 2.0 for the person who signed in. The name is in it when
/// `profile` was asked for, the mail address with `email`.
pub(crate) fn id_token(tenant: &Tenant, person: &Account, request: &IdRequest<'_>) -> String {
    let tid = if person.personal { PERSONAL_TENANT } else { &tenant.id };
    let mut payload = json!({
        "aud": request.client_id,
        "iss": format!("https://login.microsoftonline.com/{tid}/v2.0"),
        "iat": request.issued_at,
        "nbf": request.issued_at,
        "exp": request.issued_at + ID_TOKEN_LIFETIME,
        "sub": URL_SAFE_NO_PAD.encode(&person.address),
        "tid": tid,
        "ver": "2.0",
    });
    if let Some(nonce) = request.nonce {
        payload["nonce"] = json!(nonce);
    }
    let asked_for = |scope: &str| request.scope.split_whitespace().any(|word| word == scope);
    if asked_for("profile") {
        payload["preferred_username"] = json!(person.address);
        payload["name"] = json!(person.address.split('@').next());
    }
    if asked_for("email") {
        payload["email"] = json!(person.address);
    }
    sealed(&payload)
}

/// What an id token depends on beside the person.
pub(crate) struct IdRequest<'r> {
    pub(crate) client_id: &'r str,
    pub(crate) scope: &'r str,
    pub(crate) nonce: Option<&'r str>,
    /// Seconds since 1970, by the authority's clock.
    pub(crate) issued_at: u64,
}

fn payload(tenant: &Tenant, claims: &Claims, issued_at: u64, padding: usize) -> Value {
    let app = tenant.app(&claims.client_id);
    let permissions = &claims.permissions;
    let mut payload = json!({
        "aud": claims.audience,
        "iss": format!("https://sts.windows.net/{}/", tenant.id),
        "iat": issued_at,
        "nbf": issued_at,
        "exp": issued_at + claims.lifetime.as_secs(),
        "appid": claims.client_id,
        "appidacr": app.map_or("1", authentication),
        "tid": tenant.id,
        "uti": URL_SAFE_NO_PAD.encode(entropy::octets::<16>()),
        "ver": "1.0",
    });
    match &claims.address {
        Some(address) => {
            payload["idtyp"] = json!("user");
            payload["upn"] = json!(address);
            payload["unique_name"] = json!(address);
            payload["scp"] = json!(permissions.join(" "));
        }
        None => {
            payload["idtyp"] = json!("app");
            payload["oid"] = json!(app.map(|app| &app.object_id));
            payload["roles"] = json!(permissions);
        }
    }
    if padding > 0 {
        payload["padding"] = json!("x".repeat(padding));
    }
    payload
}

/// How an application proves itself, as far as its registration says: not at all, by a secret, by a certificate.
fn authentication(app: &App) -> &'static str {
    match app.secrets.is_empty() {
        _ if app.public => "0",
        true => "2",
        false => "1",
    }
}

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn decoded(token: &str) -> Value {
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    #[test]
    fn an_app_only_token_names_the_service_principal_and_its_roles() {
        let (tenant, tokens) = (Tenant::contoso(), Tokens::default());
        let claims = Claims::app(&tenant.apps[0].client_id, &["IMAP.AccessAsApp"]);
        let payload = decoded(&tokens.issue(&tenant, claims, Form::Jwt { padding: 0, skew: 0 }));
        assert_eq!(payload["oid"], tenant.apps[0].object_id.as_str());
        assert_eq!(payload["roles"], json!(["IMAP.AccessAsApp"]));
        assert_eq!(payload["scp"], Value::Null);
        assert_eq!(payload["exp"].as_u64().unwrap() - payload["iat"].as_u64().unwrap(), 3600);
    }

    #[test]
    fn a_delegated_token_names_the_person_and_the_scopes() {
        let (tenant, tokens) = (Tenant::contoso(), Tokens::default());
        let claims = Claims::user(
            &tenant.apps[1].client_id,
            "alice@contoso.example",
            &["SMTP.Send", "User.Read"],
        );
        let payload = decoded(&tokens.issue(&tenant, claims, Form::Jwt { padding: 3000, skew: 0 }));
        assert_eq!(payload["upn"], "alice@contoso.example");
        assert_eq!(payload["scp"], "SMTP.Send User.Read");
        assert_eq!(payload["padding"].as_str().unwrap().len(), 3000);
    }

    #[test]
    fn only_living_tokens_are_recognised() {
        let (tenant, tokens) = (Tenant::contoso(), Tokens::default());
        let claims = Claims::app(&tenant.apps[0].client_id, &[]);
        let dead = tokens.issue(
            &tenant,
            Claims { lifetime: Duration::ZERO, ..claims.clone() },
            Form::Opaque,
        );
        let living = tokens.issue(&tenant, claims.clone(), Form::Opaque);
        assert!(tokens.recognise(&dead).is_none());
        assert_eq!(tokens.recognise(&living).unwrap().claims, claims);
        tokens.revoke_all();
        assert!(tokens.recognise(&living).is_none());
    }
}
