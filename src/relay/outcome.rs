//! What connections came to, for the operator.

use std::time::Duration;

use tracing::{info, warn};

use crate::mailbox::{Mailbox, Service};
use crate::proto::{Cause, Protocol, Refusal};
use crate::wire::{End, Halt, Traffic};

/// The mailbox's provider doesn't speak the protocol.
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

/// A line for the end of a spliced connection.
pub(super) fn journal(traffic: Traffic, end: &End, time: Duration) {
    let Traffic { sent, received } = traffic;
    let seconds = time.as_secs();
    match end {
        End::Finished => info!(sent, received, seconds, "ended"),
        End::Idle => info!(sent, received, seconds, "ended: nothing moved for too long"),
        End::DownstreamBroke(error) => {
            info!(sent, received, seconds, %error, "ended: the client's side broke");
        }
        End::UpstreamBroke(error) => {
            info!(sent, received, seconds, %error, "ended: the service's side broke");
        }
    }
}
