//! What holds of a session whatever its peer sends. The property tests and the fuzz targets ask alike.

use std::sync::Arc;

use gatepost::proto::{
    Announced, Cause, DownstreamTerms, Limits, Privacy, Probe, Protocol, Security, UpstreamTerms,
};
use gatepost::sasl::{self, CLIENT_MECHANISMS};
use gatepost::secret::Secret;

use super::talk::{self, Event, Flights, Log};

/// Limits small enough to be reached.
pub(crate) const TIGHT: Limits =
    Limits { line: 96, sasl_line: 128, literal: 48, reply: 512, bad_commands: 6 };

/// What a peer sends, and where it is cut.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) first: Vec<u8>,
    pub(crate) behind_tls: Vec<u8>,
    /// Lengths of the pieces, over and over.
    pub(crate) cuts: Vec<u8>,
}

impl Sent {
    fn whole(&self) -> Flights {
        Flights { first: vec![self.first.clone()], behind_tls: vec![self.behind_tls.clone()] }
    }

    fn cut(&self) -> Flights {
        Flights { first: self.pieces(&self.first), behind_tls: self.pieces(&self.behind_tls) }
    }

    fn pieces(&self, mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        for length in self.cuts.iter().chain(self.cuts.is_empty().then_some(&1)).cycle() {
            if bytes.is_empty() {
                break;
            }
            let (piece, rest) = bytes.split_at(usize::from(*length).clamp(1, bytes.len()));
            pieces.push(piece.to_vec());
            bytes = rest;
        }
        pieces
    }

    fn lines(&self) -> usize {
        self.first.iter().chain(&self.behind_tls).filter(|b| **b == b'\n').count()
    }
}

/// Of a downstream session: cutting changes nothing; what it says is whole printable lines, and not
/// much for each line it heard; it takes no login that it shouldn't.
pub(crate) fn downstream(protocol: &Protocol, privacy: Privacy, cause: Cause, sent: &Sent) {
    let terms = DownstreamTerms {
        name: "mail.contoso.example".to_owned(),
        privacy,
        honoured: Arc::default(),
        limits: TIGHT,
    };
    let log = talk::downstream(protocol, terms.clone(), sent.whole(), cause);
    assert_eq!(log, talk::downstream(protocol, terms, sent.cut(), cause), "cut otherwise");
    well_formed(&log.output());
    assert!(log.output().len() <= 1024 * (2 + sent.lines()), "it talks too much: {log:?}");
    if privacy == Privacy::StartTlsRequired {
        let clear = log.0.iter().take_while(|event| !is_mark(event, "starttls"));
        assert!(!clear.into_iter().any(|event| is_mark(event, "login")), "in clear: {log:?}");
    }
}

/// What an upstream session is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) security: Security,
    pub(crate) probe: Probe,
    /// Whether the upstream is known from before.
    pub(crate) known: Option<&'static [&'static str]>,
}

/// The identity and the token of the properties.
pub(crate) const IDENTITY: &str = "joe@contoso.example";
const TOKEN: &str = "t0p-s3cr3t-t0k3n-t0p-s3cr3t";

impl Told {
    fn terms(self) -> UpstreamTerms {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        UpstreamTerms {
            name: "mail.contoso.example".to_owned(),
            security: self.security,
            identity: IDENTITY.to_owned(),
            token: Secret::from(TOKEN),
            remembered: self
                .known
                .map(|known| Announced { before_login: words(known), after_login: Vec::new() }),
            probe: self.probe,
            limits: TIGHT,
        }
    }
}

/// The messages that carry the token, in base64.
pub(crate) fn token_messages() -> Vec<String> {
    let token = Secret::from(TOKEN);
    CLIENT_MECHANISMS
        .iter()
        .filter_map(|name| sasl::client(name, IDENTITY, &token))
        .map(|client| sasl::encode(client.initial_response().reveal()).to_string())
        .collect()
}

/// Of an upstream session: cutting changes nothing; what it says is whole printable lines and little;
/// the mailbox opens only after the token was sent, which goes out once, in base64, not in clear where
/// TLS is to come, and is the only mention of the identity; a refusal is one line without the token.
pub(crate) fn upstream(protocol: &Protocol, told: Told, sent: &Sent) {
    let (log, result) = talk::upstream(protocol, told.terms(), sent.whole());
    assert_eq!(log, talk::upstream(protocol, told.terms(), sent.cut()).0, "cut otherwise");
    let output = String::from_utf8(log.output()).unwrap();
    well_formed(output.as_bytes());
    assert!(output.len() <= 1024, "it talks too much: {log:?}");

    let carries =
        |text: &str| token_messages().iter().map(|m| text.matches(m.as_str()).count()).sum();
    let times: usize = carries(&output);
    assert!(times <= 1, "{log:?}");
    assert!(!output.contains(TOKEN) && !output.contains(IDENTITY), "{log:?}");
    if told.security == Security::StartTls {
        let clear = Log(log.0.iter().take_while(|e| !is_mark(e, "starttls")).cloned().collect());
        let clear = String::from_utf8(clear.output()).unwrap();
        assert_eq!(carries(&clear), 0, "in clear: {log:?}");
    }
    match result {
        None => {}
        Some(Ok(ready)) => {
            assert_eq!(times, 1, "it opens without a token: {log:?}");
            let Announced { before_login, after_login } = ready.announced();
            let printable = |b: u8| b == b' ' || b.is_ascii_graphic();
            assert!(before_login.iter().chain(after_login).all(|word| word.bytes().all(printable)));
        }
        Some(Err(refusal)) => {
            let said = format!("{refusal:?} {refusal} {}", refusal.reply());
            assert!(!said.contains(TOKEN) && carries(&said) == 0, "{said}");
            assert!(!refusal.explain().contains(char::is_control), "{refusal:?}");
            assert!(!refusal.verbatim.unwrap_or_default().contains(char::is_control));
        }
    }
}

fn is_mark(event: &Event, word: &str) -> bool {
    matches!(event, Event::Mark(mark) if mark.starts_with(word))
}

/// Whole lines, each of printable ASCII.
pub(crate) fn well_formed(output: &[u8]) {
    let printable = |line: &[u8]| line.iter().all(|b| *b == b' ' || b.is_ascii_graphic());
    for line in output.split_inclusive(|b| *b == b'\n') {
        let text = line.strip_suffix(b"\r\n");
        assert!(text.is_some_and(printable), "no whole line: {}", talk::escape(line));
    }
}
