//! Where a connection comes in, and how it starts there.

use std::time::Duration;

use tokio::time::timeout;

use super::{Place, Source, Timeouts};
use crate::proto::smtp::submission::Mode;
use crate::proto::{Privacy, Protocol};
use crate::tls::Identity;
use crate::wire::Socket;

/// Where a connection came in.
pub struct Entrance {
    /// The protocol spoken there.
    pub protocol: &'static Protocol,
    /// How a connection starts there.
    pub opening: Opening,
    /// What to show in a TLS handshake; there wherever TLS is or is offered.
    pub identity: Option<Identity>,
    /// How its clients' messages are served, where their mailbox doesn't say it.
    pub smtp_mode: Mode,
    /// How long its clients may be silent.
    pub silence: Silence,
}

/// How long the clients of an entrance may be silent, where that isn't what the timeouts say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// Before the login, in place of [`Timeouts::login_idle`].
    pub login_idle: Option<Duration>,
    /// Once the mailbox is open, in place of [`Timeouts::session_idle`].
    pub session_idle: Option<Duration>,
}

impl Silence {
    /// The timeouts of a connection, where the others have these.
    #[must_use]
    pub fn over(self, usual: Timeouts) -> Timeouts {
        Timeouts {
            login_idle: self.login_idle.unwrap_or(usual.login_idle),
            session_idle: self.session_idle.unwrap_or(usual.session_idle),
            ..usual
        }
    }
}

/// How a connection starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// So private; [`Privacy::Tls`] for implicit TLS.
    As(Privacy),
    /// With TLS where the client's first byte says so, else in clear with STARTTLS on offer.
    Detected,
}

/// A client that has just come in.
pub struct Arrival {
    /// What it is connected by.
    pub socket: Socket,
    /// Where it is.
    pub source: Source,
    /// Its place among the connections.
    pub place: Place,
}

impl Opening {
    /// How private a connection is as it starts. A client that waits to be greeted says nothing before.
    pub(super) async fn privacy(self, socket: &Socket, patience: Duration) -> Privacy {
        match self {
            Self::As(privacy) => privacy,
            Self::Detected => match timeout(patience, socket.begins_with_tls()).await {
                Ok(true) => Privacy::Tls,
                Ok(false) | Err(_) => Privacy::StartTlsOptional,
            },
        }
    }

    /// How private a connection is before its client has said anything.
    pub(super) fn at_first(self) -> Privacy {
        match self {
            Self::As(privacy) => privacy,
            Self::Detected => Privacy::StartTlsOptional,
        }
    }

    /// Whether a password may cross the wire in clear.
    pub fn takes_clear_logins(self) -> bool {
        match self {
            Self::As(privacy) => privacy != Privacy::Tls && privacy.takes_logins(),
            Self::Detected => true,
        }
    }
}
