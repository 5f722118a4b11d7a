//! Steps 5 to 7: a token, a connection, an open mailbox.

use tracing::debug;

use super::{Relay, upstream_refusal};
use crate::mailbox::{Mailbox, Service};
use crate::proto::{Cause, Probe, Protocol, Ready, Refusal, UpstreamTerms};
use crate::tokens::{Again, Bearer};
use crate::wire::{Handshake, Wire, dial};

impl Relay {
    /// Steps 5 to 7, and once more with another token where the upstream refuses one that was at hand.
    pub(super) async fn reach(
        &self,
        protocol: &'static Protocol,
        mailbox: &Mailbox,
        service: &Service,
    ) -> Result<(Wire, Ready), Refusal> {
        let (refusal, bearer) = match self.attempt(protocol, mailbox, service).await {
            Ok(opened) => return Ok(opened),
            Err((refusal, bearer)) => (refusal, bearer),
        };
        self.memory.doubt(mailbox, service);
        let refused = bearer.filter(|_| refusal.cause == Cause::TokenRefused);
        if refused.is_none_or(|bearer| self.tokens.refused(&bearer) == Again::Pointless) {
            return Err(refusal);
        }
        debug!(
            reason = refusal.explain(),
            "the upstream refused a token that was at hand; trying a new one"
        );
        self.attempt(protocol, mailbox, service).await.map_err(|(refusal, _)| refusal)
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
        let terms = UpstreamTerms {
            name: self.name.clone(),
            security: service.security,
            identity: mailbox.identity(protocol.name).to_owned(),
            token: bearer.token.clone(),
            remembered: self.memory.announced(service),
            probe: if self.memory.is_open(mailbox, service) { Probe::Skip } else { Probe::Mailbox },
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
