//! A message that is too large for one request: a draft of what is no file, the files uploaded to it
//! one by one, and then the word to send it.

use std::io;
use std::ops::Range;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::timeout;
use url::Url;

use super::answer::Answer;
use super::courier::Courier;
use super::parts::{self, File, Part};
use super::post::{Coding, Content, Errand, Kind, Weight, post};
use super::refusals::{no_room, unfinished, unfit_file, unfit_for_draft};
use super::spool::Spool;
use super::verdict::{Outcome, Verdict};
use super::{REQUEST, decode::Decoder};
use crate::secret::Secret;

/// How long everything may take before the word to send: clients wait 10 minutes for a verdict
/// (RFC 5321 section 4.5.3.2.6), and send again when it comes later.
const PATIENCE: Duration = Duration::from_secs(8 * 60);

/// Octets of a piece. Graph takes less than 4 MB, and wants multiples of 320 KiB.
const PIECE: usize = 10 * 320 * 1024;

/// From here on a file needs an upload session, and below it Graph refuses one.
const LEAST_UPLOAD: usize = 3 * 1024 * 1024;

/// The most of a file that fits into one request with its name around it.
const MOST_AT_ONCE: usize = LEAST_UPLOAD - 1024;

/// The largest file.
const MOST_UPLOAD: usize = 150 * 1024 * 1024;

/// The first part of a message that consists of files alone: without one, it would have none.
const NO_TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\n\r\n";

/// Sends the message in `spool`, whose parts `boundary` divides.
pub(super) async fn send(
    courier: &Courier<'_>,
    spool: &mut Spool,
    boundary: Option<&str>,
) -> Result<Verdict, Verdict> {
    let boundary = boundary.ok_or_else(unfit_for_draft)?;
    let parts = parts::find(spool, boundary).await.map_err(|error| no_room(&error))?;
    let parts = parts.ok_or_else(unfit_for_draft)?;
    let files = chosen(&parts, spool.len()).ok_or_else(unfit_for_draft)?;
    let made = make(courier, spool, boundary, &parts, &files);
    // One that is given up deletes its draft by itself.
    let draft = timeout(PATIENCE, made).await.map_err(|_| unfinished())??;
    draft.send(courier).await
}

/// The files to take out, the largest ones first, until the rest fits into a request; in their order.
fn chosen(parts: &[Part], octets: usize) -> Option<Vec<&Part>> {
    let mut files: Vec<&Part> = parts.iter().filter(|part| part.file.is_some()).collect();
    files.sort_by_key(|part| std::cmp::Reverse(part.whole.len()));
    let (mut left, mut count) = (octets, 0);
    // Room for the part that says nothing.
    while left + 256 > REQUEST {
        left -= files.get(count)?.whole.len();
        count += 1;
    }
    files.truncate(count);
    files.sort_by_key(|part| part.whole.start);
    Some(files)
}

async fn make(
    courier: &Courier<'_>,
    spool: &mut Spool,
    boundary: &str,
    parts: &[Part],
    files: &[&Part],
) -> Result<Draft, Verdict> {
    let mut rest = Spool::default();
    let kept = keep(spool, &mut rest, boundary, parts.len() - files.len(), files);
    kept.await.map_err(|error| no_room(&error))?;
    let mut draft = Draft::create(courier, &mut rest).await?;
    for part in files {
        let attached = match &part.file {
            Some(file) => draft.attach(courier, spool, part.content.clone(), file).await,
            None => Ok(()),
        };
        if let Err(verdict) = attached {
            draft.delete(courier).await;
            return Err(verdict);
        }
    }
    Ok(draft)
}

/// Writes to `rest` what is left of a message without `files`, in which `others` parts are left.
async fn keep(
    spool: &mut Spool,
    rest: &mut Spool,
    boundary: &str,
    others: usize,
    files: &[&Part],
) -> io::Result<()> {
    let mut at = 0;
    for part in files {
        spool.copy(at..part.whole.start, rest).await?;
        at = part.whole.end;
    }
    if others == 0 {
        rest.write(format!("--{boundary}\r\n").as_bytes()).await?;
        rest.write(NO_TEXT).await?;
    }
    spool.copy(at..spool.len(), rest).await
}

/// A draft in the mailbox. Dropping it has it deleted.
struct Draft {
    http: Client,
    /// For a deletion that nobody waits for.
    token: Secret<String>,
    id: String,
    url: Url,
    fate: Fate,
}

/// Whose the draft is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Ours,
    Gone,
}

impl Draft {
    async fn create(courier: &Courier<'_>, rest: &mut Spool) -> Result<Self, Verdict> {
        let http = courier.graph.http.clone();
        let token = courier.bearer().await?.token;
        let mut errand = Errand::mime(courier.url(&["messages"]), Weight::Draft, rest);
        let (answer, body) = courier.ask(&mut errand).await?;
        let id = (answer.status == 201).then(|| said(&body, "id")).flatten();
        let id = id.ok_or_else(|| refused(&answer))?;
        let url = courier.url(&["messages", &id]);
        Ok(Self { http, token, id, url, fate: Fate::Ours })
    }

    /// Attaches the file that `octets` of `spool` are in base64.
    async fn attach(
        &mut self,
        courier: &Courier<'_>,
        spool: &mut Spool,
        octets: Range<usize>,
        file: &File,
    ) -> Result<(), Verdict> {
        self.token = courier.bearer().await?.token;
        let decoded = Decoder::decode(spool, octets).await.map_err(|error| no_room(&error))?;
        let mut decoded = decoded.ok_or_else(unfit_file)?;
        match decoded.len() {
            ..=MOST_AT_ONCE => self.attach_at_once(courier, &mut decoded, file).await,
            LEAST_UPLOAD..=MOST_UPLOAD => self.upload(courier, &mut decoded, file).await,
            _ => Err(unfit_file()),
        }
    }

    async fn attach_at_once(
        &self,
        courier: &Courier<'_>,
        decoded: &mut Spool,
        file: &File,
    ) -> Result<(), Verdict> {
        let mut before = json!({
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": file.name,
            "contentType": file.content_type,
        })
        .to_string();
        before.pop();
        before.push_str(",\"contentBytes\":\"");
        let content = Content {
            before: before.into_bytes(),
            after: b"\"}",
            ..Content::new(decoded, Coding::Base64)
        };
        let url = courier.url(&["messages", &self.id, "attachments"]);
        let (method, weight) = (Method::POST, Weight::Draft);
        let mut errand = Errand { method, url, kind: Kind::Json, weight, content };
        let (answer, _) = courier.ask(&mut errand).await?;
        if answer.status == 201 { Ok(()) } else { Err(refused(&answer)) }
    }

    async fn upload(
        &self,
        courier: &Courier<'_>,
        decoded: &mut Spool,
        file: &File,
    ) -> Result<(), Verdict> {
        let total = decoded.len();
        let url = self.session(courier, total, file).await?;
        let mut at = 0;
        while at < total {
            let end = total.min(at + PIECE);
            let range = format!("bytes {at}-{}/{total}", end - 1);
            let content = Content { octets: at..end, ..Content::new(decoded, Coding::Plain) };
            let (method, weight, kind) = (Method::PUT, Weight::Draft, Kind::Piece(range));
            let mut errand = Errand { method, url: url.clone(), kind, weight, content };
            let (answer, _) = courier.ask(&mut errand).await?;
            let expected = if end == total { [200, 201] } else { [200, 202] };
            if !expected.contains(&answer.status) {
                return Err(refused(&answer));
            }
            at = end;
        }
        Ok(())
    }

    /// Where the pieces go.
    async fn session(
        &self,
        courier: &Courier<'_>,
        size: usize,
        file: &File,
    ) -> Result<Url, Verdict> {
        let item = json!({
            "AttachmentItem": {
                "attachmentType": "file",
                "name": file.name,
                "size": size,
                "contentType": file.content_type,
            }
        });
        let mut nothing = Spool::default();
        let content = Content {
            before: item.to_string().into_bytes(),
            ..Content::new(&mut nothing, Coding::Plain)
        };
        let url = courier.url(&["messages", &self.id, "attachments", "createUploadSession"]);
        let (method, weight) = (Method::POST, Weight::Draft);
        let mut errand = Errand { method, url, kind: Kind::Json, weight, content };
        let (answer, body) = courier.ask(&mut errand).await?;
        let url = (answer.status == 201).then(|| said(&body, "uploadUrl")).flatten();
        let url = url.and_then(|url| Url::parse(&url).ok());
        // What was to be encrypted stays so.
        url.filter(|url| url.scheme() == "https" || url.scheme() == self.url.scheme())
            .ok_or_else(|| refused(&answer))
    }

    /// The word to send it. Only 202 means that it goes out; whatever else, it isn't left behind.
    async fn send(mut self, courier: &Courier<'_>) -> Result<Verdict, Verdict> {
        let mut nothing = Spool::default();
        let url = courier.url(&["messages", &self.id, "send"]);
        let mut errand = Errand::empty(Method::POST, url, Weight::Message, &mut nothing);
        let verdict = courier.ask(&mut errand).await.map(|(answer, _)| answer.verdict());
        match verdict {
            Ok(verdict) if verdict.outcome == Outcome::Sent => {
                self.fate = Fate::Gone;
                Ok(verdict)
            }
            verdict => {
                self.delete(courier).await;
                verdict
            }
        }
    }

    /// Deletes it, with a token that is good now.
    async fn delete(mut self, courier: &Courier<'_>) {
        self.fate = Fate::Gone;
        let mut nothing = Spool::default();
        let (url, weight) = (self.url.clone(), Weight::Draft);
        let mut errand = Errand::empty(Method::DELETE, url, weight, &mut nothing);
        deleted(courier.ask(&mut errand).await.ok().map(|(answer, _)| answer.status));
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.fate == Fate::Ours
            && let Ok(runtime) = Handle::try_current()
        {
            let (http, token, url) = (self.http.clone(), self.token.clone(), self.url.clone());
            runtime.spawn(async move { delete(&http, &token, url).await });
        }
    }
}

async fn delete(http: &Client, token: &Secret<String>, url: Url) {
    let mut nothing = Spool::default();
    let mut errand = Errand::empty(Method::DELETE, url, Weight::Draft, &mut nothing);
    deleted(post(http, token, &mut errand).await.ok().map(|(answer, _)| answer.status));
}

/// 404: it went out after all, or somebody was faster.
fn deleted(status: Option<u16>) {
    if !matches!(status, Some(200..300 | 404)) {
        tracing::warn!(status, "a message that wasn't sent may be left in the mailbox's Drafts");
    }
}

/// The text `name` in an answer's object, of which the end may be missing.
fn said(body: &[u8], name: &str) -> Option<String> {
    let name = format!("\"{name}\"");
    let at = body.windows(name.len()).position(|found| found == name.as_bytes())?;
    let rest = body[at + name.len()..].trim_ascii_start().strip_prefix(b":")?;
    let text = serde_json::Deserializer::from_slice(rest).into_iter::<Value>().next()?.ok()?;
    text.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// What Graph said to a step before the last one. Nothing that it can say there is a yes to the
/// message, and nothing leaves it uncertain.
fn refused(answer: &Answer) -> Verdict {
    let verdict = answer.verdict();
    let explanation = format!(
        "{} (about a draft, which needs the permission Mail.ReadWrite)",
        verdict.explanation
    );
    match verdict.outcome {
        Outcome::Refused => Verdict { explanation, ..verdict },
        Outcome::Unknown => {
            let text = "Graph has failed, try again later";
            Verdict::refused((verdict.code, verdict.enhanced), text, explanation)
        }
        Outcome::Sent => Verdict::refused((554, "5.3.0"), "Graph refuses the message", explanation),
    }
}
