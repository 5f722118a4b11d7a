//! How long a relay waits, and how much it takes.

use std::time::Duration;

use crate::proto;

/// How long to wait for each thing that may never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection to a mail host or authority, all its addresses together, TLS included.
    pub connect: Duration,
    /// For each reply of an upstream until the mailbox is open.
    pub upstream_reply: Duration,
    /// For an access token: one request to the authority from connect to the last octet.
    pub token_request: Duration,
    /// For a client's next octet before its login.
    pub login_idle: Duration,
    /// For all that a client does before its login succeeds.
    pub login_total: Duration,
    /// The longest that a login is made to wait for failures before it.
    pub login_delay: Duration,
    /// For the first byte of a client that may begin with TLS, before it is greeted in clear.
    pub first_byte: Duration,
    /// For the next octet in either direction once the mailbox is open.
    pub session_idle: Duration,
    /// The same, once one side has said all it had.
    pub half_closed: Duration,
    /// For open connections to end by themselves when gatepost stops.
    pub drain: Duration,
}

/// How much to take before saying no.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// What sessions take.
    pub session: proto::Limits,
    /// Connections open at once, all listeners together.
    pub connections: usize,
    /// Those of them that haven't logged in.
    pub strangers: usize,
    /// Connections of one address, or IPv6 network; loopback has no limit of its own.
    pub connections_per_address: usize,
    /// Those of them that haven't logged in.
    pub strangers_per_address: usize,
    /// Connections to one mailbox.
    pub connections_per_mailbox: usize,
    /// Failed logins on one connection.
    pub failed_logins: u32,
    /// Octets of an authority's answer.
    pub token_response: usize,
    /// Passwords being checked at once; each check takes a core and the memory of its hash.
    pub password_checks: usize,
}
