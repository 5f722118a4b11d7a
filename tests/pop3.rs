//! Whole POP3 connections over real sockets: an old mail program, gatepost, and the stand-in for Microsoft 365.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "pop3/rig.rs"]
mod rig;

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepost_standin::{AuthorityFailure, Service};
use rig::{MAILBOX, PASSWORD, Rig, USER};

const WELCOME: &str = "+OK Logged in";

#[tokio::test]
async fn a_password_fetches_the_mail() {
    let rig = Rig::start().await;
    rig.standin.store().deliver(MAILBOX, "INBOX", *b"Subject: hello\r\n\r\n.body\r\n");
    let mut client = rig.client().await;
    assert_eq!(client.log_in().await, WELCOME);
    assert_eq!(client.ask("STAT").await, "+OK 1 25");
    assert_eq!(client.ask("RETR 1").await, "+OK");
    assert_eq!(client.lines().await, b"Subject: hello\r\n\r\n..body\r\n");
    assert_eq!(client.ask("DELE 1").await, "+OK");
    assert!(client.ask("QUIT").await.starts_with("+OK "));
    assert_eq!(client.rest().await, b"");
    assert!(rig.standin.store().messages(MAILBOX, "INBOX").is_empty());
    let told = rig.told();
    assert_eq!(told[0], "AUTH XOAUTH2", "the token comes in a line of its own");
    assert!(!told.concat().contains("correct horse"), "{told:?}");
    rig.stop().await;
}

#[tokio::test]
async fn what_is_pipelined_behind_the_login_is_answered_in_order() {
    let rig = Rig::start().await;
    let mut client = rig.client().await;
    let message = STANDARD.encode(format!("\0{USER}\0{PASSWORD}"));
    client.send(format!("AUTH PLAIN {message}\r\nSTAT\r\nNOOP\r\nQUIT\r\n").as_bytes()).await;
    let answers = client.rest().await;
    let answers = String::from_utf8(answers).unwrap();
    let expected = format!("{WELCOME}\r\n+OK 0 0\r\n+OK\r\n+OK Microsoft Exchange Server POP3");
    assert!(answers.starts_with(&expected), "{answers}");
    rig.stop().await;
}

#[tokio::test]
async fn auth_login_leads_to_the_same_mailbox() {
    let rig = Rig::start().await;
    let mut client = rig.client().await;
    assert_eq!(client.ask("AUTH LOGIN").await, "+ VXNlcm5hbWU6");
    assert_eq!(client.ask(&STANDARD.encode(USER)).await, "+ UGFzc3dvcmQ6");
    assert_eq!(client.ask(&STANDARD.encode(PASSWORD)).await, WELCOME);
    assert_eq!(client.ask("STAT").await, "+OK 0 0");
    rig.stop().await;
}

#[tokio::test]
async fn what_is_announced_before_a_login() {
    let rig = Rig::start().await;
    let mut client = rig.client().await;
    assert_eq!(client.log_in().await, WELCOME);
    let mut client = rig.client().await;
    client.ask("CAPA").await;
    let capabilities = client.lines().await;
    assert_eq!(
        capabilities,
        b"TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nUSER\r\nSASL PLAIN LOGIN\r\n"
    );
    assert_eq!(client.ask("QUIT").await, "+OK Bye");
    assert_eq!(client.rest().await, b"");
    rig.stop().await;
}

#[tokio::test]
async fn a_wrong_password_reaches_nobody_and_may_be_corrected() {
    let rig = Rig::start().await;
    let mut client = rig.client().await;
    for user in [USER, "nobody"] {
        assert_eq!(client.ask(&format!("USER {user}")).await, "+OK Send the password");
        // The space at its end is missing.
        let answer = client.ask(&format!("PASS {}", PASSWORD.trim())).await;
        assert_eq!(answer, "-ERR [AUTH] Authentication failed");
    }
    assert_eq!(rig.standin.counters().pop_connections.count(), 0);
    assert_eq!(rig.standin.counters().token_requests.count(), 0);
    assert_eq!(client.log_in().await, WELCOME);
    rig.stop().await;
}

#[tokio::test]
async fn a_young_token_is_not_renewed_for_a_no() {
    let rig = Rig::start().await;
    assert_eq!(rig.client().await.log_in().await, WELCOME);
    rig.standin.revoke_tokens();
    let mut client = rig.client().await;
    for _ in 0..2 {
        let answer = client.log_in().await;
        assert!(answer.starts_with("-ERR [SYS/PERM] Mail server refused"), "{answer}");
    }
    assert_eq!(rig.standin.counters().token_requests.count(), 1);
    assert_eq!(rig.standin.counters().pop_refusals.count(), 2);
    rig.stop().await;
}

#[tokio::test]
async fn only_a_wrong_password_asks_for_another() {
    let rig = Rig::start().await;
    let mut client = rig.client().await;
    let refused = format!("({MAILBOX})");
    rig.standin.tenant().mailbox_mut(MAILBOX).unwrap().pop_enabled = false;
    let answer = client.log_in().await;
    assert!(answer.starts_with("-ERR [SYS/PERM] Mail server refused"), "{answer}");
    assert!(answer.ends_with(&refused), "{answer}");
    rig.standin.tenant().mailbox_mut(MAILBOX).unwrap().pop_enabled = true;
    rig.standin.knobs().pop_auth_reply = Some("-ERR [IN-USE] another session".into());
    let answer = client.log_in().await;
    assert!(answer.starts_with("-ERR [IN-USE] "), "{answer}");
    rig.standin.knobs().pop_auth_reply = None;
    assert_eq!(client.log_in().await, WELCOME, "the connection is still good for a login");
    rig.stop().await;
}

#[tokio::test]
async fn what_passes_by_itself_is_temporary() {
    let rig = Rig::start().await;
    let mut client = rig.client().await;
    rig.standin.knobs().authority_failure =
        Some(AuthorityFailure { status: 400, body: "{}".into(), retry_after: None, times: None });
    rig.standin.stop(Service::Pop3).await;
    let answer = client.log_in().await;
    assert!(answer.starts_with("-ERR [SYS/TEMP] "), "{answer}");
    rig.standin.knobs().authority_failure = None;
    let answer = client.log_in().await;
    assert!(answer.starts_with("-ERR [SYS/TEMP] "), "{answer}");
    rig.standin.restart(Service::Pop3).await.unwrap();
    assert_eq!(client.log_in().await, WELCOME);
    rig.stop().await;
}

#[tokio::test]
async fn googles_challenge_is_answered() {
    let rig = Rig::start().await;
    rig.standin.knobs().google = true;
    rig.standin.tenant().mailbox_mut(MAILBOX).unwrap().pop_enabled = false;
    let answer = rig.client().await.log_in().await;
    assert!(answer.starts_with("-ERR [SYS/PERM] "), "{answer}");
    assert_eq!(rig.told().last().unwrap(), "", "an empty line brings the verdict");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_twenty_megabytes_arrives_unchanged() {
    let rig = Rig::start().await;
    let line = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n";
    let message = line.repeat(20_000_000 / line.len());
    rig.standin.store().deliver(MAILBOX, "INBOX", message.as_bytes());
    let mut client = rig.client().await;
    assert_eq!(client.log_in().await, WELCOME);
    assert_eq!(client.ask("RETR 1").await, "+OK");
    assert!(client.lines().await == message.as_bytes());
    rig.stop().await;
}
