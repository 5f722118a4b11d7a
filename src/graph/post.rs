//! One request: a message or a piece of one, as it comes out of its spool.

use std::error::Error;
use std::future::pending;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use reqwest::{Client, Method, Response, Url};
use tokio::sync::mpsc;

use super::answer::{self, Answer};
use super::spool::Spool;
use crate::secret::Secret;

/// How long a request may take. Four megabytes at half a megabit a second are a minute; the rest is
/// Graph's, which answers within seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Octets encoded at once: a multiple of three, so that base64 has no padding but at the end.
const BLOCK: usize = 48 * 1024;

/// Encoded blocks between the spool and the connection.
const BLOCKS_AHEAD: usize = 1;

/// What is read of an error. Graph's have some hundred octets.
const LONGEST_ERROR: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// The message never was with Graph as a whole.
    Before(String),
    /// It may have been.
    After(String),
    /// The spool can't be read.
    Spool(io::Error),
}

/// A request, except for whose it is.
pub(super) struct Errand<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) kind: Kind,
    /// Whether the answer decides if the message goes out.
    pub(super) weight: Weight,
    pub(super) content: Content<'a>,
}

/// What a request's body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Empty,
    /// A message in base64.
    Mime,
    Json,
    /// A piece of an attachment, with its `Content-Range`. Its address is a secret of its own, and no
    /// token goes there.
    Piece(String),
}

/// What hangs on an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// The message: without an answer, nobody knows whether it goes out.
    Message,
    /// No more than a draft.
    Draft,
}

/// A request's body: octets of a spool, and what stands around them.
pub(super) struct Content<'a> {
    pub(super) spool: &'a mut Spool,
    pub(super) octets: Range<usize>,
    pub(super) coding: Coding,
    pub(super) before: Vec<u8>,
    pub(super) after: &'static [u8],
}

/// How the spool's octets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Base64,
    Plain,
}

/// Does an errand; the answer, and what is needed of its body.
///
/// The body is fed from here and not handed over: where Graph answers early, nobody else goes on
/// reading the spool that the next request starts over.
pub(super) async fn post(
    http: &Client,
    token: &Secret<String>,
    errand: &mut Errand<'_>,
) -> Result<(Answer, Vec<u8>), Broken> {
    let content = &mut errand.content;
    content.spool.seek(content.octets.start).await.map_err(Broken::Spool)?;
    let (blocks, taken) = mpsc::channel(BLOCKS_AHEAD);
    let length = content.length();
    let feed = Feed { blocks: taken, left: length };
    let mut request = http.request(errand.method.clone(), errand.url.clone()).timeout(PATIENCE);
    request = match &errand.kind {
        Kind::Piece(range) => request
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_RANGE, range.as_str()),
        kind => {
            let request = request.bearer_auth(token.reveal());
            match kind {
                Kind::Mime => request.header(CONTENT_TYPE, "text/plain"),
                Kind::Json => request.header(CONTENT_TYPE, "application/json"),
                _ => request,
            }
        }
    };
    let request = match length {
        0 if errand.kind == Kind::Empty => request.header(CONTENT_LENGTH, 0),
        _ => request.body(reqwest::Body::wrap(feed)),
    };
    let fed = AtomicBool::new(length == 0);
    let answer = async {
        let response = request.send().await?;
        read(response).await
    };
    let weighty = errand.weight == Weight::Message;
    tokio::select! {
        answered = answer => answered.map_err(|error| {
            let whole = fed.load(Ordering::Relaxed) && !error.is_connect() && !error.is_builder();
            if whole && weighty { Broken::After(reason(&error)) } else { Broken::Before(reason(&error)) }
        }),
        failed = feed_body(content, blocks, &fed) => Err(Broken::Spool(failed)),
    }
}

impl<'a> Errand<'a> {
    /// A request without a body. `nothing` is an empty spool.
    pub(super) fn empty(method: Method, url: Url, weight: Weight, nothing: &'a mut Spool) -> Self {
        let content = Content::new(nothing, Coding::Plain);
        Self { method, url, kind: Kind::Empty, weight, content }
    }

    /// The message in `spool`.
    pub(super) fn mime(url: Url, weight: Weight, spool: &'a mut Spool) -> Self {
        let content = Content::new(spool, Coding::Base64);
        Self { method: Method::POST, url, kind: Kind::Mime, weight, content }
    }
}

impl<'a> Content<'a> {
    /// All of `spool`.
    pub(super) fn new(spool: &'a mut Spool, coding: Coding) -> Self {
        let octets = 0..spool.len();
        Self { spool, octets, coding, before: Vec::new(), after: b"" }
    }

    fn length(&self) -> u64 {
        let octets = match self.coding {
            Coding::Base64 => encoded_length(self.octets.len()),
            Coding::Plain => self.octets.len() as u64,
        };
        octets + (self.before.len() + self.after.len()) as u64
    }
}

/// What base64 makes of so many octets (RFC 4648 section 4).
fn encoded_length(octets: usize) -> u64 {
    octets.div_ceil(3) as u64 * 4
}

/// Feeds the content, and says in `fed` that the last block is about to go. Ends only with an error:
/// what is fed may still be on its way.
async fn feed_body(
    content: &mut Content<'_>,
    blocks: mpsc::Sender<Bytes>,
    fed: &AtomicBool,
) -> io::Error {
    if !content.before.is_empty() {
        // A connection that wants no more says why by its end, here and below.
        blocks.send(Bytes::copy_from_slice(&content.before)).await.ok();
    }
    let mut block = vec![0; BLOCK];
    let mut left = content.octets.len();
    while left > 0 {
        let most = left.min(BLOCK);
        let filled = match content.spool.read(&mut block[..most]).await {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(filled) => filled,
            Err(error) => return error,
        };
        left -= filled;
        fed.store(left == 0, Ordering::Relaxed);
        let octets: Bytes = match content.coding {
            Coding::Base64 => STANDARD.encode(&block[..filled]).into(),
            Coding::Plain => Bytes::copy_from_slice(&block[..filled]),
        };
        if blocks.send(octets).await.is_err() {
            break;
        }
    }
    if !content.after.is_empty() {
        blocks.send(Bytes::from_static(content.after)).await.ok();
    }
    drop(blocks);
    drop(block);
    pending().await
}

async fn read(mut response: Response) -> reqwest::Result<(Answer, Vec<u8>)> {
    let header = |name: HeaderName| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let wait = header(RETRY_AFTER);
    let request_id = header(HeaderName::from_static("request-id"));
    let retry_after = wait.and_then(|wait| answer::retry_after(&wait, SystemTime::now()));
    let mut body = Vec::new();
    // The status alone decides over 202; a body that breaks off takes no yes back.
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(LONGEST_ERROR - body.len())]);
        if body.len() == LONGEST_ERROR {
            break;
        }
    }
    let answer = Answer::read(response.status().as_u16(), &body);
    Ok((Answer { retry_after, request_id, ..answer }, body))
}

/// Only what lies at the ground: what stands above it names the URL, and with it the mailbox, once
/// more.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut reason: &(dyn Error + 'static) = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

/// A body of known length, block by block.
struct Feed {
    blocks: mpsc::Receiver<Bytes>,
    left: u64,
}

impl Body for Feed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = match ready!(self.blocks.poll_recv(context)) {
            Some(block) => {
                self.left = self.left.saturating_sub(block.len() as u64);
                Some(Ok(Frame::data(block)))
            }
            None if self.left == 0 => None,
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
