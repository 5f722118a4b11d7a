//! Steps 5 to 7: a token, a connection, an open mailbox.

use tracing::debug;

use super::{Relay, upstream_refusal};
use crate::mailbox::{Mailbox, Service};
use crate::proto::{Cause, Probe, Protocol, Ready, Refusal, UpstreamTerms};
use crate::tokens::{Again, Bearer};
use crate::wire::{Handshake, Wire, dial};

impl Relay {
    /// Steps 5 to 7, and once more where that may mend it: with another token where the upstream refuses one
    /// that was at hand, or by asking what it understands where that was remembered.
    pub(super) async fn reach(
        &self,
        protocol: &'static Protocol,
        mailbox: &Mailbox,
        service: &Service,
    ) -> Result<(Wire, Ready), Refusal> {
        let remembered = self.memory.announced(service).is_some();
        let (refusal, bearer) = match self.attempt(protocol, mailbox, service).await {
            Ok(opened) => return Ok(opened),
            Err((refusal, bearer)) => (refusal, bearer),
        };
        self.memory.doubt(mailbox, service, &refusal);
        let mends = match (refusal.cause, bearer) {
            (Cause::TokenRefused, Some(bearer)) => self.tokens.refused(&bearer) != Again::Pointless,
            (Cause::UpstreamProtocol, Some(_)) => remembered,
            _ => false,
        };
        if !mends {
            return Err(by_whom(refusal, protocol, mailbox));
        }
        debug!(reason = refusal.explain(), "trying once more, without what was at hand");
        let again = self.attempt(protocol, mailbox, service).await;
        again.map_err(|(refusal, _)| {
            self.memory.doubt(mailbox, service, &refusal);
            by_whom(refusal, protocol, mailbox)
        })
    }

    async fn attempt(
        &self,
        protocol: &'static Protocol,
        mailbox: &Mailbox,
        service: &Service,
    ) -> Result<(Wire, Ready), (Refusal, Option<Bearer>)> {
        let owner = mailbox.owner();
        let (provider, address) = (&mailbox.provider, &owner.address);
        let (seed, margin) = (owner.seed(), service.margin());
        let bearer = self.tokens.bearer(provider, address, seed, &service.scope, margin);
        let (bearer, mut wire) =
            tokio::try_join!(bearer, self.dial(service)).map_err(|refusal| (refusal, None))?;
        let remembered = self.memory.announced(service);
        let known = remembered.as_ref().is_some_and(|known| !known.after_login.is_empty());
        let probe = match known && self.memory.is_open(mailbox, service) {
            true => Probe::Skip,
            false => Probe::Mailbox,
        };
        let terms = UpstreamTerms {
            name: self.name.clone(),
            security: service.security,
            identity: mailbox.identity(protocol.name).to_owned(),
            token: bearer.token.clone(),
            remembered,
            probe,
            limits: self.limits.session,
        };
        let mut session = (protocol.upstream)(terms);
        let handshake = Handshake::Connect(&self.trust, &service.host);
        let driven = wire.drive(&mut *session, &handshake, self.timeouts.upstream_reply).await;
        let ready = driven.map_err(|halt| (upstream_refusal(halt, service), Some(bearer)))?;
        self.memory.opened(mailbox, service, ready.announced());
        debug!(host = service.host, "the mailbox is open");
        Ok((wire, ready))
    }

    async fn dial(&self, service: &Service) -> Result<Wire, Refusal> {
        let address = (service.host.as_str(), service.port);
        let (trust, proxy) = (&self.trust, self.proxy.as_ref());
        let limit = self.timeouts.connect;
        dial(address, service.security, trust, proxy, limit).await.map_err(|why| {
            Refusal::new(
                Cause::UpstreamUnreachable,
                format!("{}:{} can't be reached: {why}", service.host, service.port),
            )
        })
    }
}

/// A good token that is another account's may lack no more than leave to open the mailbox.
fn by_whom(refusal: Refusal, protocol: &Protocol, mailbox: &Mailbox) -> Refusal {
    let (account, identity) = (mailbox.owner().account(), mailbox.identity(protocol.name));
    if refusal.cause != Cause::TokenRefused || account.eq_ignore_ascii_case(identity) {
        return refusal;
    }
    let explanation = format!(
        "{} (the token is {account}'s, the mailbox {identity}: has {account} been granted it?)",
        refusal.explanation
    );
    Refusal { cause: Cause::MailboxNotOpened, explanation, ..refusal }
}
