//! Refusals in Google's form: an error and a sentence, no numbers.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

/// A no of Google's token endpoint.
pub(super) struct Refusal {
    status: StatusCode,
    error: &'static str,
    text: String,
}

impl Refusal {
    pub(super) fn bad_request(error: &'static str, text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, text: text.into() }
    }

    pub(super) fn invalid_grant(text: &str) -> Self {
        Self::bad_request("invalid_grant", text)
    }

    /// The application is unknown or its secret is wrong.
    pub(super) fn unauthorized(text: &str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, ..Self::bad_request("invalid_client", text) }
    }

    /// The service account lacks the delegation.
    pub(super) fn undelegated() -> Self {
        let text = "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.";
        Self { status: StatusCode::UNAUTHORIZED, ..Self::bad_request("unauthorized_client", text) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.text });
        (self.status, Json(body)).into_response()
    }
}
