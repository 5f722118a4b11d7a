//! A session and its peer in memory: what was said, in an order that doesn't depend on how the bytes came.

use std::collections::VecDeque;

use gatepost::proto::{
    Cause, DownstreamTerms, Inbox, Offer, Protocol, Ready, Refusal, Session, Step, UpstreamTerms,
};

/// What a session did: bytes it sent, and the outcomes in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Bytes sent, however many writes they took.
    Sent(Vec<u8>),
    /// An outcome, in the notation of the transcripts.
    Mark(String),
}

/// The events of one talk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log(pub(crate) Vec<Event>);

impl Log {
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        match self.0.last_mut() {
            Some(Event::Sent(sent)) => sent.extend_from_slice(bytes),
            _ => self.0.push(Event::Sent(bytes.to_vec())),
        }
    }

    pub(crate) fn mark(&mut self, mark: impl Into<String>) {
        self.0.push(Event::Mark(mark.into()));
    }

    /// All bytes sent, in order.
    pub(crate) fn output(&self) -> Vec<u8> {
        self.0.iter().filter_map(Event::bytes).flatten().copied().collect()
    }
}

impl Event {
    fn bytes(&self) -> Option<&Vec<u8>> {
        match self {
            Self::Sent(bytes) => Some(bytes),
            Self::Mark(_) => None,
        }
    }
}

/// Why a session stopped for now.
pub(crate) enum Halt<T> {
    /// The peer's next bytes are due.
    Waiting,
    /// TLS is due; nothing is unread.
    StartTls,
    /// The session has what it was driven for.
    Done(T),
    /// The session ends.
    Refused(Refusal),
}

/// The wire between a session and its peer.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) inbox: Inbox,
    pub(crate) chunks: VecDeque<Vec<u8>>,
    pub(crate) log: Log,
}

/// More steps than any talk of these tests takes: a session that goes on is in a loop.
const ENDLESS: usize = 1_000_000;

impl Line {
    pub(crate) fn new(chunks: Vec<Vec<u8>>) -> Self {
        Self { chunks: chunks.into(), ..Self::default() }
    }

    /// What the wire does for a session, until it halts. Bytes that were under way arrive before the
    /// halt is looked at, as if they had come in one piece with what caused it.
    pub(crate) fn drive<T>(&mut self, session: &mut dyn Session<Outcome = T>) -> Halt<T> {
        for _ in 0..ENDLESS {
            let halt = match session.advance(&mut self.inbox) {
                Ok(Step::Read) => match self.chunks.pop_front() {
                    Some(chunk) => {
                        self.inbox.push(&chunk);
                        continue;
                    }
                    None => return Halt::Waiting,
                },
                Ok(Step::Write(bytes)) => {
                    self.log.sent(&bytes);
                    continue;
                }
                Ok(Step::StartTls) => Halt::StartTls,
                Ok(Step::Done(outcome)) => Halt::Done(outcome),
                Err(refusal) => Halt::Refused(refusal),
            };
            for chunk in self.chunks.drain(..) {
                self.inbox.push(&chunk);
            }
            return match halt {
                Halt::StartTls if !self.inbox.is_empty() => {
                    Halt::Refused(Refusal::new(Cause::StartTlsInjection, "bytes behind STARTTLS"))
                }
                halt => halt,
            };
        }
        panic!("the session never halts; it said {:?}", self.log);
    }

    /// The unread bytes.
    pub(crate) fn unread(&self) -> String {
        escape(self.inbox.unread())
    }
}

/// Bytes as the transcripts write them.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let printable = |b: u8| (b' '..=b'~').contains(&b) && b != b'\\';
    bytes
        .iter()
        .map(|b| match b {
            b'\r' => "\\r".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\\' => "\\\\".to_owned(),
            b if printable(*b) => char::from(*b).to_string(),
            b => format!("\\x{b:02x}"),
        })
        .collect()
}

/// What a peer sends: a flight in clear, and one behind the TLS handshake if it comes to that. Each in
/// the pieces that it arrives in.
#[derive(Clone, Debug)]
pub(crate) struct Flights {
    pub(crate) first: Vec<Vec<u8>>,
    pub(crate) behind_tls: Vec<Vec<u8>>,
}

/// A whole downstream talk over what a client sends. Each login is refused for `cause`.
pub(crate) fn downstream(
    protocol: &Protocol,
    terms: DownstreamTerms,
    flights: Flights,
    cause: Cause,
) -> Log {
    let mut line = Line::new(flights.first);
    let mut behind_tls = flights.behind_tls.into();
    let mut session = (protocol.downstream)(terms);
    loop {
        match line.drive(&mut *session) {
            Halt::Waiting => return line.log,
            Halt::StartTls => {
                line.log.mark("starttls");
                line.chunks = std::mem::take(&mut behind_tls);
            }
            Halt::Refused(refusal) => {
                line.log.mark(format!("ends {:?}", refusal.cause));
                line.log.sent(&session.refuse(&refusal));
                return line.log;
            }
            Halt::Done(Offer::Farewell) => {
                line.log.mark("farewell");
                return line.log;
            }
            Halt::Done(Offer::Sender(sender)) => {
                line.log.mark(format!("sender {sender:?}"));
                line.log.sent(&session.refuse(&Refusal::new(cause, "by the test")));
            }
            Halt::Done(Offer::Login(login)) => {
                line.log.mark(format!("login {:?}", login.authcid));
                line.log.sent(&session.refuse(&Refusal::new(cause, "by the test")));
            }
        }
    }
}

/// A whole upstream talk over what a service sends, and its result if it came to one.
pub(crate) fn upstream(
    protocol: &Protocol,
    terms: UpstreamTerms,
    flights: Flights,
) -> (Log, Option<Result<Ready, Refusal>>) {
    let mut line = Line::new(flights.first);
    let mut behind_tls = flights.behind_tls.into();
    let mut session = (protocol.upstream)(terms);
    loop {
        match line.drive(&mut *session) {
            Halt::Waiting => return (line.log, None),
            Halt::StartTls => {
                line.log.mark("starttls");
                line.chunks = std::mem::take(&mut behind_tls);
            }
            Halt::Refused(refusal) => {
                line.log.mark(format!("refusal {:?}", refusal.cause));
                return (line.log, Some(Err(refusal)));
            }
            Halt::Done(ready) => {
                line.log.mark(format!("ready {:?} {}", ready.announced(), line.unread()));
                return (line.log, Some(Ok(ready)));
            }
        }
    }
}
