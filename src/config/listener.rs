//! `[[listener]]`: where clients connect, and in which protocol.

mod address;
mod exposure;

use std::fs::File;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use toml::Spanned;

use super::bounds::WAITS;
use super::document::{Section, Words, unknown_word};
use super::network;
use super::problem::Report;
use super::secret::exposure;
use super::submission::MODES;
use crate::proto::smtp::submission::Mode;
use crate::proto::{PROTOCOLS, Privacy, Protocol, smtp};
use crate::relay::{Entrance, Opening, Silence};
use crate::tls::Identity;
use exposure::Exposure;

pub use address::Address;
pub(super) use address::Claims;

/// Places to listen at, with their protocol and TLS mode.
pub struct Listener {
    /// The protocol that clients speak there.
    pub protocol: &'static Protocol,
    /// The places, at least one.
    pub addresses: Vec<Address>,
    /// How a connection starts.
    pub opening: Opening,
    /// What gatepost identifies itself by; there wherever TLS is or is offered.
    pub identity: Option<Identity>,
    /// The networks that clients may come from; all where it is `None`.
    pub from: Option<Vec<IpNet>>,
    /// The proxies in front of it.
    pub proxies: Proxies,
    /// The permissions of its sockets in the file system.
    pub mode: u32,
    /// How its clients' messages are served, where their mailbox doesn't say it.
    pub smtp_mode: Mode,
    /// How long its clients may be silent.
    pub silence: Silence,
}

/// Whether connections come through proxies that say in a PROXY header where the client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxies {
    /// They come from the clients themselves.
    None,
    /// They come from proxies in these networks, or by a socket in the file system, and the header is
    /// there.
    Within(Vec<IpNet>),
}

/// The modes of TLS, and how a connection starts in each.
pub const TLS_MODES: &[(&str, Opening)] = &[
    ("none", Opening::As(Privacy::Plain)),
    ("starttls", Opening::As(Privacy::StartTlsOptional)),
    ("starttls-required", Opening::As(Privacy::StartTlsRequired)),
    ("implicit", Opening::As(Privacy::Tls)),
    ("auto", Opening::Detected),
];

/// What `plaintext` may say.
const PLAINTEXT: &Words<()> = &[("allow", ())];

/// Whoever may read and write configuration of gatepost's group may use the socket.
const MODE: u32 = 0o660;

impl Listener {
    /// The name of its TLS mode.
    pub fn tls_mode(&self) -> &'static str {
        TLS_MODES.iter().find(|(_, opening)| *opening == self.opening).map_or("", |(name, _)| name)
    }

    /// What a connection has to know of it.
    pub fn entrance(&self) -> Entrance {
        let Self { protocol, opening, smtp_mode, silence, .. } = *self;
        Entrance { protocol, opening, identity: self.identity.clone(), smtp_mode, silence }
    }

    pub(super) fn read(
        mut section: Section<'_>,
        claims: &mut Claims,
        report: &Report<'_>,
    ) -> Option<Self> {
        let protocol = protocol(&mut section, report);
        if !section.has("address") {
            section.missing("address", report);
        }
        let written = section.texts("address", report).unwrap_or_default();
        let tls = section.word("tls", TLS_MODES, report).map(Spanned::into_inner);
        let opening = tls.unwrap_or(Opening::As(Privacy::Plain));
        let identity = certificate(&mut section, opening, report);
        let allowed = section.word("plaintext", PLAINTEXT, report).map(|word| word.span());
        let admission = Admission::read(&mut section, report);
        let mode = mode(&mut section, report).unwrap_or(MODE);
        let smtp_mode = smtp_mode(&mut section, protocol, report).unwrap_or_default();
        let silence = silence(&mut section, report);
        section.finish(report);
        let exposure = Exposure { opening, allowed, admission: &admission };
        let mut addresses = Vec::new();
        for text in &written {
            for address in address::parse(text, report) {
                claims.claim(&address, &text.span(), report);
                exposure.check(&address, &text.span(), report);
                addresses.push(address);
            }
        }
        let (from, proxies) = admission.into_parts();
        Some(Self {
            protocol: protocol?,
            addresses,
            opening,
            identity,
            from,
            proxies,
            mode,
            smtp_mode,
            silence,
        })
    }
}

impl Proxies {
    /// Whether a PROXY header of a connection from `source` is believed.
    pub fn include(&self, source: Option<IpAddr>) -> bool {
        match (self, source) {
            (Self::None, _) => false,
            (Self::Within(_), None) => true,
            (Self::Within(networks), Some(ip)) => networks.iter().any(|net| net.contains(&ip)),
        }
    }
}

/// Who may connect, and through whom.
struct Admission {
    from: Option<Vec<Spanned<IpNet>>>,
    proxies: Option<Vec<Spanned<IpNet>>>,
}

impl Admission {
    fn read(section: &mut Section<'_>, report: &Report<'_>) -> Self {
        let from = network::list(section, "from", report);
        let header = section.switch("proxy_protocol", report);
        let behind = header.is_some_and(Spanned::into_inner);
        if behind && !section.has("proxy_from") {
            section.missing("proxy_from", report);
        }
        let proxies = network::list(section, "proxy_from", report);
        if let Some(first) = proxies.as_ref().filter(|_| !behind).and_then(|all| all.first()) {
            let label = "set proxy_protocol = true, or leave it out";
            report.problem(first.span(), "proxies without proxy_protocol", label);
        }
        Self { from, proxies: proxies.filter(|_| behind) }
    }

    /// The networks that what is in clear crosses, and their key: behind proxies, those between them and
    /// gatepost.
    fn in_clear(&self) -> (&'static str, Option<&[Spanned<IpNet>]>) {
        match &self.proxies {
            Some(proxies) => ("proxy_from", Some(proxies)),
            None => ("from", self.from.as_deref()),
        }
    }

    fn into_parts(self) -> (Option<Vec<IpNet>>, Proxies) {
        let plain =
            |networks: Vec<Spanned<IpNet>>| networks.into_iter().map(Spanned::into_inner).collect();
        (
            self.from.map(plain),
            self.proxies.map_or(Proxies::None, |all| Proxies::Within(plain(all))),
        )
    }
}

/// Permissions as `chmod` takes them.
fn mode(section: &mut Section<'_>, report: &Report<'_>) -> Option<u32> {
    let text = section.text("mode", report)?;
    let mode = u32::from_str_radix(text.get_ref(), 8).ok().filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        let title = format!("{:?} is no mode of a file", text.get_ref());
        report.problem(text.span(), title, "octal digits in quotes, for example \"0660\"");
    }
    mode
}

fn smtp_mode(
    section: &mut Section<'_>,
    protocol: Option<&Protocol>,
    report: &Report<'_>,
) -> Option<Mode> {
    let mode = section.word("smtp_mode", MODES, report)?;
    if let Some(other) = protocol.filter(|protocol| protocol.name != smtp::PROTOCOL.name) {
        let title = format!("a listener for {} has no smtp_mode", other.name);
        report.problem(mode.span(), title, "leave it out");
    }
    Some(mode.into_inner())
}

fn silence(section: &mut Section<'_>, report: &Report<'_>) -> Silence {
    let mut wait = |key| section.duration(key, &WAITS, report);
    Silence { login_idle: wait("login_idle"), session_idle: wait("session_idle") }
}

fn protocol(section: &mut Section<'_>, report: &Report<'_>) -> Option<&'static Protocol> {
    let name = section.required_text("protocol", report)?;
    let protocol = Protocol::named(name.get_ref());
    if protocol.is_none() {
        let names: Vec<&str> = PROTOCOLS.iter().map(|protocol| protocol.name).collect();
        unknown_word("protocol", &name, &names, report);
    }
    protocol
}

fn certificate(
    section: &mut Section<'_>,
    opening: Opening,
    report: &Report<'_>,
) -> Option<Identity> {
    let chain = section.file("certificate", report);
    let key = section.file("key", report);
    if opening == Opening::As(Privacy::Plain) {
        if let Some(unused) = chain.as_ref().or(key.as_ref()) {
            let label = "set tls = \"implicit\", \"starttls-required\", \"starttls\" or \"auto\", or leave it out";
            report.problem(unused.span(), "a certificate without TLS", label);
        }
        return None;
    }
    for (there, name) in [(chain.is_some(), "certificate"), (key.is_some(), "key")] {
        if !there {
            section.missing(name, report);
        }
    }
    let (chain, key) = (chain?, key?);
    load(&chain, &key, report)
}

fn load(chain: &Spanned<PathBuf>, key: &Spanned<PathBuf>, report: &Report<'_>) -> Option<Identity> {
    let exposed = File::open(key.get_ref()).ok().and_then(|file| exposure(&file, key.get_ref()));
    if let Some(chmod) = exposed {
        report.problem(key.span(), "the private key can be read by everyone", chmod);
    }
    match Identity::load(chain.get_ref(), key.get_ref()) {
        Ok(identity) => Some(identity),
        Err(error) => {
            let span = if error.path == *key.get_ref() { key.span() } else { chain.span() };
            report.problem(span, format!("no TLS: {error}"), "this file");
            None
        }
    }
}
