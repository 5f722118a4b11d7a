//! The contract between a grant, which knows what has to happen, and whoever makes it happen.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::advice::Failure;
use crate::secret::Secret;

/// A grant at work: a machine that says what it wants next.
pub trait Exchange: Send {
    /// Takes what became of the last wish and the time at which it did. `None` is the start, and the
    /// outcome of a wait, and of a prompt that nobody has answered yet.
    ///
    /// # Errors
    /// Why there is no token; the exchange is over.
    fn advance(&mut self, now: SystemTime, reply: Option<Reply>) -> Result<Wish, Failure>;
}

/// What an exchange wants next.
#[derive(Debug)]
pub enum Wish {
    /// This request posted, its fields as `application/x-www-form-urlencoded`.
    Post(Request),
    /// This request made by GET, its fields in the query.
    Get(Request),
    /// What this file holds now.
    Read(PathBuf),
    /// What this program prints: its path or name and its arguments, for no shell.
    Run(Vec<String>),
    /// To be asked again after this time.
    Wait(Duration),
    /// A person told this, who may answer; to be asked again at once where no answer is awaited.
    Show(Prompt),
    /// Nothing more: this is the token.
    Granted(Token),
}

/// What became of a wish.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The authority's response to a request.
    Http(Response),
    /// What the file held or the program printed, of bounded size.
    Content(Secret<Vec<u8>>),
    /// Where a browser was sent back to: an URL, or its part from the path or the query on. It may
    /// come from anyone who can reach the port.
    Redirected(Secret<String>),
    /// Nothing, for this reason.
    Failed(Failure),
}

/// An HTTP request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to.
    pub url: String,
    /// The fields in order. All values are kept as secrets, so that none has to be judged.
    pub form: Vec<(&'static str, Secret<String>)>,
    /// The header fields beyond those of every request.
    pub headers: Vec<(&'static str, Secret<String>)>,
    /// Which way it takes.
    pub route: Route,
}

/// Which way a request takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// As the machine and the configuration say, through a proxy perhaps.
    #[default]
    Usual,
    /// Never through a proxy: it is for this machine's host, and its reply for this machine alone.
    Direct,
}

impl Request {
    /// A request for `url` with these fields.
    pub(super) fn new(url: &str, form: Vec<(&'static str, Secret<String>)>) -> Self {
        Self { url: url.to_owned(), form, headers: Vec::new(), route: Route::Usual }
    }
}

/// An HTTP response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The `Retry-After` field as it stood.
    pub retry_after: Option<String>,
    /// The `WWW-Authenticate` field as it stood.
    pub challenge: Option<String>,
    /// The body, of bounded size.
    pub body: Secret<Vec<u8>>,
}

/// What a person is told.
#[derive(Clone, Debug)]
pub enum Prompt {
    /// To open this URL in a browser, which returns to the redirect URI; answered by
    /// [`Reply::Redirected`]. Shown once more where something else than the answer came.
    Browser {
        /// The URL.
        url: String,
    },
    /// To type a code in at another device (RFC 8628 section 3.3). No answer is awaited.
    Device {
        /// The code.
        user_code: String,
        /// Where to type it in.
        verification_uri: String,
        /// The same with the code filled in, fit for a QR code, where the authority has one.
        complete: Option<String>,
        /// When the code ends.
        expires_at: SystemTime,
    },
}

/// What an authority granted.
#[derive(Clone, Debug)]
pub struct Token {
    /// The access token: visible ASCII, not empty.
    pub access: Secret<String>,
    /// When it ends.
    pub expires_at: SystemTime,
    /// The refresh token that replaces the one used; most authorities send one only now and then.
    pub refresh: Option<Secret<String>>,
    /// The scope granted, where the authority says it.
    pub scope: Option<String>,
    /// Who signed in, where the authority says it in an ID token.
    pub account: Option<String>,
}
