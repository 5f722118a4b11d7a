//! The grants of the token endpoint.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::aadsts::Refusal;
use super::client;
use super::request::Request;
use super::scope::{self, Delegated};
use crate::calendar;
use crate::cloud::Cloud;
use crate::codes::{Authorization, Challenge, Decision, Device, Stale};
use crate::entropy;
use crate::tenant::{App, Tenant};
use crate::token::{self, Claims, Form, IdRequest};

/// Lifetimes that Entra picks from, in seconds.
const LIFETIMES: std::ops::RangeInclusive<u64> = 3599..=5399;
/// `grant_type` of RFC 8628 section 3.4.
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What the grant in the request yields: the body of the answer.
pub(super) fn grant(cloud: &Cloud, request: &Request) -> Result<Value, Refusal> {
    let grant = request.required("grant_type")?;
    let counters = &cloud.counters;
    match grant {
        "client_credentials" => counters.client_credentials_requests.increment(),
        "refresh_token" => counters.refresh_token_requests.increment(),
        "password" => counters.password_requests.increment(),
        "authorization_code" => counters.authorization_code_requests.increment(),
        DEVICE_CODE | "device_code" => counters.device_code_requests.increment(),
        _ => {}
    }
    let tenant = cloud.tenant().clone();
    let app = client::authenticate(cloud, &tenant, request)?;
    let desk = Desk { cloud, tenant: &tenant, app, request };
    match grant {
        "client_credentials" => desk.client_credentials(),
        "refresh_token" => desk.refresh_token(),
        "password" => desk.password(),
        "authorization_code" => desk.authorization_code(),
        DEVICE_CODE | "device_code" => desk.device_code(),
        _ => Err(Refusal::new(70_003)),
    }
}

/// Seconds that the next access token lives.
pub(crate) fn lifetime(cloud: &Cloud) -> Duration {
    let (first, last) = (*LIFETIMES.start(), *LIFETIMES.end());
    let fixed = cloud.knobs().token_lifetime;
    fixed.unwrap_or_else(|| Duration::from_secs(first + entropy::below(last - first + 1)))
}

/// One request of an application that has proved itself.
struct Desk<'d> {
    cloud: &'d Cloud,
    tenant: &'d Tenant,
    app: &'d App,
    request: &'d Request,
}

/// Whom a grant stands for, and what was asked for.
struct Grantee<'g> {
    address: &'g str,
    scope: Option<&'g str>,
    nonce: Option<&'g str>,
}

impl Desk<'_> {
    fn client_credentials(&self) -> Result<Value, Refusal> {
        let request = self.request;
        if request.client_secret.is_none() && request.field("client_assertion").is_none() {
            return Err(Refusal::new(7_000_216));
        }
        let audience = scope::app_only(request.place.cloud, request.required("scope")?)?;
        let claims = Claims {
            audience: audience.into(),
            client_id: self.app.client_id.clone(),
            address: None,
            permissions: self.app.roles.clone(),
            lifetime: lifetime(self.cloud),
        };
        let form = self.cloud.knobs().token_form();
        Ok(self.answer(claims, form))
    }

    fn refresh_token(&self) -> Result<Value, Refusal> {
        let presented = self.request.required("refresh_token")?;
        let refresh = self.cloud.tokens.refresh_token(presented);
        let refresh = refresh
            .filter(|refresh| refresh.client_id == self.app.client_id)
            .ok_or_else(|| Refusal::new(70_000))?;
        if refresh.revoked {
            return Err(Refusal::new(50_173));
        }
        let scope = self.request.field("scope");
        self.person(&Grantee { address: &refresh.address, scope, nonce: None })
    }

    fn password(&self) -> Result<Value, Refusal> {
        let username = self.request.required("username")?;
        let account = self.tenant.mailbox(username).ok_or_else(|| Refusal::new(50_034))?;
        if account.password.as_deref() != Some(self.request.required("password")?) {
            return Err(Refusal::new(50_126));
        }
        let scope = self.request.field("scope");
        self.person(&Grantee { address: &account.address, scope, nonce: None })
    }

    fn authorization_code(&self) -> Result<Value, Refusal> {
        let code = self.request.required("code")?;
        let asked = self.request.field("scope");
        let redeemed = self.cloud.codes.redeem(code, |authorization, fresh| {
            self.redeemable(authorization, fresh)?;
            // A refused scope leaves the code good for another try.
            let scope = asked.unwrap_or(&authorization.scope);
            scope::delegated(self.request.place.cloud, Some(scope)).map(drop)
        });
        let authorization = redeemed.unwrap_or_else(|| Err(Refusal::new(70_000)))?;
        self.person(&Grantee {
            address: &authorization.address,
            scope: asked.or(Some(&authorization.scope)),
            nonce: authorization.nonce.as_deref(),
        })
    }

    fn redeemable(
        &self,
        authorization: &Authorization,
        fresh: Result<(), Stale>,
    ) -> Result<(), Refusal> {
        if authorization.client_id != self.app.client_id {
            return Err(Refusal::new(700_005));
        }
        fresh.map_err(|stale| match stale {
            Stale::Redeemed => Refusal::new(54_005),
            Stale::Expired => Refusal::new(70_008),
        })?;
        let (used, asked) = (self.request.required("redirect_uri")?, &authorization.redirect_uri);
        if used != asked {
            let text = format!(
                "The reply address '{used}' does not match the reply address '{asked}' provided when requesting Authorization code."
            );
            return Err(Refusal::with_text(500_112, text));
        }
        verified(authorization.challenge.as_ref(), self.request.field("code_verifier"))
    }

    fn device_code(&self) -> Result<Value, Refusal> {
        let presented = self.request.required("device_code")?;
        let device = self.cloud.codes.device(presented);
        let device = device
            .filter(|device| device.client_id == self.app.client_id)
            .ok_or_else(|| Refusal::new(70_018))?;
        let address = self.decided(&device)?;
        if !self.cloud.codes.collect(&device.device_code) {
            return Err(Refusal::new(54_005));
        }
        let scope = self.request.field("scope").or(Some(&device.scope));
        self.person(&Grantee { address, scope, nonce: None })
    }

    /// Who approved the device; until then, why the device has to wait or to give up.
    fn decided<'e>(&self, device: &'e Device) -> Result<&'e str, Refusal> {
        if device.has_expired() && device.decision != Decision::Redeemed {
            return Err(Refusal::new(70_019));
        }
        let mut knobs = self.cloud.knobs();
        match &device.decision {
            Decision::Approved(address) => Ok(address),
            Decision::Redeemed => Err(Refusal::new(54_005)),
            Decision::Declined if knobs.device_code_rfc_errors => Err(Refusal::new(65_004)),
            Decision::Declined => Err(Refusal::new(65_004).spelled("authorization_declined")),
            Decision::Pending if knobs.device_code_slow_downs > 0 => {
                knobs.device_code_slow_downs -= 1;
                Err(Refusal::with_text(70_016, "Polling too often.").spelled("slow_down"))
            }
            Decision::Pending => Err(Refusal::new(70_016)),
        }
    }

    /// The tokens of a person, by whatever grant.
    fn person(&self, grantee: &Grantee<'_>) -> Result<Value, Refusal> {
        let Grantee { address, scope, nonce } = *grantee;
        let national = self.request.place.cloud;
        let account = self.tenant.mailbox(address);
        if let Some(account) = account {
            self.request.place.directory(self.tenant)?.admit(account)?;
        }
        let Delegated { audience, permissions, granted, offline } =
            scope::delegated(national, scope)?;
        let claims = Claims {
            audience,
            client_id: self.app.client_id.clone(),
            address: Some(address.into()),
            permissions,
            lifetime: lifetime(self.cloud),
        };
        let (form, refresh, skew) = {
            let knobs = self.cloud.knobs();
            (knobs.token_form(), knobs.include_refresh_token, knobs.authority_clock_skew)
        };
        let personal = account.is_some_and(|account| account.personal);
        let mut answer = self.answer(claims, if personal { Form::Opaque } else { form });
        answer["scope"] = json!(granted);
        if offline && refresh {
            answer["refresh_token"] = json!(self.next_refresh_token(address));
        }
        let scope = scope.unwrap_or_default();
        if let Some(account) = account.filter(|_| scope.split(' ').any(|word| word == "openid")) {
            let issued_at = calendar::unix(skew);
            let request = IdRequest { client_id: &self.app.client_id, scope, nonce, issued_at };
            answer["id_token"] = json!(token::id_token(self.tenant, account, &request));
        }
        Ok(answer)
    }

    /// A new refresh token, or the presented one where they don't rotate.
    fn next_refresh_token(&self, address: &str) -> String {
        let rotate = self.cloud.knobs().rotate_refresh_tokens;
        let kept = self.request.field("refresh_token").filter(|_| !rotate);
        let mint = || self.cloud.tokens.mint_refresh(&self.app.client_id, address);
        kept.map_or_else(mint, String::from)
    }

    fn answer(&self, claims: Claims, form: Form) -> Value {
        let in_words = self.cloud.knobs().string_expires_in;
        let seconds = claims.lifetime.as_secs();
        let expires_in = if in_words { json!(seconds.to_string()) } else { json!(seconds) };
        self.cloud.counters.tokens_issued.increment();
        json!({
            "token_type": "Bearer",
            "expires_in": expires_in,
            "ext_expires_in": expires_in,
            "access_token": self.cloud.tokens.issue(self.tenant, claims, form),
        })
    }
}

/// Whether the verifier is the challenge's (RFC 7636 section 4.6).
fn verified(challenge: Option<&Challenge>, verifier: Option<&str>) -> Result<(), Refusal> {
    let Some(challenge) = challenge else {
        return Ok(());
    };
    let verifier = verifier.ok_or_else(|| Refusal::new(501_481))?;
    if !is_verifier(verifier) {
        return Err(Refusal::new(501_491));
    }
    if proves(challenge, verifier) { Ok(()) } else { Err(Refusal::new(501_481)) }
}

/// RFC 7636 section 4.1.
fn is_verifier(text: &str) -> bool {
    let unreserved = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

/// Whether the challenge was made from this verifier.
pub(super) fn proves(challenge: &Challenge, verifier: &str) -> bool {
    match challenge {
        Challenge::Plain(challenge) => challenge == verifier,
        Challenge::S256(challenge) => {
            *challenge == URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
        }
    }
}
