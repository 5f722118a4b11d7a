//! The engine's part in a sign-in that a person attends.

use std::sync::Arc;

#[cfg(doc)]
use super::Authority;
use super::{Errand, Tokens};
use crate::mailbox::Mailbox;
use crate::oauth::{Application, Failure, Grant, Prompt, SignIn, Token};
use crate::secret::Secret;
use crate::store::Trouble;

impl Tokens {
    /// Lets a person sign in (see [`Authority::sign_in`]).
    ///
    /// # Errors
    /// Why nobody is signed in, in the operator's words.
    pub async fn sign_in(
        &self,
        application: &Arc<Application>,
        grant: &Grant,
        sign_in: &SignIn,
        show: impl AsyncFnMut(Prompt) -> Result<Option<Secret<String>>, Failure>,
    ) -> Result<Token, Failure> {
        self.0.authority.sign_in(application, grant, sign_in, show).await
    }

    /// The application with all its endpoints (see [`Authority::located`]).
    ///
    /// # Errors
    /// What its issuer doesn't tell.
    pub async fn located(
        &self,
        application: &Arc<Application>,
    ) -> Result<Arc<Application>, Failure> {
        self.0.authority.located(application).await
    }

    /// Keeps the refresh token that a sign-in for `mailbox` ended with: what every engine over the same
    /// store goes by from now on.
    ///
    /// # Errors
    /// Why it isn't on disk.
    pub async fn adopt(
        &self,
        mailbox: &Mailbox,
        refresh_token: Secret<String>,
    ) -> Result<(), Trouble> {
        let errand = Errand::new(&mailbox.provider, &mailbox.address, mailbox.seed(), "");
        self.0.sign_ins.adopt(&errand, refresh_token).await
    }
}
