//! What a mail server may ask about an access token: RFC 7662 introspection and a token-info address. Entra has neither;
//! they let a real Dovecot stand behind the imitated authority.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::extract::{Form, Query, State};
use axum::response::Json;
use serde_json::{Value, json};

use crate::cloud::Cloud;

/// RFC 7662 section 2: the token is in the form field `token`.
pub(super) async fn introspect(
    State(cloud): State<Arc<Cloud>>,
    Form(form): Form<HashMap<String, String>>,
) -> Json<Value> {
    describe(&cloud, "token", &form)
}

/// The same by GET, with the token in the parameter `access_token`.
pub(super) async fn token_info(
    State(cloud): State<Arc<Cloud>>,
    Query(query): Query<HashMap<String, String>>,
) -> Json<Value> {
    describe(&cloud, "access_token", &query)
}

/// An app-only token names nobody, so the login's name may come with the question, as `user`.
fn describe(cloud: &Cloud, parameter: &str, fields: &HashMap<String, String>) -> Json<Value> {
    let Some(issued) = fields.get(parameter).and_then(|token| cloud.tokens.recognise(token)) else {
        return Json(json!({ "active": false }));
    };
    let claims = issued.claims;
    let expires = issued.expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut answer = json!({
        "active": true,
        "aud": claims.audience,
        "client_id": claims.client_id,
        "scope": claims.permissions.join(" "),
        "token_type": "Bearer",
        "exp": expires,
    });
    if let Some(name) = claims.address.as_ref().or_else(|| fields.get("user")) {
        answer["email"] = json!(name);
        answer["username"] = json!(name);
    }
    Json(answer)
}
