//! What went wrong on the way to an upstream, in the operator's words.

use tracing::warn;

use crate::mailbox::{Mailbox, Service};
use crate::proto::{Cause, Protocol, Refusal};
use crate::wire::Halt;

/// The mailbox's provider doesn't speak the client's protocol.
pub(super) fn no_service(protocol: &Protocol, mailbox: &Mailbox) -> Refusal {
    let provider = &mailbox.provider.name;
    let explanation =
        format!("the provider {provider:?} has no [provider.{provider}.{}]", protocol.name);
    Refusal::new(Cause::Misconfigured, explanation).about(&mailbox.address)
}

/// What went wrong between gatepost and the mail host, as far as the session didn't say it itself.
pub(crate) fn upstream_refusal(halt: Halt, service: &Service) -> Refusal {
    let Service { host, port, .. } = service;
    let unreachable =
        |what: String| Refusal::new(Cause::UpstreamUnreachable, format!("{host}:{port} {what}"));
    match halt {
        Halt::Refused(refusal) => refusal,
        Halt::Closed => unreachable("closed the connection during the login; it may be overloaded, or the port isn't the protocol's".into()),
        Halt::TimedOut => unreachable("doesn't answer; check that port and security fit, or raise `upstream_reply` under [timeouts]".into()),
        Halt::Tls(error) => unreachable(format!("fails in TLS: {error}; if something on the way replaces certificates, name its root in `ca_file`")),
        Halt::Broken(error) => unreachable(format!("broke the connection: {error}")),
        Halt::Injected => {
            warn!(host, port, "someone between here and the mail host may be injecting commands");
            Refusal::new(Cause::UpstreamProtocol, format!("{host}:{port} sent bytes in clear behind STARTTLS, which only an attacker on the way has use for"))
        }
    }
}
