//! AUTHENTICATE and LOGIN: XOAUTH2 judged as Exchange does, passwords refused.

use std::io;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imap_codec::imap_types::auth::AuthMechanism;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use crate::bearer::{Access, Admission, Bearer, Protocol, judge};
use crate::knobs::Knobs;

use super::session::Session;
use super::{Conversation, Next, Phase, SIGNING_OFF, TIMED_OUT};

/// What Gmail says to a bad token before it refuses: a JSON object to XOAUTH2, another to OAUTHBEARER.
const XOAUTH2_CHALLENGE: &str =
    r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#;
const OAUTHBEARER_CHALLENGE: &str =
    r#"{"status":"invalid_token","scope":"https://mail.google.com/"}"#;
const GOOGLE_REFUSAL: &str = "[AUTHENTICATIONFAILED] Invalid credentials (Failure)";

/// A mechanism that is not on offer, an initial response where none is taken, an exchange taken back.
const ARGUMENT_ERROR: &str = "Command Argument Error. 12";

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// `initial` is decoded, as the grammar has read it.
    pub(super) async fn authenticate(
        &mut self,
        tag: &str,
        mechanism: AuthMechanism<'_>,
        initial: Option<Vec<u8>>,
    ) -> io::Result<Next> {
        let knobs = self.cloud.knobs().clone();
        if self.refusals > 0 && !knobs.google {
            return self.bye(TIMED_OUT).await;
        }
        if knobs.imap_unavailable {
            return self.unavailable().await;
        }
        if let Some(wait) = knobs.imap_throttled {
            let text = format!("Request is throttled. Suggested Backoff Time: {wait} milliseconds");
            return self.bad(tag, &text).await;
        }
        let unannounced = initial.is_some() && knobs.imap_capability_without_sasl_ir;
        if unannounced || !is_offered(&mechanism, &knobs) {
            return self.bad(tag, ARGUMENT_ERROR).await;
        }
        let next = self.exchange(tag, &mechanism, initial).await?;
        Ok(if knobs.drop_after_auth { Next::End } else { next })
    }

    /// The SASL exchange of a mechanism that is on offer.
    async fn exchange(
        &mut self,
        tag: &str,
        mechanism: &AuthMechanism<'_>,
        initial: Option<Vec<u8>>,
    ) -> io::Result<Next> {
        let response = match self.sasl_response(initial).await? {
            None => return self.refuse_overlong(tag).await,
            Some(response) if response == b"*" => return self.bad(tag, ARGUMENT_ERROR).await,
            Some(response) => response,
        };
        let bearer = match mechanism {
            AuthMechanism::Plain => return self.refuse_password(tag).await,
            AuthMechanism::OAuthBearer => oauthbearer(&response),
            _ => Bearer::read(&response),
        };
        match bearer.and_then(|bearer| judge(&self.cloud, &bearer, Protocol::Imap).ok()) {
            Some(admission) => self.admit(tag, &admission).await,
            None => self.refuse(tag, mechanism).await,
        }
    }

    /// LOGIN, which Exchange no longer admits with any password.
    pub(super) async fn refuse_login(&mut self, tag: &str) -> io::Result<Next> {
        self.cloud.counters.imap_refusals.increment();
        let google = self.cloud.knobs().google;
        let text = if google { GOOGLE_REFUSAL } else { "LOGIN failed." };
        self.say(&format!("{tag} NO {text}")).await?;
        Ok(Next::Go)
    }

    /// The response in base64, asked for unless it came along, or `*`, which takes the command back. `None`: too long.
    async fn sasl_response(&mut self, initial: Option<Vec<u8>>) -> io::Result<Option<Vec<u8>>> {
        if let Some(initial) = initial {
            return Ok(Some(STANDARD.encode(initial).into_bytes()));
        }
        self.say("+ ").await?;
        self.sasl_line().await
    }

    /// The rest of the line must not be read as commands.
    pub(super) async fn refuse_overlong(&mut self, tag: &str) -> io::Result<Next> {
        self.say(&format!("{tag} BAD Command Error. 10")).await?;
        Ok(Next::End)
    }

    /// The login has to be through before the connection's time for it is up.
    async fn sasl_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let deadline = self.login_until();
        timeout_at(deadline, self.wire.line()).await?
    }

    async fn admit(&mut self, tag: &str, admission: &Admission) -> io::Result<Next> {
        let connected =
            admission.access == Access::Granted && !self.cloud.knobs().imap_not_connected;
        self.phase = match connected {
            false => Phase::NotConnected,
            true => Phase::Member {
                session: Session::new(self.cloud.store.open(&admission.mailbox)),
                expires: instant(admission.expires),
            },
        };
        self.bad = 0;
        self.cloud.counters.imap_logins.increment();
        let google = self.cloud.knobs().google;
        let text = match google {
            true => format!("{} authenticated (Success)", admission.mailbox),
            false => "AUTHENTICATE completed.".to_owned(),
        };
        self.say(&format!("{tag} OK {text}")).await?;
        Ok(Next::Go)
    }

    async fn refuse(&mut self, tag: &str, mechanism: &AuthMechanism<'_>) -> io::Result<Next> {
        self.refusals += 1;
        self.cloud.counters.imap_refusals.increment();
        let google = self.cloud.knobs().google;
        if !google {
            self.say(&format!("{tag} NO AUTHENTICATE failed.")).await?;
            return Ok(Next::Go);
        }
        let challenge = match mechanism {
            AuthMechanism::OAuthBearer => OAUTHBEARER_CHALLENGE,
            _ => XOAUTH2_CHALLENGE,
        };
        self.say(&format!("+ {}", STANDARD.encode(challenge))).await?;
        // An empty line, `AQ==` or `*`: the verdict is the same.
        self.sasl_line().await?;
        self.say(&format!("{tag} NO {GOOGLE_REFUSAL}")).await?;
        Ok(Next::Go)
    }

    async fn refuse_password(&mut self, tag: &str) -> io::Result<Next> {
        self.cloud.counters.imap_refusals.increment();
        self.say(&format!("{tag} NO Basic authentication is disabled.")).await?;
        self.bye(SIGNING_OFF).await
    }
}

fn is_offered(mechanism: &AuthMechanism<'_>, knobs: &Knobs) -> bool {
    match mechanism {
        AuthMechanism::XOAuth2 | AuthMechanism::Plain => true,
        AuthMechanism::OAuthBearer => knobs.google,
        _ => false,
    }
}

/// Reads `n,a=user,^Ahost=…^Aport=…^Aauth=Bearer token^A^A` (RFC 7628 section 3.1).
fn oauthbearer(response: &[u8]) -> Option<Bearer> {
    let decoded = String::from_utf8(STANDARD.decode(response).ok()?).ok()?;
    let mut fields = decoded.split('\x01');
    let user = fields.next()?.strip_prefix("n,a=")?.strip_suffix(',')?;
    let token = fields.find_map(|field| field.strip_prefix("auth=Bearer "))?;
    // The two characters that a GS2 name cannot have in clear (RFC 5801 section 4).
    let user = user.replace("=2C", ",").replace("=3D", "=");
    Some(Bearer { user, token: token.to_owned() })
}

/// A time of the wall clock on the clock that waits run on.
fn instant(time: SystemTime) -> Instant {
    let left = time.duration_since(SystemTime::now());
    Instant::now() + left.unwrap_or_default()
}
