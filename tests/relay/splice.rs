//! Bytes both ways once the mailbox is open.

use std::time::Duration;

use super::certificate::{IMPLICIT, secure};
use super::client::Client;
use super::rig::{ADDRESS, Difference, PASSWORD, Rig, USER};

use gatepost_standin::{Service, Standin};
use tokio::net::TcpStream;

const LARGE: usize = 20 << 20;

/// Lines of a message, dots at their beginnings among them, different at every place.
fn message(octets: usize) -> Vec<u8> {
    let mut message = b"From: scanner@contoso.example\r\nSubject: scan\r\n\r\n".to_vec();
    let mut number = 0_u64;
    while message.len() < octets {
        message.extend_from_slice(format!(".line {number:064x}\r\n").as_bytes());
        number += 1;
    }
    message
}

/// RFC 5321 section 4.5.2.
fn stuffed(message: &[u8]) -> Vec<u8> {
    String::from_utf8(message.to_vec()).unwrap().replace("\r\n.", "\r\n..").into_bytes()
}

/// Compares without printing 20 MB.
fn assert_same(left: &[u8], right: &[u8]) {
    let differs = left.iter().zip(right).position(|(left, right)| left != right);
    assert_eq!((left.len(), differs), (right.len(), None), "length, first difference");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_goes_up_over_smtp() {
    let rig = Rig::start().await;
    let message = message(LARGE);
    let (mut client, _) = rig.smtp().await;
    client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
    client.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
    client.ask("DATA", "354 ").await;
    client.send(&stuffed(&message)).await;
    client.ask(".", "250 ").await;
    let delivered = rig.standin.store().messages("erp@contoso.example", "INBOX");
    let body = &delivered[0].raw;
    // What a server adds stands above.
    assert_same(&body[body.len() - message.len()..], &message);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_goes_both_ways_over_imap() {
    for listener in ["", IMPLICIT] {
        let difference = Difference { listener, ..Difference::default() };
        let rig = Rig::with(Standin::start().await.unwrap(), &difference).await;
        let stream = TcpStream::connect(rig.address("imap")).await.unwrap();
        match listener {
            "" => up_and_down(&rig, Client::new(stream)).await,
            _ => up_and_down(&rig, secure(stream).await).await,
        }
        rig.stop().await;
    }
}

async fn up_and_down<S>(rig: &Rig, mut client: Client<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let message = message(LARGE);
    client.until("* OK").await;
    client.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a OK").await;
    client.ask(&format!("b APPEND INBOX {{{}}}", message.len()), "+").await;
    client.send(&message).await;
    client.ask("", "b OK").await;
    assert_same(&rig.standin.store().messages(ADDRESS, "INBOX")[0].raw, &message);
    client.ask("c SELECT INBOX", "c OK").await;
    client.ask("d FETCH 1 BODY.PEEK[]", "* 1 FETCH").await;
    assert_same(&client.octets(message.len()).await, &message);
    client.until("d OK").await;
    client.ask("e LOGOUT", "e OK").await;
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn what_is_pipelined_behind_a_login_comes_after_it_in_order() {
    let rig = Rig::start().await;
    let mut client = rig.client("imap").await;
    let commands =
        format!("a LOGIN {USER} \"{PASSWORD}\"\r\nb SELECT INBOX\r\nc NOOP\r\nd LOGOUT\r\n");
    client.send(commands.as_bytes()).await;
    client.until("* OK").await;
    for start in ["a OK", "b OK", "c OK", "d OK"] {
        client.until(start).await;
    }
    assert_eq!(client.rest().await, b"");

    let mut client = rig.client("smtp").await;
    let commands = format!(
        "EHLO scanner\r\n{}\r\nMAIL FROM:<{ADDRESS}>\r\nRCPT TO:<erp@contoso.example>\r\nDATA\r\n",
        super::rig::AUTH_PLAIN
    );
    client.send(commands.as_bytes()).await;
    client.until("220 ").await;
    client.until("250 ").await;
    for start in ["235 ", "250 2.1.0", "250 2.1.5", "354 "] {
        let line = client.line().await;
        assert!(line.starts_with(start), "{line}");
    }
    client.ask("Subject: x\r\n\r\nx\r\n.", "250 ").await;
    client.ask("QUIT", "221 ").await;
    rig.stop().await;
}

/// What was pipelined behind a login that failed is still gatepost's to answer.
#[tokio::test]
async fn what_is_pipelined_behind_a_failed_login_goes_nowhere() {
    let rig = Rig::start().await;
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    client.send(b"a LOGIN scanner wrong\r\nb NOOP\r\nc SELECT INBOX\r\n").await;
    client.until("a NO").await;
    client.until("b OK").await;
    client.until("c BAD").await;
    assert_eq!(rig.standin.counters().connections.count(), 0);
    rig.stop().await;
}

#[tokio::test]
async fn the_end_of_a_client_leaves_the_answers_to_come() {
    let rig = Rig::start().await;
    let (mut client, _) = rig.imap().await;
    client.send(b"b SELECT INBOX\r\nc NOOP\r\n").await;
    client.finish().await;
    let rest = String::from_utf8(client.rest().await).unwrap();
    assert!(rest.contains("b OK") && rest.ends_with("c OK NOOP completed.\r\n"), "{rest}");
    rig.stop().await;
}

#[tokio::test]
async fn a_client_that_finishes_with_its_login_still_hears_the_answer() {
    let rig = Rig::start().await;
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    client.send(format!("a LOGIN {USER} \"{PASSWORD}\"\r\nb NOOP\r\n").as_bytes()).await;
    client.finish().await;
    let rest = String::from_utf8(client.rest().await).unwrap();
    assert!(rest.starts_with("a OK") && rest.contains("b OK"), "{rest}");
    rig.stop().await;
}

/// A client that vanishes takes its upstream connection with it: the stand-in's place for it is free.
#[tokio::test]
async fn a_client_that_vanishes_frees_the_upstream() {
    let rig = Rig::tables("[limits]\nconnections = 1\n").await;
    for _ in 0..3 {
        let (mut client, answer) = loop {
            let mut client = rig.client("imap").await;
            // Until the place of the one before is free, there is a polite no.
            if client.line().await.starts_with("* OK") {
                let answer = client.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a ").await;
                break (client, answer);
            }
        };
        assert!(answer[0].starts_with("a OK"), "{answer:?}");
        client.say("b IDLE").await;
        client.until("+").await;
        let socket = client.into_inner();
        // A reset, as of a program that was killed or a device that lost power.
        socket.set_zero_linger().unwrap();
        drop(socket);
    }
    rig.stop().await;
}

#[tokio::test]
async fn an_upstream_that_vanishes_ends_the_client() {
    let rig = Rig::start().await;
    let (mut client, _) = rig.imap().await;
    client.ask("b SELECT INBOX", "b OK").await;
    client.ask("c IDLE", "+").await;
    rig.standin.drop_connections(Service::Imap).await;
    assert_eq!(client.rest().await, b"");
    // The next connection is as good as any.
    assert!(rig.imap().await.1[0].starts_with("a OK"));

    let (mut client, _) = rig.smtp().await;
    client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
    client.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
    client.ask("DATA", "354 ").await;
    client.say("Subject: half").await;
    rig.standin.drop_connections(Service::Smtp).await;
    assert_eq!(client.rest().await, b"", "no 250 that the upstream hasn't said");
    assert_eq!(rig.standin.counters().messages_accepted.count(), 0);
    rig.stop().await;
}

/// The session ends with its token, and the upstream's goodbye reaches the client.
#[tokio::test]
async fn the_upstreams_last_words_reach_the_client() {
    let rig = Rig::start().await;
    {
        let mut knobs = rig.standin.knobs();
        knobs.token_lifetime = Some(Duration::from_secs(2));
        knobs.imap_expire_sessions = true;
    }
    let (mut client, _) = rig.imap().await;
    client.ask("b SELECT INBOX", "b OK").await;
    client.ask("c IDLE", "+").await;
    let rest = String::from_utf8(client.rest().await).unwrap();
    assert!(rest.contains("* BYE Session invalidated - AccessTokenExpired"), "{rest}");
    // The client comes again and gets a token that lasts.
    rig.standin.knobs().token_lifetime = None;
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    assert_eq!(rig.standin.counters().token_requests.count(), 2);
    rig.stop().await;
}

#[tokio::test]
async fn an_upstream_that_closes_right_after_its_yes() {
    let rig = Rig::start().await;
    rig.standin.knobs().drop_after_auth = true;
    let (mut client, answer) = rig.smtp().await;
    assert!(answer[0].starts_with("235 "), "{answer:?}");
    client.say(&format!("MAIL FROM:<{ADDRESS}>")).await;
    assert_eq!(client.rest().await, b"");
    rig.stop().await;
}
