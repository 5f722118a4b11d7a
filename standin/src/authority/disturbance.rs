//! What tests make of the token endpoint instead of letting it answer.

use std::future;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};

use super::aadsts::Refusal;
use crate::cloud::Cloud;
use crate::knobs::AuthorityFailure;

/// Octets of the answer that is too long: more than 256 KiB.
const OVERSIZE: usize = (256 << 10) + 1;

/// The answer that a knob puts in place of the real one.
pub(super) async fn strike(cloud: &Cloud) -> Option<Response> {
    let (delay, silent) = {
        let knobs = cloud.knobs();
        (knobs.authority_delay, knobs.authority_silent)
    };
    if silent {
        future::pending::<()>().await;
    }
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let mut knobs = cloud.knobs();
    if let Some(failure) = knobs.take_authority_failure() {
        return Some(answer(failure));
    }
    if knobs.authority_oversize {
        return Some(([(CONTENT_TYPE, "application/json")], "x".repeat(OVERSIZE)).into_response());
    }
    knobs.authority_aadsts.map(|code| Refusal::new(code).into_response())
}

fn answer(failure: AuthorityFailure) -> Response {
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(CONTENT_TYPE, "application/json")], failure.body).into_response();
    if let Some(wait) = failure.retry_after.and_then(|wait| wait.parse().ok()) {
        response.headers_mut().insert(RETRY_AFTER, wait);
    }
    response
}
