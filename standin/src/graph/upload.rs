//! Attachments: small ones in one request, those from 3 to 150 MB in pieces.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_RANGE, HOST, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};

use super::caller::{Parameters, mailbox};
use super::draft::{Attachment, attachment};
use super::drafts::{Progress, Range};
use super::refusal::Refusal;
use super::send::{parse, read};
use crate::cloud::Cloud;

/// The sizes of attachments that need an upload session.
const SIZES: std::ops::RangeInclusive<u64> = 3 << 20..=150 << 20;

/// POST `attachments`.
pub(super) async fn attach(
    State(cloud): State<Arc<Cloud>>,
    Path(parameters): Path<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let value = parse(&read(body).await?)?;
    let mailbox = mailbox(&cloud, &parameters, &headers, "Mail.ReadWrite")?;
    if value["@odata.type"] != "#microsoft.graph.fileAttachment" {
        let message = "The type of the attachment is missing or not supported.";
        return Err(Refusal::bad_request("BadRequest", message));
    }
    let attachment = attachment(&value)?;
    let answer = json!({ "id": "AAMk", "name": attachment.name });
    let draft = parameters.get("message").map_or("", String::as_str);
    cloud.drafts.attach(&mailbox, draft, attachment)?;
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// POST `createUploadSession`.
pub(super) async fn create(
    State(cloud): State<Arc<Cloud>>,
    Path(parameters): Path<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let item = parse(&read(body).await?)?["AttachmentItem"].take();
    let mailbox = mailbox(&cloud, &parameters, &headers, "Mail.ReadWrite")?;
    let draft = parameters.get("message").map_or("", String::as_str);
    cloud.drafts.read(&mailbox, draft)?;
    let size = size(&item)?;
    let text = |name: &str| item[name].as_str().map(String::from);
    let attachment = Attachment {
        name: text("name").unwrap_or_default(),
        content_type: text("contentType").unwrap_or_else(|| "application/octet-stream".into()),
        octets: Vec::new(),
    };
    let session = cloud.drafts.open_upload(draft, attachment, size);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let answer = json!({
        "uploadUrl": format!("https://{host}/upload/{session}"),
        "nextExpectedRanges": ["0-"],
    });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// PUT of one piece. Its address is all that it needs: a token would be refused by the real service.
pub(super) async fn range(
    State(cloud): State<Arc<Cloud>>,
    Path(parameters): Path<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let octets = read(body).await?;
    if headers.contains_key(AUTHORIZATION) {
        return Err(Refusal::invalid_token());
    }
    let range = headers.get(CONTENT_RANGE).and_then(|range| Range::read(range.to_str().ok()?));
    let missing =
        || Refusal::bad_request("ErrorInvalidRange", "Content-Range is missing or not understood.");
    let session = parameters.get("session").map_or("", String::as_str);
    match cloud.drafts.upload(session, range.ok_or_else(missing)?, &octets)? {
        Progress::Next(next) => {
            Ok(Json(json!({ "nextExpectedRanges": [next.to_string()] })).into_response())
        }
        Progress::Whole => {
            Ok((StatusCode::CREATED, [(LOCATION, format!("/upload/{session}"))]).into_response())
        }
    }
}

impl Range {
    /// `Content-Range: bytes first-last/total`
    fn read(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some(Self { first, last, total: total.parse().ok()? })
    }
}

fn size(item: &Value) -> Result<usize, Refusal> {
    let size = item["size"].as_u64().unwrap_or_default();
    if size < *SIZES.start() {
        let message = "Attachment size must be greater than the minimum size.";
        return Err(Refusal::bad_request(
            "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
            message,
        ));
    }
    let too_large = || {
        Refusal::bad_request(
            "ErrorAttachmentSizeLimitExceeded",
            "Attachment size exceeds the limit of 150 MB.",
        )
    };
    usize::try_from(size).ok().filter(|_| SIZES.contains(&size)).ok_or_else(too_large)
}
