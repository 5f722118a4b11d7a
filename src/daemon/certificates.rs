//! Certificates that change while the service runs.

use std::path::PathBuf;

use tracing::{info, warn};

use super::Gate;
use crate::tls::{Error, Identity, Look};

/// Shows new connections what the files hold by now. Files that are of no use change nothing.
pub(super) async fn refresh(gates: &[Gate]) {
    let identities: Vec<Identity> =
        gates.iter().filter_map(|gate| gate.door.borrow().entrance.identity.clone()).collect();
    let look = || -> Vec<(PathBuf, Result<Look, Error>)> {
        let each = |identity: Identity| (identity.chain().to_owned(), identity.refresh());
        identities.into_iter().map(each).collect()
    };
    for (chain, look) in tokio::task::spawn_blocking(look).await.unwrap_or_default() {
        let certificate = chain.display();
        match look {
            Ok(Look::Same) => {}
            Ok(Look::Changed) => info!(%certificate, "new connections get the new certificate"),
            Err(error) => {
                warn!(%certificate, %error, "the certificate has changed and is of no use; the old one stays");
            }
        }
    }
}
