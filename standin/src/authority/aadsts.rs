//! Refusals of the authority, with Entra's numbers and in Entra's form.

mod numbers;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use crate::calendar::Utc;
use crate::entropy;
use numbers::{Kind, kind};

/// A no of the authority.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    code: u32,
    /// The `error`, where it is not the number's usual one.
    error: Option<&'static str>,
    text: String,
}

impl Refusal {
    /// The refusal with this AADSTS number and its usual text.
    pub(super) fn new(code: u32) -> Self {
        Self::with_text(code, kind(code).text)
    }

    /// The refusal with this AADSTS number and another text.
    pub(super) fn with_text(code: u32, text: impl Into<String>) -> Self {
        Self { code, error: None, text: text.into() }
    }

    /// The request lacks a parameter.
    pub(super) fn missing(parameter: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{parameter}'.");
        Self::with_text(900_144, text)
    }
}

impl Refusal {
    /// The same with another `error`.
    pub(super) fn spelled(self, error: &'static str) -> Self {
        Self { error: Some(error), ..self }
    }

    pub(super) fn code(&self) -> u32 {
        self.code
    }

    /// What stands in the redirect's `error`.
    pub(crate) fn error(&self) -> &'static str {
        self.error.unwrap_or_else(|| kind(self.code).error)
    }

    /// What stands on an error page and in the redirect's `error_description`.
    pub(crate) fn sentence(&self) -> String {
        format!("AADSTS{}: {}", self.code, self.text)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (error, sentence, code) = (self.error(), self.sentence(), self.code);
        let Kind { status, suberror, .. } = kind(code);
        let (trace, correlation) = (entropy::guid(), entropy::guid());
        let timestamp = Utc::now().entra();
        let mut body = json!({
            "error": error,
            "error_description": format!(
                "{sentence}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {timestamp}"
            ),
            "error_codes": [code],
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        });
        if let Some(suberror) = suberror {
            body["suberror"] = json!(suberror);
        }
        let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, Json(body)).into_response()
    }
}
