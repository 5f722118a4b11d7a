//! One request: a message in base64, as it comes out of its spool.

use std::error::Error;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use reqwest::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use reqwest::{Client, Response, Url};
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

/// Posts what is in `spool` to `url`.
///
/// The body is fed from here and not handed over: where Graph answers early, nobody else goes on
/// reading the spool that the next request starts over.
pub(super) async fn post(
    http: &Client,
    url: Url,
    token: &Secret<String>,
    spool: &mut Spool,
) -> Result<Answer, Broken> {
    spool.rewind().await.map_err(Broken::Spool)?;
    let (blocks, taken) = mpsc::channel(BLOCKS_AHEAD);
    let feed = Feed { blocks: taken, left: encoded_length(spool.len()) };
    let request = http
        .post(url)
        .bearer_auth(token.reveal())
        .header(CONTENT_TYPE, "text/plain")
        .timeout(PATIENCE)
        .body(reqwest::Body::wrap(feed));
    let fed = AtomicBool::new(spool.len() == 0);
    let answer = async {
        let response = request.send().await?;
        read(response).await
    };
    tokio::select! {
        answered = answer => answered.map_err(|error| {
            let whole = fed.load(Ordering::Relaxed) && !error.is_connect() && !error.is_builder();
            if whole { Broken::After(reason(&error)) } else { Broken::Before(reason(&error)) }
        }),
        failed = encode(spool, blocks, &fed) => Err(Broken::Spool(failed)),
    }
}

/// What base64 makes of so many octets (RFC 4648 section 4).
fn encoded_length(octets: usize) -> u64 {
    octets.div_ceil(3) as u64 * 4
}

/// Feeds the spool in base64, and says in `fed` that the last block is about to go. Ends only with an
/// error: what is fed may still be on its way.
async fn encode(spool: &mut Spool, blocks: mpsc::Sender<Bytes>, fed: &AtomicBool) -> io::Error {
    let mut block = vec![0; BLOCK];
    let mut left = spool.len();
    while left > 0 {
        let filled = match spool.read(&mut block).await {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(filled) => filled,
            Err(error) => return error,
        };
        left -= filled;
        fed.store(left == 0, Ordering::Relaxed);
        if blocks.send(STANDARD.encode(&block[..filled]).into()).await.is_err() {
            // The connection wants no more: its end says why.
            break;
        }
    }
    drop(blocks);
    drop(block);
    pending().await
}

async fn read(mut response: Response) -> reqwest::Result<Answer> {
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
    Ok(Answer { retry_after, request_id, ..Answer::read(response.status().as_u16(), &body) })
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
