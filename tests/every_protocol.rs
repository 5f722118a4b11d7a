//! The same questions to every row of [`PROTOCOLS`]. A new row answers them without an edit here: what its peers say it
//! learns from the row's transcripts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "dialogue/properties.rs"]
mod properties;
#[path = "dialogue/script.rs"]
#[allow(dead_code, reason = "transcripts.rs uses the rest")]
mod script;
#[path = "dialogue/talk.rs"]
#[allow(dead_code, reason = "transcripts.rs uses the rest")]
mod talk;

use gatepost::proto::{
    Cause, Downstream, Inbox, Offer, PROTOCOLS, Privacy, Probe, Protocol, Refusal, Step,
};
use properties::{Sent, Told, well_formed};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use script::{CAUSES, Half, Script, scripts};
use talk::{Halt, Line};

#[test]
fn a_client_is_greeted_at_once_and_then_waited_for() {
    for protocol in PROTOCOLS {
        let (mut session, mut inbox) = (fresh(protocol), Inbox::default());
        let Ok(Step::Write(greeting)) = session.advance(&mut inbox) else {
            panic!("{} doesn't greet", protocol.name)
        };
        well_formed(&greeting);
        for _ in 0..3 {
            assert!(matches!(session.advance(&mut inbox), Ok(Step::Read)), "{}", protocol.name);
        }
    }
}

#[test]
fn a_service_speaks_first() {
    for protocol in PROTOCOLS {
        for script in scripts(protocol, Half::Upstream) {
            let mut session = (protocol.upstream)(script.upstream_terms());
            assert!(matches!(session.advance(&mut Inbox::default()), Ok(Step::Read)));
        }
    }
}

#[test]
fn the_rows_are_named_and_found() {
    for protocol in PROTOCOLS {
        assert_eq!(Protocol::named(protocol.name).unwrap().name, protocol.name);
        assert!(!protocol.upstream_security.is_empty());
    }
    assert!(Protocol::named("gopher").is_none());
}

/// Whatever a client says, in whatever pieces.
#[test]
fn downstream_sessions_keep_their_promises() {
    let privacies =
        [Privacy::Tls, Privacy::Plain, Privacy::StartTlsOptional, Privacy::StartTlsRequired];
    for_all(
        |protocol| {
            (select(privacies.to_vec()), select(&CAUSES[..]), sent(protocol, Half::Downstream))
        },
        |protocol, (privacy, cause, sent)| properties::downstream(protocol, privacy, cause, &sent),
    );
}

/// Whatever a service says, in whatever pieces.
#[test]
fn upstream_sessions_keep_their_promises() {
    let known = [None, Some(&["SASL-IR", "AUTH=XOAUTH2"][..]), Some(&["AUTH=OAUTHBEARER"][..])];
    for_all(
        |protocol| {
            let told = (
                select(protocol.upstream_security),
                select(&[Probe::Mailbox, Probe::Skip][..]),
                select(known.to_vec()),
            );
            (told, sent(protocol, Half::Upstream))
        },
        |protocol, ((security, probe, known), sent)| {
            properties::upstream(protocol, Told { security, probe, known }, &sent);
        },
    );
}

/// A service that behaves, but for one line.
#[test]
fn upstream_sessions_keep_their_promises_through_a_dialogue_gone_wrong() {
    for_all(
        |protocol| {
            let told = (
                select(protocol.upstream_security),
                select(&[Probe::Mailbox, Probe::Skip][..]),
                dialogue(protocol),
                (any::<prop::sample::Index>(), fragment(protocol, Half::Upstream)),
            );
            (told, vec(any::<u8>(), 0..4))
        },
        |protocol, ((security, probe, mut lines, (at, stray)), cuts)| {
            if !lines.is_empty() {
                let at = at.index(lines.len());
                lines[at] = stray;
            }
            let sent = Sent { first: lines.concat(), behind_tls: lines.concat(), cuts };
            properties::upstream(protocol, Told { security, probe, known: None }, &sent);
        },
    );
}

#[test]
fn every_refusal_renders_as_lines_at_any_time() {
    let hostile = "x\r\n* OK\0\u{1b}[2J\u{85}\u{2028}jürgen";
    for protocol in PROTOCOLS {
        for cause in CAUSES {
            let bare = Refusal::new(cause, "explanation for the operator");
            let full = bare.clone().about(&hostile.repeat(100)).quoting(&hostile.repeat(100));
            let quoting = |line: &str| bare.clone().quoting(line);
            for refusal in [bare.clone(), full, quoting(""), quoting("4"), quoting("421-4.3.2 x")] {
                for (mut session, login) in [(fresh(protocol), false), (offering(protocol), true)] {
                    let answer = session.refuse(&refusal);
                    assert!(!answer.is_empty(), "{} {cause:?} login: {login}", protocol.name);
                    assert!(answer.len() <= 1024, "{} {cause:?}", protocol.name);
                    well_formed(&answer);
                    let answer = String::from_utf8(answer).unwrap();
                    assert!(!answer.contains("explanation"), "that is the operator's: {answer}");
                    assert!(answer.lines().all(|line| line.len() <= 510), "{answer}");
                }
            }
        }
    }
}

#[test]
fn only_a_wrong_password_makes_a_client_ask_for_another() {
    for protocol in PROTOCOLS {
        let asks = |cause| {
            let answer = offering(protocol).refuse(&Refusal::new(cause, ""));
            let answer = String::from_utf8(answer).unwrap();
            answer.starts_with("535")
                || answer.contains("[AUTH") && !answer.contains("[AUTHORIZATIONFAILED]")
        };
        let asking: Vec<_> = CAUSES.into_iter().filter(|cause| asks(*cause)).collect();
        assert_eq!(asking, [Cause::LoginRejected], "{}", protocol.name);
    }
}

#[test]
fn a_refused_login_leaves_the_session_fit_for_another() {
    for protocol in PROTOCOLS {
        let login = login_flight(protocol);
        let mut line = Line::new(vec![login.clone()]);
        let mut session = fresh(protocol);
        for _ in 0..5 {
            let Halt::Done(Offer::Login(_)) = line.drive(&mut *session) else {
                panic!("{}: no login in {:?}", protocol.name, line.log)
            };
            session.refuse(&Refusal::new(Cause::LoginRejected, "by the test"));
            line.chunks.push_back(login.clone());
        }
    }
}

#[test]
fn passwords_are_never_repeated() {
    for protocol in PROTOCOLS {
        for script in scripts(protocol, Half::Downstream) {
            let mut line = Line::new(script.flights().map(<[u8]>::to_vec).collect());
            let mut session = (protocol.downstream)(script.downstream_terms());
            while let Halt::Done(Offer::Login(login)) = line.drive(&mut *session) {
                line.log.sent(&session.refuse(&Refusal::new(Cause::LoginRejected, "by the test")));
                let said = String::from_utf8(line.log.output()).unwrap();
                assert!(!said.contains(login.password.reveal()), "{:?}: {said}", script.path);
                assert!(format!("{login:?}").contains("password: [secret]"), "{login:?}");
            }
        }
    }
}

#[test]
fn what_is_sent_behind_a_login_stays_unread_in_order() {
    for_all(
        |protocol| (Just(login_flight(protocol)), vec(any::<u8>(), 0..200), 1..50_usize),
        |protocol, (login, junk, size)| {
            // Neither a command that the session keeps to itself nor the rest of the login's line.
            let behind = [b"\0", junk.as_slice(), b"\r\n"].concat();
            let flight = [login, behind.clone()].concat();
            let mut line = Line::new(flight.chunks(size).map(<[u8]>::to_vec).collect());
            let mut session = fresh(protocol);
            assert!(matches!(line.drive(&mut *session), Halt::Done(Offer::Login(_))));
            assert_eq!(line.inbox.unread(), behind);
            let mut doorway = session.accept(script::ready(protocol));
            assert!(matches!(line.drive(&mut *doorway), Halt::Done(_)));
            assert_eq!(&*line.inbox.drain(), behind);
            well_formed(&line.log.output());
        },
    );
}

/// All [`PROTOCOLS`], 256 inputs each.
fn for_all<S: Strategy>(
    strategy: impl Fn(&'static Protocol) -> S,
    check: impl Fn(&'static Protocol, S::Value),
) where
    S::Value: Clone,
{
    for protocol in PROTOCOLS {
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        let result = TestRunner::new(config).run(&strategy(protocol), |input| {
            check(protocol, input);
            Ok(())
        });
        assert!(result.is_ok(), "{}: {}", protocol.name, result.unwrap_err());
    }
}

/// Lines of the row's dialogues, as they stand and bent, and anything else.
fn sent(protocol: &Protocol, half: Half) -> impl Strategy<Value = Sent> {
    let flight = || vec(fragment(protocol, half), 0..12).prop_map(|fragments| fragments.concat());
    (flight(), flight(), vec(any::<u8>(), 0..6)).prop_map(|(first, behind_tls, cuts)| Sent {
        first,
        behind_tls,
        cuts,
    })
}

fn fragment(protocol: &Protocol, half: Half) -> impl Strategy<Value = Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = scripts(protocol, half).iter().flat_map(lines_of).collect();
    lines.retain(|line| line.len() < 400);
    lines.extend(properties::token_messages().into_iter().map(String::into_bytes));
    let pieces = [
        &b"\r\n"[..],
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"*",
        b"+ ",
        b"=",
        b"{",
        b"}",
        b"\"",
        b"\\",
        b"{0+}\r\n",
        b"{7}\r\n",
        b"{4294967295}\r\n",
        b"{4294967296+}\r\n",
        b"\xff",
        b"-",
        b"250",
    ];
    prop_oneof![
        6 => select(lines.clone()),
        2 => select(pieces.map(<[u8]>::to_vec).to_vec()),
        1 => (select(lines), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut line, at, b)| {
            let at = at.index(line.len());
            line[at] = b;
            line
        }),
        1 => vec(any::<u8>(), 0..120),
    ]
}

fn dialogue(protocol: &Protocol) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let dialogues: Vec<_> = scripts(protocol, Half::Upstream).iter().map(lines_of).collect();
    select(dialogues)
}

fn lines_of(script: &Script) -> Vec<Vec<u8>> {
    let lines = |flight: &[u8]| -> Vec<Vec<u8>> {
        flight.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
    };
    script.flights().flat_map(lines).collect()
}

fn fresh(protocol: &Protocol) -> Box<dyn Downstream> {
    let terms = scripts(protocol, Half::Downstream)[0].downstream_terms();
    (protocol.downstream)(gatepost::proto::DownstreamTerms { privacy: Privacy::Tls, ..terms })
}

/// A session whose login is being judged.
fn offering(protocol: &Protocol) -> Box<dyn Downstream> {
    let mut session = fresh(protocol);
    let mut line = Line::new(vec![login_flight(protocol)]);
    assert!(matches!(line.drive(&mut *session), Halt::Done(Offer::Login(_))));
    session
}

/// The first of the row's flights that, with those before it, is a login and nothing more.
fn login_flight(protocol: &Protocol) -> Vec<u8> {
    scripts(protocol, Half::Downstream)
        .iter()
        .find_map(|script| {
            let mut said = Vec::new();
            script.flights().find_map(|flight| {
                said.extend_from_slice(flight);
                let mut line = Line::new(vec![said.clone()]);
                let offered = line.drive(&mut *fresh(protocol));
                let login = matches!(offered, Halt::Done(Offer::Login(_)));
                (login && line.inbox.is_empty()).then(|| said.clone())
            })
        })
        .expect("a transcript with a login")
}
