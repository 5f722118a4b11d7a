//! HTTP to an authority, bounded in time and size, and what its failures mean.

use std::error::Error;
use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, Url};
use tokio::time::{Instant, timeout_at};
use url::Host;
use zeroize::Zeroizing;

use crate::oauth::{Class, Failure, Request, Response, Route};
use crate::secret::Secret;
use crate::wire::{Proxy, Scheme};

const WAIT: &str = "Nothing to do: it will be asked again";

/// The bounds of a token request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a TCP and TLS connection to the authority may take.
    pub connect: Duration,
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
        Self { connect: Duration::from_secs(10), total: Duration::from_secs(25), body: 256 * 1024 }
    }
}

/// The ways over which authorities are asked.
#[derive(Clone)]
pub struct Http {
    usual: Client,
    /// Never through a proxy.
    direct: Client,
}

/// A client for token requests. It follows no redirect: a token endpoint doesn't move, and what it is
/// sent isn't for others. Without `proxy`, the system's settings count (`HTTPS_PROXY`, `NO_PROXY`).
///
/// # Errors
/// What reqwest makes of `tls`, which must be of the rustls that it was built with, or of `proxy`.
pub fn http_client(
    tls: rustls::ClientConfig,
    limits: &Limits,
    proxy: Option<&Proxy>,
) -> reqwest::Result<Http> {
    let direct = client(tls.clone(), limits).no_proxy().build()?;
    let usual = client(tls, limits);
    let usual = match proxy {
        Some(proxy) => usual.proxy(way_out(proxy)?),
        None => usual,
    };
    Ok(Http { usual: usual.build()?, direct })
}

fn client(tls: rustls::ClientConfig, limits: &Limits) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .connect_timeout(limits.connect)
        .user_agent(concat!("gatepost/", env!("CARGO_PKG_VERSION")))
}

/// The same proxy in reqwest's terms, with the same exemptions.
fn way_out(proxy: &Proxy) -> reqwest::Result<reqwest::Proxy> {
    let scheme = match proxy.scheme {
        Scheme::Http => "http",
        // With the name resolved by the proxy, as on the way to mail hosts.
        Scheme::Socks5 => "socks5h",
    };
    let host = match proxy.host.contains(':') {
        true => format!("[{}]", proxy.host),
        false => proxy.host.clone(),
    };
    let place = format!("{scheme}://{host}:{}", proxy.port);
    // What isn't a URL fails here, instead of leading past the proxy below.
    reqwest::Proxy::all(&place)?;
    let exempt = Proxy::clone(proxy);
    let mut url = Url::parse(&place).ok();
    if let (Some(url), Some((user, password))) = (&mut url, &proxy.login) {
        // Only an URL that can't be a base refuses them, and this one has a host.
        let _ = url.set_username(user).and_then(|()| url.set_password(Some(password.reveal())));
    }
    Ok(reqwest::Proxy::custom(move |target| {
        target.host_str().filter(|host| exempt.serves(host)).and_then(|_| url.clone())
    }))
}

impl Http {
    /// The usual way, for others than authorities.
    pub fn usual(&self) -> Client {
        self.usual.clone()
    }

    /// Makes the request.
    ///
    /// # Errors
    /// Why there is no response.
    pub(super) async fn send(
        &self,
        method: Method,
        request: &Request,
        limits: &Limits,
    ) -> Result<Response, Failure> {
        let host = host(&request.url)?;
        let deadline = Instant::now() + limits.total;
        let response = timeout_at(deadline, self.built(&method, request).send())
            .await
            .map_err(|_| silent(&host))?
            .map_err(|error| broken(&host, &error))?;
        let header = |name: HeaderName| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (retry_after, challenge) = (header(RETRY_AFTER), header(WWW_AUTHENTICATE));
        let status = response.status().as_u16();
        let body = timeout_at(deadline, read(response, &host, limits.body));
        let body = body.await.map_err(|_| silent(&host))??;
        Ok(Response { status, retry_after, challenge, body })
    }

    /// The time of day at `url`, by the `Date` that answers carry (RFC 9110 section 6.6.1), whatever
    /// they answer. The question holds no secret.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn date(&self, url: &str, limits: &Limits) -> Result<Option<SystemTime>, Failure> {
        let host = host(url)?;
        let asked = self.towards(url, Route::Usual).get(url).timeout(limits.total).send().await;
        let response = asked.map_err(|error| broken(&host, &error))?;
        let date = response.headers().get(DATE).and_then(|value| value.to_str().ok());
        Ok(date.and_then(|date| httpdate::parse_http_date(date).ok()))
    }

    /// The way to `url`: a proxy of the environment's needn't know this machine.
    fn towards(&self, url: &str, route: Route) -> &Client {
        match route {
            Route::Usual if !is_here(url) => &self.usual,
            Route::Usual | Route::Direct => &self.direct,
        }
    }

    fn built(&self, method: &Method, request: &Request) -> reqwest::RequestBuilder {
        let client = self.towards(&request.url, request.route);
        let fields: Vec<_> =
            request.form.iter().map(|(name, value)| (*name, value.reveal().as_str())).collect();
        let mut built = match *method {
            Method::POST => client.post(&request.url).form(&fields),
            _ if fields.is_empty() => client.get(&request.url),
            _ => client.get(with_query(&request.url, &fields)),
        };
        for (name, value) in &request.headers {
            let Ok(mut value) = HeaderValue::from_str(value.reveal()) else { continue };
            value.set_sensitive(true);
            built = built.header(*name, value);
        }
        built
    }
}

/// Whether `url` leads to this machine, where no proxy does.
fn is_here(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn with_query(url: &str, fields: &[(&str, &str)]) -> String {
    Url::parse_with_params(url, fields).map_or_else(|_| url.to_owned(), Into::into)
}

async fn read(
    mut response: reqwest::Response,
    host: &str,
    longest: usize,
) -> Result<Secret<Vec<u8>>, Failure> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(host, &error))? {
        if body.len() + chunk.len() > longest {
            let meaning = format!("{host} answers with more than {longest} octets");
            let advice = "See whether something answers in the authority's place";
            return Err(Failure::new(Class::Retry, meaning, advice));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Secret::new(std::mem::take(&mut *body)))
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
