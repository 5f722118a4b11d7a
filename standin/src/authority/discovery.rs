//! OpenID Connect Discovery 1.0, as far as a client of the mail protocols reads it.

use axum::extract::{Extension, Path};
use axum::http::HeaderMap;
use axum::response::Json;
use serde_json::{Value, json};

use super::request::host;
use crate::tenant::NationalCloud;

/// The document of a tenant.
pub(super) async fn entra(
    Extension(cloud): Extension<NationalCloud>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Json<Value> {
    let host = host(&headers);
    let base = format!("https://{host}{}/{tenant}", cloud.prefix());
    Json(json!({
        "issuer": format!("{base}/v2.0"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        "introspection_endpoint": format!("https://{host}/introspect"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

/// Google's document.
pub(super) async fn google(headers: HeaderMap) -> Json<Value> {
    let base = format!("https://{}/google", host(&headers));
    Json(json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "grant_types_supported":
            ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}
