//! `[[listener]]`: where clients connect, and in which protocol.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;

use super::document::{Section, Words, unknown_word};
use super::problem::Report;
use super::secret::exposure;
use crate::proto::{PROTOCOLS, Privacy, Protocol};
use crate::tls::Identity;

/// A port to listen on, with its protocol and TLS mode.
pub struct Listener {
    /// The protocol that clients speak there.
    pub protocol: &'static Protocol,
    /// The addresses, at least one. Port 0 is for any free port.
    pub addresses: Vec<SocketAddr>,
    /// How private a connection is as it starts; [`Privacy::Tls`] for implicit TLS.
    pub privacy: Privacy,
    /// What gatepost identifies itself by; there wherever TLS is or is offered.
    pub certificate: Option<Certificate>,
}

/// A certificate chain and its private key, read and found to belong together.
#[derive(Clone)]
pub struct Certificate {
    /// The file of the chain, the listener's own certificate first.
    pub chain: PathBuf,
    /// What clients are shown.
    pub identity: Identity,
}

/// The modes of TLS, and what a connection starts as.
pub const TLS_MODES: &[(&str, Privacy)] = &[
    ("none", Privacy::Plain),
    ("starttls", Privacy::StartTlsOptional),
    ("starttls-required", Privacy::StartTlsRequired),
    ("implicit", Privacy::Tls),
];

/// What `plaintext` may say.
const PLAINTEXT: &Words<()> = &[("allow", ())];

impl Listener {
    /// The name of its TLS mode.
    pub fn tls_mode(&self) -> &'static str {
        TLS_MODES.iter().find(|(_, privacy)| *privacy == self.privacy).map_or("", |(name, _)| name)
    }

    pub(super) fn read(
        mut section: Section<'_>,
        taken: &mut Addresses,
        report: &Report<'_>,
    ) -> Option<Self> {
        let protocol = protocol(&mut section, report);
        if !section.has("address") {
            section.missing("address", report);
        }
        let written = section.texts("address", report).unwrap_or_default();
        let tls = section.word("tls", TLS_MODES, report).map(Spanned::into_inner);
        let privacy = tls.unwrap_or(Privacy::Plain);
        let certificate = certificate(&mut section, privacy, report);
        let allowed = section.word("plaintext", PLAINTEXT, report).is_some();
        section.finish(report);
        let mut addresses = Vec::new();
        for text in &written {
            for address in parse(text, report) {
                taken.claim(address, &text.span(), report);
                check_plaintext(address, &text.span(), Plaintext { privacy, allowed }, report);
                addresses.push(address);
            }
        }
        Some(Self { protocol: protocol?, addresses, privacy, certificate })
    }
}

/// The addresses that listeners have claimed, with the lines they stand in.
#[derive(Default)]
pub(super) struct Addresses(Vec<(SocketAddr, Range<usize>)>);

impl Addresses {
    fn claim(&mut self, address: SocketAddr, span: &Range<usize>, report: &Report<'_>) {
        if let Some((_, first)) = self.0.iter().find(|(other, _)| overlap(*other, address)) {
            let label = format!("line {} listens there already", report.line(first));
            report.problem(span.clone(), format!("{address} is taken twice"), label);
        }
        self.0.push((address, span.clone()));
    }
}

/// Whether the second of two listeners couldn't bind.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let same_host =
        one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && one.is_ipv4() == other.is_ipv4() && same_host
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

/// `ADDRESS:PORT`, or `localhost:PORT` for both loopback addresses.
fn parse(text: &Spanned<String>, report: &Report<'_>) -> Vec<SocketAddr> {
    let written = text.get_ref().as_str();
    let addresses = match written.strip_prefix("localhost:").map(str::parse::<u16>) {
        Some(Ok(port)) => [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]
            .map(|ip| SocketAddr::new(ip, port))
            .to_vec(),
        _ => written.parse().into_iter().collect(),
    };
    if addresses.is_empty() {
        report.problem_with_help(
            text.span(),
            format!("{written:?} is no address to listen on"),
            "an IP address and a port",
            "for example \"127.0.0.1:1143\", \"[::1]:1143\", or \"localhost:1143\" for both",
        );
    }
    if addresses.iter().any(|address| address.port() == 0 && !address.ip().is_loopback()) {
        let title = format!("{written:?} has no port");
        report.problem(text.span(), title, "port 0, for any free port, is for loopback addresses");
    }
    addresses
}

/// What decides whether passwords may cross a network in clear.
#[derive(Clone, Copy)]
struct Plaintext {
    privacy: Privacy,
    allowed: bool,
}

fn check_plaintext(
    address: SocketAddr,
    span: &Range<usize>,
    plaintext: Plaintext,
    report: &Report<'_>,
) {
    let private = plaintext.privacy == Privacy::Tls || !plaintext.privacy.takes_logins();
    if private || address.ip().is_loopback() {
        return;
    }
    if plaintext.allowed {
        let warning = "passwords cross the network in clear here (plaintext = \"allow\"); \
                       keep the network closed to all but the devices that need it";
        report.warn(span, warning);
        return;
    }
    report.problem_with_help(
        span.clone(),
        format!("{address} would take passwords in clear from the network"),
        "not a loopback address",
        "set tls = \"implicit\" or \"starttls-required\" with a certificate; for devices without TLS on a network \
         that you trust, set plaintext = \"allow\"",
    );
}

fn certificate(
    section: &mut Section<'_>,
    privacy: Privacy,
    report: &Report<'_>,
) -> Option<Certificate> {
    let chain = section.file("certificate", report);
    let key = section.file("key", report);
    if privacy == Privacy::Plain {
        if let Some(unused) = chain.as_ref().or(key.as_ref()) {
            let label =
                "set tls = \"implicit\", \"starttls-required\" or \"starttls\", or leave it out";
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
    load(chain, &key, report)
}

fn load(
    chain: Spanned<PathBuf>,
    key: &Spanned<PathBuf>,
    report: &Report<'_>,
) -> Option<Certificate> {
    let exposed = File::open(key.get_ref()).ok().and_then(|file| exposure(&file, key.get_ref()));
    if let Some(chmod) = exposed {
        report.problem(key.span(), "the private key can be read by everyone", chmod);
    }
    match Identity::load(chain.get_ref(), key.get_ref()) {
        Ok(identity) => Some(Certificate { chain: chain.into_inner(), identity }),
        Err(error) => {
            let span = if error.path == *key.get_ref() { key.span() } else { chain.span() };
            report.problem(span, format!("no TLS: {error}"), "this file");
            None
        }
    }
}
