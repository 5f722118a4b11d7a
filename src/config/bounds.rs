//! `[timeouts]`, `[limits]` and `[log]`: every wait and every bound, with its default's reason.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;

use super::document::{Section, Words};
use super::problem::Report;
use super::{Log, LogFormat, LogLevel};
use crate::proto;
use crate::relay::{Limits, Timeouts};

/// A wait under a second would fail on a busy day; one over a day is none.
pub(super) const WAITS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

/// Below, a ClientHello from afar comes too late; above, programs that wait for the greeting give up.
const FIRST_BYTE: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(10);

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            // Several addresses, a lost SYN repeated after 1, 3 and 7 s, then TLS.
            connect: Duration::from_secs(15),
            // Exchange takes up to 20 s to open a cold mailbox; clients give up after 60 s or so.
            upstream_reply: Duration::from_secs(30),
            // Entra answers in under a second, or within 20 s on a bad day.
            token_request: Duration::from_secs(30),
            // What Exchange itself grants before a login.
            login_idle: Duration::from_secs(60),
            // Three tries by hand fit; a client that trickles octets doesn't keep its place.
            login_total: Duration::from_secs(180),
            // Three tries and as many delays fit into `login_total`; mail programs wait a minute or so.
            login_delay: Duration::from_secs(20),
            // A ClientHello follows the connection at once, give or take a slow device; who waits for the
            // greeting waits for this long.
            first_byte: Duration::from_millis(500),
            // Longer than the 30 min after which Exchange itself ends an idle IMAP session, so that the
            // service's own goodbye comes first.
            session_idle: Duration::from_secs(35 * 60),
            // A service may take minutes over the last message of a client that has said all it had.
            half_closed: Duration::from_secs(5 * 60),
            // Below the 90 s after which systemd kills; a large message over a slow line may need most of it.
            drain: Duration::from_secs(30),
        }
    }
}

/// How many connections of a kind there may be.
const MANY: RangeInclusive<u64> = 1..=1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            session: proto::Limits {
                // RFC 7162 section 4 asks IMAP clients to stay below 8192; SMTP needs 512.
                line: 8192,
                // RFC 4954 section 4 finds 12288 sufficient.
                sasl_line: 16 * 1024,
                // User names and passwords of 255 octets, and what LITERAL- allows (RFC 7888).
                literal: 4096,
                // Longer than any greeting, capability list or error that a mail service sends.
                reply: 64 * 1024,
                // A client in an odd dialect gets through; who only probes doesn't learn much.
                bad_commands: 3,
            },
            // Two sockets each: fits the 65536 files that the shipped unit allows.
            connections: 4096,
            // Strangers alone don't fill the place of those who are in.
            strangers: 2048,
            // An office behind one address: a hundred programs with a handful of connections each.
            connections_per_address: 512,
            // What opens at once when that office's network comes back. With `login_delay` it bounds
            // guessing to some two passwords a second.
            strangers_per_address: 32,
            // A program that opens ever more doesn't fill the house; the services have limits of their own.
            connections_per_mailbox: 512,
            // One typing error more than people make in a row.
            failed_logins: 3,
            // A token response has 2 to 6 KiB.
            token_response: 256 * 1024,
            // One core is left to those who are in, and to passwords that have proven right before.
            password_checks: std::thread::available_parallelism()
                .map_or(1, |cores| (cores.get() - 1).max(1)),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: LogLevel::Info }
    }
}

const FORMATS: &Words<LogFormat> = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

const LEVELS: &Words<LogLevel> = &[
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

impl Timeouts {
    pub(super) fn read(mut section: Section<'_>, report: &Report<'_>) -> Self {
        let default = Self::default();
        let first_byte = section.duration("first_byte", &FIRST_BYTE, report);
        let mut wait = |key, default| section.duration(key, &WAITS, report).unwrap_or(default);
        let read = Self {
            connect: wait("connect", default.connect),
            upstream_reply: wait("upstream_reply", default.upstream_reply),
            token_request: wait("token_request", default.token_request),
            login_idle: wait("login_idle", default.login_idle),
            login_total: wait("login_total", default.login_total),
            login_delay: wait("login_delay", default.login_delay),
            first_byte: first_byte.unwrap_or(default.first_byte),
            session_idle: wait("session_idle", default.session_idle),
            half_closed: wait("half_closed", default.half_closed),
            drain: wait("drain", default.drain),
        };
        section.finish(report);
        read
    }
}

impl Limits {
    pub(super) fn read(mut section: Section<'_>, report: &Report<'_>) -> Self {
        let default = Self::default();
        let session = default.session;
        let mut bound =
            |key, default, range| Bound { default, range }.read(key, &mut section, report);
        let read = Self {
            session: proto::Limits {
                line: bound("line", session.line, 512..=65_536),
                sasl_line: bound("sasl_line", session.sasl_line, 1024..=65_536),
                literal: bound("literal", session.literal, 256..=65_536),
                reply: bound("reply", session.reply, 4096..=1 << 20),
                bad_commands: bound("bad_commands", session.bad_commands as usize, 1..=1000) as u32,
            },
            connections: bound("connections", default.connections, MANY),
            strangers: bound("strangers", default.strangers, MANY),
            connections_per_address: bound(
                "connections_per_address",
                default.connections_per_address,
                MANY,
            ),
            strangers_per_address: bound(
                "strangers_per_address",
                default.strangers_per_address,
                MANY,
            ),
            connections_per_mailbox: bound(
                "connections_per_mailbox",
                default.connections_per_mailbox,
                MANY,
            ),
            failed_logins: bound("failed_logins", default.failed_logins as usize, 1..=100) as u32,
            token_response: bound("token_response", default.token_response, 16_384..=1 << 24),
            password_checks: bound("password_checks", default.password_checks, 1..=1024),
        };
        section.finish(report);
        read
    }
}

struct Bound {
    default: usize,
    range: RangeInclusive<u64>,
}

impl Bound {
    fn read(self, key: &str, section: &mut Section<'_>, report: &Report<'_>) -> usize {
        let read = section.number(key, &self.range, report);
        read.and_then(|number| usize::try_from(number).ok()).unwrap_or(self.default)
    }
}

impl Log {
    pub(super) fn read(mut section: Section<'_>, report: &Report<'_>) -> Self {
        let default = Self::default();
        let format = section.word("format", FORMATS, report).map(Spanned::into_inner);
        let level = section.word("level", LEVELS, report).map(Spanned::into_inner);
        section.finish(report);
        Self { format: format.unwrap_or(default.format), level: level.unwrap_or(default.level) }
    }
}
