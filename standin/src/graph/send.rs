//! Sending: at once, or a draft.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};

use super::caller::{Parameters, mailbox};
use super::draft::Draft;
use super::fields;
use super::refusal::Refusal;
use crate::cloud::Cloud;
use crate::delivery;

/// The longest request.
const REQUEST_LIMIT: usize = 4 << 20;
/// What is read of a request before it is refused: a client that is still writing would miss the refusal.
const READ_LIMIT: usize = 256 << 20;

/// Whether the sender keeps a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copy {
    SentItems,
    None,
}

/// POST `sendMail`.
pub(super) async fn send_mail(
    State(cloud): State<Arc<Cloud>>,
    Path(parameters): Path<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let body = read(body).await?;
    let mailbox = mailbox(&cloud, &parameters, &headers, "Mail.Send")?;
    let (draft, copy) = match is_json(&headers) {
        false => (Draft::from_base64(&body)?, Copy::SentItems),
        true => {
            let request = parse(&body)?;
            let keeps = request["saveToSentItems"].as_bool().unwrap_or(true);
            let copy = if keeps { Copy::SentItems } else { Copy::None };
            (Draft::from_json(&request["message"])?, copy)
        }
    };
    submit(&cloud, &mailbox, &draft, copy)
}

/// POST `messages`: a draft from MIME or JSON.
pub(super) async fn create_draft(
    State(cloud): State<Arc<Cloud>>,
    Path(parameters): Path<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let body = read(body).await?;
    let mailbox = mailbox(&cloud, &parameters, &headers, "Mail.ReadWrite")?;
    let draft = match is_json(&headers) {
        false => Draft::from_base64(&body)?,
        true => Draft::from_json(&parse(&body)?)?,
    };
    let id = cloud.drafts.keep(&mailbox, draft);
    Ok((StatusCode::CREATED, Json(json!({ "id": id, "isDraft": true }))).into_response())
}

/// POST `messages/{id}/send`.
pub(super) async fn send_draft(
    State(cloud): State<Arc<Cloud>>,
    Path(parameters): Path<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mailbox = mailbox(&cloud, &parameters, &headers, "Mail.Send")?;
    let id = parameters.get("message").map_or("", String::as_str);
    let draft = cloud.drafts.read(&mailbox, id)?;
    let answer = submit(&cloud, &mailbox, &draft, Copy::SentItems)?;
    cloud.drafts.remove(&mailbox, id)?;
    Ok(answer)
}

/// DELETE `messages/{id}`.
pub(super) async fn delete_draft(
    State(cloud): State<Arc<Cloud>>,
    Path(parameters): Path<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mailbox = mailbox(&cloud, &parameters, &headers, "Mail.ReadWrite")?;
    cloud.drafts.remove(&mailbox, parameters.get("message").map_or("", String::as_str))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The body of a request that is short enough.
pub(super) async fn read(body: Body) -> Result<Bytes, Refusal> {
    let body = to_bytes(body, READ_LIMIT).await.map_err(|_| Refusal::too_large())?;
    if body.len() > REQUEST_LIMIT { Err(Refusal::too_large()) } else { Ok(body) }
}

pub(super) fn parse(body: &[u8]) -> Result<Value, Refusal> {
    let message = "Unable to read JSON request payload.";
    serde_json::from_slice(body).map_err(|_| Refusal::bad_request("BadRequest", message))
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.starts_with("application/json"))
}

/// There is no envelope: the message goes to whom its header names.
fn submit(cloud: &Cloud, mailbox: &str, draft: &Draft, copy: Copy) -> Result<Response, Refusal> {
    let recipients = draft.recipients();
    if recipients.is_empty() {
        return Err(Refusal::bad_request(
            "ErrorInvalidRecipients",
            "At least one recipient is not valid.",
        ));
    }
    let author = delivery::author(&draft.mime);
    let denied = author.is_some_and(|author| {
        let tenant = cloud.tenant();
        tenant.mailbox(mailbox).is_none_or(|account| !account.may_send_as(&author))
    });
    if denied {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "ErrorSendAsDenied", SEND_AS_DENIED));
    }
    let message = draft.finish(mailbox);
    delivery::deliver(cloud, &recipients, &fields::without(&message, "Bcc").into());
    if copy == Copy::SentItems {
        cloud.store.deliver(mailbox, "Sent Items", message);
    }
    cloud.counters.graph_messages_accepted.increment();
    Ok(StatusCode::ACCEPTED.into_response())
}

const SEND_AS_DENIED: &str = "The user account which was used to submit this request does not have the right to send mail \
    on behalf of the specified sending account., Cannot submit message.";
