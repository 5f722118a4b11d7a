//! The token endpoint of version 1.0, which wants a `resource` where version 2.0 wants a `scope`.

use serde_json::{Value, json};

use super::aadsts::Refusal;
use super::grants;
use super::request::Request;
use crate::calendar;
use crate::cloud::Cloud;

/// Answers a request of version 1.0 by the grants of version 2.0.
pub(super) fn grant(cloud: &Cloud, mut request: Request) -> Result<Value, Refusal> {
    let resource = request.required("resource")?.trim_end_matches('/').to_owned();
    let app_only = request.field("grant_type") == Some("client_credentials");
    let default = format!("{resource}/.default");
    // Version 1.0 hands out refresh tokens unasked.
    let scope = if app_only { default } else { format!("{default} openid profile offline_access") };
    request.set("scope", scope);
    let mut answer = grants::grant(cloud, &request)?;
    let now = calendar::unix(cloud.knobs().authority_clock_skew);
    let seconds = match &answer["expires_in"] {
        Value::String(seconds) => seconds.parse().unwrap_or_default(),
        seconds => seconds.as_u64().unwrap_or_default(),
    };
    answer["expires_in"] = json!(seconds.to_string());
    answer["ext_expires_in"] = json!(seconds.to_string());
    answer["expires_on"] = json!((now + seconds).to_string());
    answer["not_before"] = json!(now.to_string());
    answer["resource"] = json!(resource);
    if let Some(scope) = answer["scope"].as_str() {
        answer["scope"] = json!(scope.replace(&format!("{resource}/"), ""));
    }
    Ok(answer)
}
