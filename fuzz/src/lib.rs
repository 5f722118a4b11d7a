//! A session driven by octets that a stranger chose, and what must hold whatever they are.
//!
//! The first octet chooses the terms and the size of the reads, the rest is what the peer sends.

use gatepost::proto::{
    Announced, Cause, DownstreamTerms, Inbox, Limits, Offer, Privacy, Probe, Protocol, Refusal,
    Security, Session, Step, UpstreamTerms,
};
use gatepost::sasl::{Client, OauthBearer, Xoauth2, encode};
use gatepost::secret::Secret;

/// Small, so that short inputs reach them.
const LIMITS: Limits =
    Limits { line: 128, sasl_line: 256, literal: 64, reply: 1024, bad_commands: 5 };

const IDENTITY: &str = "alice@contoso.example";
const TOKEN: &str = "an-access-token";

/// More logins than any talk needs to show all its states.
const LOGINS: usize = 4;

/// A client's half: the same talk however the reads fall, whole lines out, and a login that is fit to be looked up.
pub fn downstream(protocol: &str, input: &[u8]) {
    let Some((&first, octets)) = input.split_first() else {
        return;
    };
    let size = read_size(first);
    assert_eq!(
        downstream_talk(protocol, first, octets, octets.len()),
        downstream_talk(protocol, first, octets, size)
    );
}

/// A service's half: the same talk however the reads fall, no token in clear, and never ready before the token was sent.
pub fn upstream(protocol: &str, input: &[u8]) {
    let Some((&first, octets)) = input.split_first() else {
        return;
    };
    let size = read_size(first);
    assert_eq!(
        upstream_talk(protocol, first, octets, octets.len()),
        upstream_talk(protocol, first, octets, size)
    );
}

fn read_size(first: u8) -> usize {
    usize::from(first >> 4) + 1
}

fn row(name: &str) -> &'static Protocol {
    Protocol::named(name).expect("a target names a row of the table")
}

/// All that was sent, and how it ended.
type Talk = (Vec<u8>, String);

fn downstream_talk(protocol: &str, first: u8, octets: &[u8], size: usize) -> Talk {
    let privacies =
        [Privacy::Tls, Privacy::Plain, Privacy::StartTlsOptional, Privacy::StartTlsRequired];
    let privacy = privacies[usize::from(first) % privacies.len()];
    let mut session = (row(protocol).downstream)(DownstreamTerms {
        name: "gatepost.example".to_owned(),
        privacy,
        honoured: Vec::new(),
        limits: LIMITS,
    });
    let mut wire = Wire::new(octets, size);
    for _ in 0..LOGINS {
        match wire.drive(&mut *session) {
            End::Done(Offer::Login(login)) => {
                assert!(!login.authcid.is_empty() && !login.authcid.contains(char::is_control));
                assert!(privacy.takes_logins() || wire.in_tls, "a login in clear");
                wire.sent
                    .extend(session.refuse(&Refusal::new(Cause::LoginRejected, "no such user")));
            }
            End::Done(_) => return (wire.sent, "farewell".to_owned()),
            End::Refused(refusal) => {
                wire.sent.extend(session.refuse(&refusal));
                return (wire.sent, refusal.explanation);
            }
            End::Silence => return (wire.sent, "silence".to_owned()),
        }
    }
    (wire.sent, "logins".to_owned())
}

fn upstream_talk(protocol: &str, first: u8, octets: &[u8], size: usize) -> Talk {
    let row = row(protocol);
    let security = row.upstream_security[usize::from(first & 3) % row.upstream_security.len()];
    let remembered = (first & 4 != 0).then(|| Announced {
        before_login: vec!["AUTH=XOAUTH2".to_owned(), "SASL-IR".to_owned()],
        after_login: vec!["IDLE".to_owned()],
    });
    let mut session = (row.upstream)(UpstreamTerms {
        name: "gatepost.example".to_owned(),
        security,
        identity: IDENTITY.to_owned(),
        token: Secret::from(TOKEN),
        remembered,
        probe: if first & 8 == 0 { Probe::Mailbox } else { Probe::Skip },
        limits: LIMITS,
    });
    let mut wire = Wire::new(octets, size);
    let end = wire.drive(&mut *session);
    let sent_in_clear = &wire.sent[..wire.tls_from.unwrap_or(wire.sent.len())];
    if security == Security::StartTls {
        assert!(!carries_token(sent_in_clear), "the token in clear");
    }
    match end {
        End::Done(ready) => {
            assert!(carries_token(&wire.sent), "ready, but the token was never sent");
            (wire.sent, format!("{ready:?}"))
        }
        End::Refused(refusal) => {
            assert!(!refusal.explain().contains(TOKEN));
            (wire.sent, refusal.explanation)
        }
        End::Silence => (wire.sent, "silence".to_owned()),
    }
}

fn carries_token(sent: &[u8]) -> bool {
    let xoauth2 = Xoauth2::new(IDENTITY, Secret::from(TOKEN)).initial_response();
    let bearer = OauthBearer::new(IDENTITY, Secret::from(TOKEN)).initial_response();
    [xoauth2, bearer].iter().any(|response| {
        let text = encode(response.reveal());
        sent.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// The peer's octets in reads of one size, and what the session sent.
struct Wire<'a> {
    reads: std::slice::Chunks<'a, u8>,
    inbox: Inbox,
    sent: Vec<u8>,
    in_tls: bool,
    tls_from: Option<usize>,
    steps_left: usize,
}

enum End<T> {
    Done(T),
    Refused(Refusal),
    /// The peer has nothing more to say.
    Silence,
}

impl<'a> Wire<'a> {
    fn new(octets: &'a [u8], size: usize) -> Self {
        Self {
            reads: octets.chunks(size.max(1)),
            inbox: Inbox::default(),
            sent: Vec::new(),
            in_tls: false,
            tls_from: None,
            // A session that neither reads nor ends is a loop: each read, command and login is worth a few steps.
            steps_left: 64 + 4 * octets.len(),
        }
    }

    fn drive<T>(&mut self, session: &mut (impl Session<Outcome = T> + ?Sized)) -> End<T> {
        loop {
            self.steps_left = self.steps_left.checked_sub(1).expect("the session goes in circles");
            match session.advance(&mut self.inbox) {
                Ok(Step::Read) => match self.reads.next() {
                    Some(octets) => self.inbox.push(octets),
                    None => return End::Silence,
                },
                Ok(Step::Write(octets)) => {
                    assert!(octets.ends_with(b"\r\n"), "a line without its end");
                    self.sent.extend_from_slice(&octets);
                }
                // The real wire refuses what is unread here; driven on, the states behind it are reached too.
                Ok(Step::StartTls) => {
                    self.in_tls = true;
                    self.tls_from = Some(self.sent.len());
                }
                Ok(Step::Done(outcome)) => return End::Done(outcome),
                Err(refusal) => return End::Refused(refusal),
            }
        }
    }
}
