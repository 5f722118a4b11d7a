//! An imitation of Microsoft 365 for tests and demonstrations: the token endpoint and the sign-in pages of an Entra tenant,
//! the endpoints of managed identities, Exchange Online's IMAP, POP3 and SMTP submission servers, and the mail of a few
//! mailboxes. Google's token endpoint stands beside them.
//!
//! It listens on 127.0.0.1 at ports that the system picks, with a certificate of its own certificate authority, and says
//! what the real servers are known to say, refusals included. [`Knobs`] make it misbehave. It knows nothing of gatepost, so
//! that a misreading of a protocol there is not repeated here.

mod authority;
mod bearer;
mod calendar;
mod certificate;
mod cloud;
mod codes;
mod counters;
mod delivery;
mod dialogue;
mod entropy;
mod graph;
mod http;
mod identity;
mod imap;
mod jwt;
mod knobs;
mod listener;
mod pop3;
mod smtp;
mod store;
mod tenant;
mod token;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard};

use tokio::sync::broadcast;

pub use counters::{Counter, Counters};
pub use dialogue::{Line, Side};
pub use knobs::{AuthorityFailure, Knobs};
pub use listener::Service;
pub use store::{Flag, Flags, MailStore, Message};
pub use tenant::{Account, App, Federated, NationalCloud, ServiceAccount, Tenant};
pub use token::Claims;

use certificate::Certificate;
use cloud::Cloud;
use listener::Listeners;

/// A running stand-in. Dropping it closes its ports and its connections.
#[derive(Debug)]
pub struct Standin {
    cloud: Arc<Cloud>,
    ca_pem: String,
    listeners: Listeners,
}

impl Standin {
    /// Starts the stand-in with [`Tenant::contoso`] on the current tokio runtime.
    ///
    /// # Errors
    /// When a port cannot be bound or no certificate can be made.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(Tenant::contoso()).await
    }

    /// Starts the stand-in with a tenant of the caller's.
    ///
    /// # Errors
    /// As [`Standin::start`].
    pub async fn start_with(tenant: Tenant) -> io::Result<Self> {
        let certificate = Certificate::issue().map_err(io::Error::other)?;
        let cloud = Arc::new(Cloud::new(tenant, certificate.acceptor()));
        let listeners = Listeners::open(&cloud).await?;
        Ok(Self { cloud, ca_pem: certificate.ca_pem, listeners })
    }

    /// The certificate authority behind every TLS listener, in PEM. The leaf is valid for localhost, 127.0.0.1, ::1 and
    /// the host names of the real service.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// `https://localhost:PORT`; a tenant's token endpoint is `{authority}/{tenant}/oauth2/v2.0/token`.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("https://localhost:{}", self.address(Service::Authority).port())
    }

    /// The token endpoint of the tenant, by its id.
    #[must_use]
    pub fn token_endpoint(&self) -> String {
        format!("{}/{}/oauth2/v2.0/token", self.authority(), self.cloud.tenant().id)
    }

    /// The authority of a national cloud: `https://localhost:PORT`, `…/us` or `…/china`.
    #[must_use]
    pub fn authority_of(&self, cloud: NationalCloud) -> String {
        format!("{}{}", self.authority(), cloud.prefix())
    }

    /// Google's endpoints: `authorize`, `token` and `.well-known/openid-configuration` stand behind it and a slash.
    #[must_use]
    pub fn google(&self) -> String {
        format!("{}/google", self.authority())
    }

    /// The IMDS endpoint of a virtual machine, in clear.
    #[must_use]
    pub fn imds(&self) -> String {
        self.identity_endpoint(identity::IMDS)
    }

    /// App Service's `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.
    #[must_use]
    pub fn app_service(&self) -> (String, String) {
        (self.identity_endpoint(identity::APP_SERVICE), self.cloud.identity_header.clone())
    }

    /// The endpoint of an Azure Arc machine, which works once [`Knobs::arc_key_file`] says where its key goes.
    #[must_use]
    pub fn arc(&self) -> String {
        self.identity_endpoint(identity::ARC)
    }

    fn identity_endpoint(&self, path: &str) -> String {
        format!("http://{}{path}", self.address(Service::Imds))
    }

    /// Signs the owner of `address` in on the device page; `false` if no device waits with this user code.
    pub fn approve_device(&self, user_code: &str, address: &str) -> bool {
        let approved =
            self.cloud.codes.decide(user_code, codes::Decision::Approved(address.into()));
        if approved {
            self.cloud.counters.sign_ins.increment();
        }
        approved
    }

    /// Says no on the device page; `false` if no device waits with this user code.
    pub fn decline_device(&self, user_code: &str) -> bool {
        self.cloud.codes.decide(user_code, codes::Decision::Declined)
    }

    /// IMAP with implicit TLS, as on port 993.
    #[must_use]
    pub fn imap(&self) -> SocketAddr {
        self.address(Service::Imap)
    }

    /// Submission with STARTTLS, as on port 587.
    #[must_use]
    pub fn smtp(&self) -> SocketAddr {
        self.address(Service::Smtp)
    }

    /// Submission with implicit TLS, as on port 465, which Exchange lacks and other providers have.
    #[must_use]
    pub fn smtps(&self) -> SocketAddr {
        self.address(Service::Smtps)
    }

    /// IMAP without TLS, for tests that look at the bytes.
    #[must_use]
    pub fn imap_plain(&self) -> SocketAddr {
        self.address(Service::ImapPlain)
    }

    /// Submission without TLS and with AUTH in clear, for tests that look at the bytes.
    #[must_use]
    pub fn smtp_plain(&self) -> SocketAddr {
        self.address(Service::SmtpPlain)
    }

    /// POP3 with implicit TLS, as on port 995.
    #[must_use]
    pub fn pop3(&self) -> SocketAddr {
        self.address(Service::Pop3)
    }

    /// POP3 without TLS, for tests that look at the bytes.
    #[must_use]
    pub fn pop3_plain(&self) -> SocketAddr {
        self.address(Service::Pop3Plain)
    }

    /// Submission to High Volume Email with STARTTLS, as on port 587.
    #[must_use]
    pub fn hve(&self) -> SocketAddr {
        self.address(Service::Hve)
    }

    /// `https://localhost:PORT` of Microsoft Graph; its paths start with `/v1.0/`.
    #[must_use]
    pub fn graph(&self) -> String {
        format!("https://localhost:{}", self.address(Service::Graph).port())
    }

    /// How many drafts Graph keeps.
    #[must_use]
    pub fn drafts(&self) -> usize {
        self.cloud.drafts.count()
    }

    /// The address of one service; it stays the same over [`Standin::stop`] and [`Standin::restart`].
    #[must_use]
    pub fn address(&self, service: Service) -> SocketAddr {
        self.listeners.address(service)
    }

    /// How the stand-in behaves from now on. Every decision reads the knobs anew; don't hold the guard over an await.
    pub fn knobs(&self) -> MutexGuard<'_, Knobs> {
        self.cloud.knobs()
    }

    /// What has been counted since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.cloud.counters
    }

    /// The mail of all mailboxes.
    #[must_use]
    pub fn store(&self) -> &MailStore {
        &self.cloud.store
    }

    /// What was said on the mail connections so far, oldest first. SASL payloads are in it as they were sent. Old lines
    /// drop out when the transcript grows beyond its bound.
    #[must_use]
    pub fn dialogue(&self) -> Vec<Line> {
        self.cloud.transcript.lines()
    }

    /// What is being said on the mail connections from now on. A receiver that falls behind by 1024 lines misses some.
    #[must_use]
    pub fn subscribe_dialogue(&self) -> broadcast::Receiver<Line> {
        self.cloud.transcript.subscribe()
    }

    /// Gives the tenant another mailbox.
    pub fn add_mailbox(&self, account: Account) {
        self.cloud.tenant().mailboxes.push(account);
    }

    /// The tenant, to be changed in place. Don't hold the guard over an await.
    pub fn tenant(&self) -> MutexGuard<'_, Tenant> {
        self.cloud.tenant()
    }

    /// A delegated refresh token, as if the owner of `address` had signed in to the application.
    #[must_use]
    pub fn mint_refresh_token(&self, client_id: &str, address: &str) -> String {
        self.cloud.tokens.mint_refresh(client_id, address)
    }

    /// An access token with these claims, which the mail servers recognise.
    #[must_use]
    pub fn issue_token(&self, claims: Claims) -> String {
        let form = self.cloud.knobs().token_form();
        self.cloud.tokens.issue(&self.cloud.tenant(), claims, form)
    }

    /// Makes the mail servers refuse every access token issued so far.
    pub fn revoke_tokens(&self) {
        self.cloud.tokens.revoke_all();
    }

    /// Makes the authority refuse every refresh token of the mailbox that was handed out so far.
    pub fn revoke_refresh_tokens(&self, address: &str) {
        self.cloud.tokens.revoke_refresh(address);
    }

    /// Closes a service's port and its connections; returns when both are closed.
    pub async fn stop(&self, service: Service) {
        self.listeners.stop(service).await;
    }

    /// Listens again on the port that [`Standin::stop`] closed.
    ///
    /// # Errors
    /// When somebody else has taken the port meanwhile.
    pub async fn restart(&self, service: Service) -> io::Result<()> {
        self.listeners.restart(service, &self.cloud).await
    }

    /// Closes the connections of a service, which goes on accepting new ones.
    pub async fn drop_connections(&self, service: Service) {
        self.listeners.drop_connections(service).await;
    }
}
