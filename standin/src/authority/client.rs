//! The application that asks, and how it proves itself.

use super::aadsts::Refusal;
use super::assertion;
use super::directory::Directory;
use super::request::Request;
use crate::cloud::Cloud;
use crate::tenant::{App, Tenant};

/// The application that sent the request, after it has proved itself.
pub(super) fn authenticate<'t>(
    cloud: &Cloud,
    tenant: &'t Tenant,
    request: &Request,
) -> Result<&'t App, Refusal> {
    addressed(tenant, request)?;
    let app = registered(tenant, &request.client_id)?;
    let asserted = request.field("client_assertion").is_some();
    match &request.client_secret {
        _ if asserted && app.public => Err(Refusal::new(700_025)),
        _ if asserted => assertion::check(cloud, tenant, app, request).map(|()| app),
        Some(_) if app.public => Err(Refusal::new(700_025)),
        Some(secret) if !app.secrets.contains(secret) => Err(Refusal::new(7_000_215)),
        None if !app.public && request.field("grant_type") != Some("client_credentials") => {
            Err(Refusal::new(7_000_218))
        }
        _ => Ok(app),
    }
}

/// The application with this client id.
pub(super) fn registered<'t>(tenant: &'t Tenant, client_id: &str) -> Result<&'t App, Refusal> {
    tenant.app(client_id).ok_or_else(|| {
        let text =
            format!("Application with identifier '{client_id}' was not found in the directory.");
        Refusal::with_text(700_016, text)
    })
}

/// The path has to name the tenant or something that suits the grant.
fn addressed(tenant: &Tenant, request: &Request) -> Result<(), Refusal> {
    let directory = request.place.directory(tenant).map_err(|refusal| {
        let confidential =
            request.client_secret.is_some() || request.field("client_assertion").is_some();
        if refusal.code() == 90_038 && confidential { Refusal::new(900_382) } else { refusal }
    })?;
    match (directory, request.field("grant_type")) {
        (Directory::Tenant, _) => Ok(()),
        (_, Some("client_credentials")) => Err(Refusal::new(50_059)),
        (Directory::Common | Directory::Consumers, Some("password")) => {
            Err(Refusal::new(9_001_023))
        }
        _ => Ok(()),
    }
}
