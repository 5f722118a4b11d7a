//! The authorization code grant (RFC 6749 section 4.1) with a proof key (RFC 7636): a person signs in
//! with a browser once, a refresh token does the rest.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use super::advice::{Class, Failure};
use super::inquiry::Inquiry;
use super::{
    Application, Exchange, Grant, Owner, Prompt, Proof, Reply, Seed, SignIn, Wish, endpoint,
    refresh_token,
};
use crate::secret::Secret;

pub(super) const GRANT: Grant = Grant {
    name: "authorization_code",
    owner: Owner::Mailbox,
    proof: Proof::ClientIfAny,
    seed: Seed::RefreshToken,
    begin: refresh_token::begin,
    sign_in: Some(sign_in),
};

fn sign_in(application: &Arc<Application>, sign_in: &SignIn) -> Result<Box<dyn Exchange>, Failure> {
    let endpoint = application.authorization_endpoint.as_deref();
    let endpoint = endpoint.and_then(|url| Url::parse(url).ok()).ok_or_else(|| {
        Failure::new(
            Class::Configure,
            "nobody can sign in with a browser: the provider has no authorization endpoint",
            "Add authorization_endpoint, or issuer, to the provider",
        )
    })?;
    let entropy = sign_in.entropy.reveal();
    Ok(Box::new(Authorization {
        application: Arc::clone(application),
        verifier: Secret::new(URL_SAFE_NO_PAD.encode(&entropy[..32])),
        state: Secret::new(URL_SAFE_NO_PAD.encode(&entropy[32..48])),
        sign_in: sign_in.clone(),
        endpoint,
        redemption: None,
    }))
}

/// A sign-in under way.
struct Authorization {
    application: Arc<Application>,
    sign_in: SignIn,
    endpoint: Url,
    verifier: Secret<String>,
    state: Secret<String>,
    /// The request that makes tokens of the code, once there is one.
    redemption: Option<Inquiry>,
}

impl Exchange for Authorization {
    fn advance(&mut self, now: SystemTime, reply: Option<Reply>) -> Result<Wish, Failure> {
        if let Some(redemption) = &mut self.redemption {
            return redemption.advance(now, reply);
        }
        match reply {
            Some(Reply::Failed(failure)) => Err(failure),
            Some(Reply::Redirected(place)) => match self.code(&place)? {
                Some(code) => self.redemption.insert(self.redeem(code)).advance(now, None),
                None => Ok(self.show()),
            },
            _ => Ok(self.show()),
        }
    }
}

impl Authorization {
    fn show(&self) -> Wish {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.reveal()));
        let mut url = self.endpoint.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.application.client_id)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", &self.sign_in.redirect_uri)
            .append_pair("scope", &self.sign_in.consent)
            .append_pair("state", self.state.reveal())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("login_hint", &self.sign_in.mailbox)
            .extend_pairs(&self.application.authorize);
        Wish::Show(Prompt::Browser { url: url.into() })
    }

    /// The code in the place where a browser was sent back to. `None` for what isn't the answer to this
    /// sign-in: anyone can knock at the port, and must neither end the sign-in nor slip a code of
    /// their own into it (RFC 6749 section 10.12).
    fn code(&self, place: &Secret<String>) -> Result<Option<Secret<String>>, Failure> {
        let query = query(place.reveal());
        let field = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        if field("state").map(Secret::new).as_ref() != Some(&self.state) {
            return Ok(None);
        }
        if let Some(error) = field("error") {
            let description = field("error_description").unwrap_or_default();
            return Err(endpoint::declined(&error, &description));
        }
        Ok(field("code").filter(|code| !code.is_empty()).map(Secret::new))
    }

    fn redeem(&self, code: Secret<String>) -> Inquiry {
        let fields = vec![
            ("code", code),
            ("redirect_uri", Secret::from(self.sign_in.redirect_uri.as_str())),
            ("code_verifier", self.verifier.clone()),
        ];
        let (scope, entropy) = (&self.sign_in.scope, &self.sign_in.entropy);
        Inquiry::new(&self.application, GRANT.name, scope, entropy, fields)
    }
}

/// The query of a URL or a part of one, or what may be a query by itself.
fn query(place: &str) -> &str {
    let place = place.trim();
    let place = place.split_once('#').map_or(place, |(before, _)| before);
    place.split_once('?').map_or(place, |(_, query)| query)
}

#[cfg(test)]
mod tests;
