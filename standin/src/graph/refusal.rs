//! How Graph says no.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use crate::calendar::Utc;
use crate::entropy;

/// An error answer: status, code and message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn invalid_token() -> Self {
        let message = "Access token validation failure. Invalid audience.";
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    pub(super) fn access_denied(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "ErrorAccessDenied", message)
    }

    pub(super) fn item_not_found() -> Self {
        let message = "The specified object was not found in the store.";
        Self::new(StatusCode::NOT_FOUND, "ErrorItemNotFound", message)
    }

    pub(super) fn unknown_segment() -> Self {
        Self::bad_request("BadRequest", "Resource not found for the segment.")
    }

    pub(super) fn too_large() -> Self {
        let message = "The maximum request length supported is 4MB.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let id = entropy::guid();
        let body = json!({
            "error": {
                "code": self.code,
                "message": self.message,
                "innerError": { "date": Utc::now().iso(), "request-id": id, "client-request-id": id },
            }
        });
        (self.status, Json(body)).into_response()
    }
}
