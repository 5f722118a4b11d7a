//! The way to an authority: HTTP, bounded in time and size, and what its failures mean.

use std::error::Error;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::{Clock, Errand, Miss};
use crate::oauth::{Ask, Class, Failure, Reply, Request, Token, Wish};
use crate::secret::Secret;

const WAIT: &str = "Nothing to do: it will be asked again";

/// The bounds of a token request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a TCP and TLS connection to the authority may take.
    pub connect: Duration,
    /// How long the authority may be silent, before its headers and between two parts of its body.
    pub silence: Duration,
    /// How long all of it may take.
    pub total: Duration,
    /// The longest body. Octets.
    pub body: usize,
}

impl Default for Limits {
    /// An authority answers within a second or is in trouble, and mail clients wait half a minute for
    /// the verdict on a login. Replies are some 5 KiB; four times 64 KiB is room for tokens with every
    /// group of a large tenant in them.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(15),
            total: Duration::from_secs(25),
            body: 256 * 1024,
        }
    }
}

/// A client for token requests. It follows no redirect: a token endpoint doesn't move, and what it is
/// sent isn't for others.
///
/// # Errors
/// What reqwest makes of `tls`, which must be of the rustls that it was built with.
pub fn http_client(tls: rustls::ClientConfig, limits: &Limits) -> reqwest::Result<Client> {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .connect_timeout(limits.connect)
        .read_timeout(limits.silence)
        .user_agent(concat!("gatepost/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Who is asked for tokens.
pub(super) struct Authority {
    http: Client,
    limits: Limits,
    clock: Clock,
}

impl Authority {
    pub(super) fn new(http: Client, limits: Limits, clock: Clock) -> Self {
        Self { http, limits, clock }
    }

    /// Does what the errand's grant wants until it has a token.
    pub(super) async fn obtain(
        &self,
        errand: &Errand,
        refresh_token: Option<Secret<String>>,
    ) -> Result<Token, Miss> {
        let ask = Ask { scope: errand.scope.clone(), refresh_token };
        let mut exchange = (errand.grant.begin)(&errand.application, &ask).map_err(Miss::Known)?;
        let mut reply = None;
        loop {
            match exchange.advance((self.clock)(), reply.as_ref()).map_err(Miss::Answered)? {
                Wish::Post(request) => {
                    reply = Some(self.post(&request).await.map_err(Miss::Answered)?);
                }
                Wish::Granted(token) => return Ok(token),
            }
        }
    }

    async fn post(&self, request: &Request) -> Result<Reply, Failure> {
        let host = host(&request.url)?;
        let deadline = Instant::now() + self.limits.total;
        let form: Vec<_> =
            request.form.iter().map(|(name, value)| (*name, value.reveal().as_str())).collect();
        let sent = self.http.post(&request.url).form(&form).send();
        let response = timeout_at(deadline, sent)
            .await
            .map_err(|_| silent(&host))?
            .map_err(|error| broken(&host, &error))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(reqwest::header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body =
            timeout_at(deadline, self.body(response, &host)).await.map_err(|_| silent(&host))??;
        Ok(Reply { status, retry_after, body })
    }

    async fn body(&self, mut response: Response, host: &str) -> Result<Secret<Vec<u8>>, Failure> {
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(host, &error))? {
            if body.len() + chunk.len() > self.limits.body {
                let meaning = format!("{host} answers with more than {} octets", self.limits.body);
                let advice = "See whether something answers in the authority's place";
                return Err(Failure::new(Class::Retry, meaning, advice));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Secret::new(std::mem::take(&mut *body)))
    }
}

fn host(url: &str) -> Result<String, Failure> {
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.ok_or_else(|| {
        Failure::new(
            Class::Configure,
            "the token endpoint isn't a URL with a host",
            "Correct the token endpoint's URL",
        )
    })
}

fn silent(host: &str) -> Failure {
    Failure::new(Class::Retry, format!("{host} doesn't answer in time"), WAIT)
}

/// What went wrong on the way, told apart as an operator has to look in different places for it.
fn broken(host: &str, error: &reqwest::Error) -> Failure {
    let links: Vec<_> = std::iter::successors(error.source(), |link| behind(*link)).collect();
    let tls = links.iter().find_map(|link| link.downcast_ref::<rustls::Error>());
    let reason = links.last().map(ToString::to_string).unwrap_or_default();
    let (meaning, advice) = if let Some(tls) = tls {
        (format!("TLS with {host} fails: {tls}"), "Check this host's clock and trusted authorities")
    } else if links.iter().any(|link| link.to_string().starts_with("dns error")) {
        (format!("the name {host} can't be resolved: {reason}"), "Check this host's DNS")
    } else if error.is_timeout() && error.is_connect() {
        (format!("{host} can't be reached in time"), "Check network, firewall and HTTP proxy")
    } else if error.is_timeout() {
        return silent(host);
    } else if error.is_connect() {
        (format!("{host} can't be reached: {reason}"), "Check network, firewall and HTTP proxy")
    } else {
        (format!("the connection to {host} broke: {reason}"), WAIT)
    };
    Failure::new(Class::Retry, meaning, advice)
}

/// What lies behind an error. Of an I/O error made of another one, `source` passes over that one.
fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let made_of = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    made_of.map(|inner| inner as _).or_else(|| error.source())
}
