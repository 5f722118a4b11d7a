//! Transcripts: the notation, and playing one against a session.
//!
//! A transcript starts with comments (`#`) and settings (`name: value`), then tells the dialogue:
//! `C:` and `S:` lines, and `->` for what happens between a session and its owner. In a line, `\r`, `\n`,
//! `\0`, `\\` and `\xHH` stand for one octet, `\` at its end for "no line ending", `{{text}}` for the base64
//! of the text, `<<text*n>>` for n repetitions of it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepost::proto::{
    Announced, Cause, Clearance, Downstream, DownstreamTerms, Limits, Offer, Privacy, Probe,
    Protocol, Ready, Refusal, Security, Session, Upstream, UpstreamTerms,
};
use gatepost::sasl::{self, CLIENT_MECHANISMS};
use gatepost::secret::Secret;

use super::talk::{Event, Halt, Line, Log, escape};

/// Which half of a connection a transcript drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Downstream,
    Upstream,
}

/// One dialogue.
pub(crate) struct Script {
    pub(crate) path: PathBuf,
    pub(crate) half: Half,
    settings: HashMap<String, String>,
    items: Vec<Item>,
}

enum Item {
    /// What the peer of the session says before it waits for an answer.
    Flight(Vec<u8>),
    /// What the session says.
    Answer(Vec<u8>),
    /// What the session comes to, or what its owner tells it.
    Mark(String),
}

/// How the peer's bytes arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Delivery {
    /// A flight in one piece.
    Whole,
    /// One by one.
    Bytes,
    /// Each flight in two pieces, the first of so many octets.
    SplitAt(usize),
    /// All flights up to the next TLS handshake at once.
    Ahead,
}

/// The transcripts of one half of a row.
pub(crate) fn scripts(protocol: &Protocol, half: Half) -> Vec<Script> {
    let folder = match half {
        Half::Downstream => "downstream",
        Half::Upstream => "upstream",
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/transcripts")
        .join(protocol.name)
        .join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} shows no dialogue", folder.display());
    paths.into_iter().map(|path| Script::read(path, half)).collect()
}

impl Script {
    fn read(path: PathBuf, half: Half) -> Self {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut script = Self { path, half, settings: HashMap::new(), items: Vec::new() };
        assert!(text.starts_with("# "), "{:?} doesn't say what it shows", script.path);
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            script.line(line);
        }
        script
    }

    fn line(&mut self, line: &str) {
        let heard = if self.half == Half::Downstream { "C" } else { "S" };
        match line.split_once(' ').unwrap_or((line, "")) {
            ("->", mark) => self.items.push(Item::Mark(mark.to_owned())),
            (side @ ("C:" | "S:"), text) if side.starts_with(heard) => {
                match self.items.last_mut() {
                    Some(Item::Flight(flight)) => flight.extend(octets(text)),
                    _ => self.items.push(Item::Flight(octets(text))),
                }
            }
            ("C:" | "S:", text) => self.items.push(Item::Answer(octets(text))),
            (name, value) => {
                let name =
                    name.strip_suffix(':').unwrap_or_else(|| panic!("{:?}: {line}", self.path));
                assert!(
                    self.items.is_empty(),
                    "{:?}: a setting behind the start: {line}",
                    self.path
                );
                self.settings.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Plays the transcript; the error shows where the session leaves it.
    pub(crate) fn play(&self, protocol: &Protocol, delivery: Delivery) -> Result<(), String> {
        let mut player = Player {
            script: self,
            protocol,
            delivery,
            line: Line::default(),
            expected: Log::default(),
            stage: match self.half {
                Half::Downstream => {
                    Stage::Downstream((protocol.downstream)(self.downstream_terms()))
                }
                Half::Upstream => Stage::Upstream((protocol.upstream)(self.upstream_terms())),
            },
            refusal: None,
        };
        player.play();
        let (expected, found) = (readable(&player.expected), readable(&player.line.log));
        if expected == found {
            return Ok(());
        }
        let path = self.path.display();
        Err(format!("{path} ({delivery:?})\n--- expected\n{expected}--- found\n{found}"))
    }

    /// The octets of the longest flight.
    pub(crate) fn longest_flight(&self) -> usize {
        self.flights().map(<[u8]>::len).max().unwrap_or_default()
    }

    /// What the session hears, flight by flight.
    pub(crate) fn flights(&self) -> impl Iterator<Item = &[u8]> {
        self.items.iter().filter_map(|item| match item {
            Item::Flight(octets) => Some(octets.as_slice()),
            _ => None,
        })
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    pub(crate) fn downstream_terms(&self) -> DownstreamTerms {
        let privacy = match self.setting("privacy").unwrap_or("plain") {
            "tls" => Privacy::Tls,
            "plain" => Privacy::Plain,
            "starttls-optional" => Privacy::StartTlsOptional,
            "starttls-required" => Privacy::StartTlsRequired,
            other => panic!("{:?}: privacy {other}", self.path),
        };
        let honoured = Arc::new(self.setting("honoured").map(list).unwrap_or_default());
        DownstreamTerms { name: NAME.to_owned(), privacy, honoured, limits: self.limits() }
    }

    pub(crate) fn upstream_terms(&self) -> UpstreamTerms {
        let security = match self.setting("security").unwrap_or("implicit") {
            "implicit" => Security::Implicit,
            "starttls" => Security::StartTls,
            "plain" => Security::Plain,
            other => panic!("{:?}: security {other}", self.path),
        };
        let probe = match self.setting("probe").unwrap_or("skip") {
            "mailbox" => Probe::Mailbox,
            "skip" => Probe::Skip,
            other => panic!("{:?}: probe {other}", self.path),
        };
        let remembered = self.setting("remembered").map(|before| Announced {
            before_login: list(before),
            after_login: self.setting("remembered-after").map(list).unwrap_or_default(),
        });
        UpstreamTerms {
            name: NAME.to_owned(),
            security,
            identity: self.identity(),
            token: Secret::from(self.token().as_str()),
            remembered,
            probe,
            limits: self.limits(),
        }
    }

    pub(crate) fn identity(&self) -> String {
        self.setting("identity").unwrap_or("joe@contoso.example").to_owned()
    }

    pub(crate) fn token(&self) -> String {
        String::from_utf8(expand(self.setting("token").unwrap_or("t0p-s3cr3t-t0k3n"))).unwrap()
    }

    /// The messages that carry the token, in base64.
    pub(crate) fn token_messages(&self) -> Vec<String> {
        let token = Secret::from(self.token().as_str());
        CLIENT_MECHANISMS
            .iter()
            .map(|name| sasl::client(name, &self.identity(), &token).unwrap())
            .map(|client| STANDARD.encode(client.initial_response().reveal()))
            .collect()
    }

    fn limits(&self) -> Limits {
        let mut limits = LIMITS;
        for setting in self.setting("limits").unwrap_or_default().split_terminator(", ") {
            let (name, value) = setting.split_once(' ').unwrap();
            let value: usize = value.parse().unwrap();
            match name {
                "line" => limits.line = value,
                "sasl-line" => limits.sasl_line = value,
                "literal" => limits.literal = value,
                "reply" => limits.reply = value,
                "bad-commands" => limits.bad_commands = value.try_into().unwrap(),
                other => panic!("{:?}: limit {other}", self.path),
            }
        }
        limits
    }
}

/// gatepost's own name in the transcripts.
const NAME: &str = "mail.contoso.example";

/// Limits as a configuration would set them.
pub(crate) const LIMITS: Limits =
    Limits { line: 8192, sasl_line: 16384, literal: 4096, reply: 65536, bad_commands: 3 };

/// A mailbox that is open, by the first of the row's transcripts that leads to one.
pub(crate) fn ready(protocol: &Protocol) -> Ready {
    scripts(protocol, Half::Upstream)
        .iter()
        .find_map(|script| script.ready(protocol))
        .expect("a transcript in which the mailbox opens")
}

impl Script {
    fn ready(&self, protocol: &Protocol) -> Option<Ready> {
        let mut session = (protocol.upstream)(self.upstream_terms());
        let mut line = Line::default();
        let mut flights = self.flights();
        loop {
            match line.drive(&mut *session) {
                Halt::Waiting => line.chunks.push_back(flights.next()?.to_vec()),
                Halt::StartTls => {}
                Halt::Done(ready) => return Some(ready),
                Halt::Refused(_) => return None,
            }
        }
    }
}

enum Stage {
    Downstream(Box<dyn Downstream>),
    Doorway(Box<dyn Session<Outcome = Clearance>>),
    Upstream(Box<dyn Upstream>),
    Over,
}

struct Player<'a> {
    script: &'a Script,
    protocol: &'a Protocol,
    delivery: Delivery,
    line: Line,
    expected: Log,
    stage: Stage,
    refusal: Option<Refusal>,
}

impl Player<'_> {
    fn play(&mut self) {
        let mut ahead = true;
        self.drive();
        for (i, item) in self.script.items.iter().enumerate() {
            match item {
                Item::Flight(flight) if matches!(self.delivery, Delivery::Ahead) => {
                    if std::mem::take(&mut ahead) {
                        self.hear(&self.until_handshake(i));
                    } else {
                        assert!(!flight.is_empty());
                    }
                }
                Item::Flight(flight) => self.hear(flight),
                Item::Answer(octets) => self.expected.sent(octets),
                Item::Mark(mark) => {
                    ahead |= mark == "starttls";
                    self.obey(mark);
                }
            }
        }
    }

    /// The flights from the `from`th item on up to a TLS handshake.
    fn until_handshake(&self, from: usize) -> Vec<u8> {
        self.script.items[from..]
            .iter()
            .take_while(|item| !matches!(item, Item::Mark(mark) if mark == "starttls"))
            .filter_map(|item| match item {
                Item::Flight(flight) => Some(flight.as_slice()),
                _ => None,
            })
            .collect::<Vec<_>>()
            .concat()
    }

    fn hear(&mut self, flight: &[u8]) {
        match self.delivery {
            Delivery::Bytes => self.line.chunks.extend(flight.iter().map(|octet| vec![*octet])),
            Delivery::SplitAt(at) => {
                let (first, second) = flight.split_at(at.min(flight.len()));
                self.line.chunks.extend([first.to_vec(), second.to_vec()]);
            }
            Delivery::Whole | Delivery::Ahead => self.line.chunks.push_back(flight.to_vec()),
        }
        self.drive();
    }

    fn obey(&mut self, mark: &str) {
        let (word, rest) = mark.split_once(' ').unwrap_or((mark, ""));
        match word {
            "refuse" => self.refuse(rest),
            "accept" => self.accept(rest),
            "explained" => {
                let refusal = self.refusal.as_ref().expect("a refusal to explain");
                if !refusal.explain().contains(rest) {
                    self.line.log.mark(format!("explained {refusal}"));
                }
            }
            "drive" => self.drive(),
            _ => {
                self.expected.mark(mark);
                if word == "starttls" {
                    self.drive();
                }
            }
        }
    }

    fn refuse(&mut self, what: &str) {
        let Stage::Downstream(session) = &mut self.stage else {
            panic!("{:?}: nobody to refuse", self.script.path)
        };
        let mut words = what.splitn(3, ' ');
        let mut refusal = Refusal::new(cause(words.next().unwrap()), "told by the transcript");
        refusal = match (words.next(), words.next()) {
            (Some("about"), Some(address)) => refusal.about(address),
            (Some("quoting"), Some(line)) => {
                refusal.quoting(&String::from_utf8(expand(line)).unwrap())
            }
            _ => refusal,
        };
        self.line.log.sent(&session.refuse(&refusal));
        self.drive();
    }

    fn accept(&mut self, upstream: &str) {
        let Stage::Downstream(session) = std::mem::replace(&mut self.stage, Stage::Over) else {
            panic!("{:?}: nobody to accept", self.script.path)
        };
        let path = self.script.path.parent().unwrap().with_file_name("upstream");
        let script = Script::read(path.join(upstream).with_extension("txt"), Half::Upstream);
        let ready = script.ready(self.protocol).expect("the other transcript opens a mailbox");
        self.stage = Stage::Doorway(session.accept(ready));
        self.drive();
    }

    fn drive(&mut self) {
        match &mut self.stage {
            Stage::Downstream(session) => match self.line.drive(&mut **session) {
                Halt::Waiting => {}
                Halt::StartTls => self.line.log.mark("starttls"),
                Halt::Done(offer) => self.line.log.mark(offered(&offer)),
                Halt::Refused(refusal) => {
                    self.line.log.mark(format!("ends {:?}", refusal.cause));
                    self.line.log.sent(&session.refuse(&refusal));
                    self.stage = Stage::Over;
                }
            },
            Stage::Doorway(session) => {
                if let Halt::Done(_clearance) = self.line.drive(&mut **session) {
                    let unread = self.line.unread();
                    self.line.log.mark(format!("splice {unread}").trim_end());
                    self.stage = Stage::Over;
                }
            }
            Stage::Upstream(session) => {
                let halt = self.line.drive(&mut **session);
                self.upstream_halts(halt);
            }
            Stage::Over => {}
        }
    }

    fn upstream_halts(&mut self, halt: Halt<Ready>) {
        match halt {
            Halt::Waiting => return,
            Halt::StartTls => return self.line.log.mark("starttls"),
            Halt::Done(ready) => {
                let unread = self.line.unread();
                self.line.log.mark(format!("ready {unread}").trim_end());
                let Announced { before_login, after_login } = ready.announced();
                for (when, what) in [("before", before_login), ("after", after_login)] {
                    if !what.is_empty() {
                        self.line.log.mark(format!("announced-{when} {}", what.join(", ")));
                    }
                }
            }
            Halt::Refused(refusal) => {
                if let Some(said) = leak(self.script, &refusal) {
                    self.line.log.mark(format!("the token leaks: {said}"));
                }
                self.line.log.mark(format!("refusal {:?}", refusal.cause));
                self.refusal = Some(refusal);
            }
        }
        self.stage = Stage::Over;
    }
}

/// What an upstream echoes must reach neither the journal nor a client.
fn leak(script: &Script, refusal: &Refusal) -> Option<String> {
    let said = format!("{refusal:?} {refusal} {}", refusal.reply());
    let messages = script.token_messages();
    // A piece of the message from behind the identity on is a piece of the token.
    let pieces = messages.iter().map(|message| &message[message.len() - 20..message.len() - 4]);
    for secret in pieces.chain([script.token().as_str()]) {
        if said.contains(secret) {
            return Some(said);
        }
    }
    None
}

fn offered(offer: &Offer) -> String {
    match offer {
        Offer::Farewell => "farewell".to_owned(),
        Offer::Sender(sender) => format!("sender {sender:?}"),
        Offer::Login(login) => {
            let (user, password) = (&login.authcid, login.password.reveal());
            let role =
                login.authzid.as_ref().map(|role| format!(" as {role:?}")).unwrap_or_default();
            format!("login {user:?} {password:?}{role}")
        }
    }
}

/// Each cause there is. A new one doesn't compile here until it stands in the list.
pub(crate) const CAUSES: [Cause; 17] = {
    const fn known(cause: Cause) -> Cause {
        match cause {
            Cause::LoginRejected
            | Cause::NotAuthorized
            | Cause::SignInNeeded
            | Cause::Misconfigured
            | Cause::ForbiddenByPolicy
            | Cause::AuthorityUnavailable
            | Cause::UpstreamUnreachable
            | Cause::UpstreamUnavailable
            | Cause::TokenRefused
            | Cause::MailboxNotOpened
            | Cause::UpstreamProtocol
            | Cause::StartTlsInjection
            | Cause::TooManyConnections
            | Cause::TooManyBadCommands
            | Cause::TooManyFailedLogins
            | Cause::TimedOut
            | Cause::Stopping => cause,
        }
    }
    [
        known(Cause::LoginRejected),
        Cause::NotAuthorized,
        Cause::SignInNeeded,
        Cause::Misconfigured,
        Cause::ForbiddenByPolicy,
        Cause::AuthorityUnavailable,
        Cause::UpstreamUnreachable,
        Cause::UpstreamUnavailable,
        Cause::TokenRefused,
        Cause::MailboxNotOpened,
        Cause::UpstreamProtocol,
        Cause::StartTlsInjection,
        Cause::TooManyConnections,
        Cause::TooManyBadCommands,
        Cause::TooManyFailedLogins,
        Cause::TimedOut,
        Cause::Stopping,
    ]
};

fn cause(name: &str) -> Cause {
    CAUSES
        .into_iter()
        .find(|cause| format!("{cause:?}") == name)
        .unwrap_or_else(|| panic!("no cause {name}"))
}

fn list(words: &str) -> Vec<String> {
    words.split(", ").map(|word| String::from_utf8(expand(word)).unwrap()).collect()
}

/// A line of the dialogue, with its line ending unless it ends in `\`.
fn octets(text: &str) -> Vec<u8> {
    match text.strip_suffix('\\') {
        Some(text) if !text.ends_with('\\') => expand(text),
        _ => [expand(text), b"\r\n".to_vec()].concat(),
    }
}

fn expand(text: &str) -> Vec<u8> {
    if let Some((before, rest)) = text.split_once("{{") {
        let (inside, after) = rest.rsplit_once("}}").expect("}} behind {{");
        let base64 = STANDARD.encode(expand(inside)).into_bytes();
        return [expand(before), base64, expand(after)].concat();
    }
    if let Some((before, rest)) = text.split_once("<<") {
        let (inside, after) = rest.split_once(">>").expect(">> behind <<");
        let (filler, count) = inside.rsplit_once('*').expect("text*count");
        let filler = expand(filler).repeat(count.parse().unwrap());
        return [expand(before), filler, expand(after)].concat();
    }
    unescape(text)
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'\\' => match rest.next() {
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(b'0') => 0,
                Some(b'\\') => b'\\',
                Some(b'x') => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => panic!("escape {other:?} in {text}"),
            },
            octet => octet,
        });
    }
    octets
}

fn readable(log: &Log) -> String {
    log.0
        .iter()
        .map(|event| match event {
            Event::Mark(mark) => format!("-> {mark}\n"),
            Event::Sent(octets) => octets
                .split_inclusive(|octet| *octet == b'\n')
                .map(|line| escape(line) + "\n")
                .collect(),
        })
        .collect()
}
