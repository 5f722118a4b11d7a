//! POP3 as a client sees it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "clients/pop3.rs"]
mod client;
#[path = "clients/tls.rs"]
mod tls;

use std::time::Duration;

use client::{APP, Client, ERP, PUBLIC_APP, app_response, response};
use gatepost_standin::{Claims, Service, Side, Standin};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

const REFUSAL: &str = "-ERR Authentication failure: unknown user name or bad password.";
const PROTOCOL_ERROR: &str = "-ERR Protocol error. Connection is closed. 10";

#[tokio::test]
async fn a_mailbox_is_fetched_over_tls() {
    let standin = Standin::start().await.unwrap();
    standin.store().deliver(ERP, "INBOX", *b"Subject: one\r\n\r\n.dot\r\n..\r\nend\r\n");
    standin.store().deliver(ERP, "INBOX", *b"Subject: two\r\n\r\nx");
    let mut client = Client::tls(&standin, standin.pop3()).await;
    assert!(client.greeting.starts_with("+OK The Microsoft Exchange POP3 service is ready. [QQBN"));
    assert_eq!(
        client.ask_for_lines("CAPA").await,
        b"TOP\r\nUIDL\r\nSASL PLAIN XOAUTH2\r\nUSER\r\n"
    );
    let reply = client.log_in(&app_response(&standin, ERP)).await;
    assert_eq!(reply, "+OK User successfully authenticated.");
    assert_eq!(client.ask("STAT").await, "+OK 2 48");
    assert_eq!(client.ask_for_lines("LIST").await, b"1 31\r\n2 17\r\n");
    assert_eq!(client.ask("LIST 2").await, "+OK 2 17");
    assert_eq!(client.ask_for_lines("UIDL").await, b"1 1-1\r\n2 1-2\r\n");
    assert_eq!(
        client.ask_for_lines("RETR 1").await,
        b"Subject: one\r\n\r\n..dot\r\n...\r\nend\r\n"
    );
    assert_eq!(client.ask_for_lines("TOP 1 1").await, b"Subject: one\r\n\r\n..dot\r\n");
    assert_eq!(client.ask_for_lines("RETR 2").await, b"Subject: two\r\n\r\nx\r\n");
    assert!(client.ask("RETR 3").await.starts_with("-ERR "));
    assert_eq!(client.ask("NOOP").await, "+OK");
    assert!(client.ask("QUIT").await.starts_with("+OK "));
    assert!(client.ended_properly().await);
    assert_eq!(standin.counters().pop_logins.count(), 1);
    assert_eq!(standin.counters().pop_connections.count(), 1);
}

#[tokio::test]
async fn deletions_are_done_at_quit_and_not_before() {
    let standin = Standin::start().await.unwrap();
    for text in ["1", "2", "3"] {
        standin.store().deliver(ERP, "INBOX", text.as_bytes());
    }
    let inbox = || standin.store().messages(ERP, "INBOX").len();
    let mut client = Client::logged_in(&standin, ERP).await;
    client.ask("DELE 1").await;
    assert!(client.ask("DELE 1").await.starts_with("-ERR "), "it is gone for this session");
    assert_eq!(client.ask("STAT").await, "+OK 2 2");
    assert_eq!(client.ask("RSET").await, "+OK");
    assert_eq!(client.ask("STAT").await, "+OK 3 3");
    client.ask("DELE 2").await;
    drop(client);
    standin.drop_connections(Service::Pop3Plain).await;
    assert_eq!(inbox(), 3, "a session that breaks off deletes nothing");
    let mut client = Client::logged_in(&standin, ERP).await;
    client.ask("DELE 2").await;
    standin.store().deliver(ERP, "INBOX", *b"4");
    assert_eq!(client.ask("STAT").await, "+OK 2 2", "the maildrop stays as it was at the login");
    client.ask("QUIT").await;
    assert!(client.ended_properly().await);
    let left: Vec<_> = standin.store().messages(ERP, "INBOX").iter().map(|m| m.uid).collect();
    assert_eq!(left, [1, 3, 4]);
}

#[tokio::test]
async fn the_token_comes_in_the_second_step_or_not_at_all() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::plain(standin.pop3_plain()).await;
    let good = app_response(&standin, ERP);
    assert_eq!(client.ask(&format!("AUTH XOAUTH2 {good}")).await, PROTOCOL_ERROR);
    assert!(client.ended_properly().await);
    let mut client = Client::plain(standin.pop3_plain()).await;
    assert_eq!(client.ask("AUTH XOAUTH2 short").await, PROTOCOL_ERROR);
    let mut client = Client::plain(standin.pop3_plain()).await;
    assert_eq!(client.ask(&"X".repeat(511)).await, PROTOCOL_ERROR);
    let mut client = Client::plain(standin.pop3_plain()).await;
    assert_eq!(client.ask(&"X".repeat(510)).await, "-ERR Command is not valid in this state.");
    standin.knobs().pop_sasl_line_limit = Some(good.len());
    assert_eq!(client.log_in(&good).await, PROTOCOL_ERROR);
}

#[tokio::test]
async fn who_may_not_log_in() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::plain(standin.pop3_plain()).await;
    let token = |claims| standin.issue_token(claims);
    let roles = &["IMAP.AccessAsApp", "SMTP.SendAsApp"];
    let graph = Claims {
        audience: "https://graph.microsoft.com".into(),
        ..Claims::app(APP, &["POP.AccessAsApp"])
    };
    for (mailbox, token) in [
        (ERP, "nonsense".to_owned()),
        (ERP, token(Claims::app(APP, roles))),
        (ERP, token(graph)),
        (ERP, token(Claims::app(PUBLIC_APP, &["POP.AccessAsApp"]))),
        (ERP, token(Claims::user(PUBLIC_APP, "alice@contoso.example", &["POP.AccessAsUser.All"]))),
        ("nobody@contoso.example", token(Claims::app(APP, &["POP.AccessAsApp"]))),
    ] {
        assert_eq!(client.log_in(&response(mailbox, &token)).await, REFUSAL, "{mailbox} {token}");
    }
    standin.tenant().mailbox_mut(ERP).unwrap().pop_enabled = false;
    assert_eq!(client.log_in(&app_response(&standin, ERP)).await, REFUSAL);
    assert_eq!(client.log_in("not base64").await, REFUSAL);
    assert_eq!(standin.counters().pop_refusals.count(), 8);
    standin.tenant().mailbox_mut(ERP).unwrap().pop_enabled = true;
    let own = standin.issue_token(Claims::user(PUBLIC_APP, ERP, &["POP.AccessAsUser.All"]));
    assert!(client.log_in(&response(ERP, &own)).await.starts_with("+OK "));
    assert!(client.ask("AUTH XOAUTH2").await.starts_with("-ERR "), "one login is enough");
}

#[tokio::test]
async fn passwords_are_offered_to_be_refused() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::plain(standin.pop3_plain()).await;
    assert!(client.ask("PASS secret").await.starts_with("-ERR Command is not valid"));
    assert_eq!(client.ask("USER erp@contoso.example").await, "+OK");
    let refusal = client.ask("PASS secret").await;
    assert_eq!(refusal, "-ERR Logon failure: unknown user name or bad password.");
    assert_eq!(client.ask("AUTH PLAIN").await, "+ ");
    assert_eq!(client.ask("AGVycABzZWNyZXQ=").await, REFUSAL);
    assert_eq!(client.ask("STAT").await, "-ERR Command is not valid in this state.");
}

#[tokio::test]
async fn gmail_challenges_before_it_refuses() {
    let standin = Standin::start().await.unwrap();
    standin.knobs().google = true;
    let mut client = Client::plain(standin.pop3_plain()).await;
    assert!(client.greeting.starts_with("+OK Gpop ready"), "{}", client.greeting);
    let challenge = client.log_in(&response(ERP, "bad")).await;
    assert!(challenge.starts_with("+ eyJzdGF0dXMiOiI0MDAi"), "{challenge}");
    assert_eq!(client.ask("").await, "-ERR [AUTH] Username and password not accepted.");
    let one_line = format!("AUTH XOAUTH2 {}", response(ERP, "x"));
    assert!(client.ask(&one_line).await.starts_with("+ eyJ"), "an initial response is taken");
    client.ask("").await;
    assert!(client.log_in(&app_response(&standin, ERP)).await.starts_with("+OK "));
}

#[tokio::test]
async fn knobs_turn() {
    let standin = Standin::start().await.unwrap();
    standin.knobs().pop_greeting = Some("-ERR [SYS/TEMP] busy".into());
    let mut client = Client::plain(standin.pop3_plain()).await;
    assert_eq!(client.greeting, "-ERR [SYS/TEMP] busy");
    assert!(client.ended_properly().await);
    standin.knobs().pop_greeting = None;
    standin.knobs().pop_auth_reply = Some("-ERR [IN-USE] locked".into());
    let mut client = Client::plain(standin.pop3_plain()).await;
    let reply = client.log_in(&app_response(&standin, ERP)).await;
    assert_eq!(reply, "-ERR [IN-USE] locked");
    standin.knobs().pop_auth_reply = None;
    standin.knobs().drop_after_auth = true;
    assert!(client.log_in(&app_response(&standin, ERP)).await.starts_with("+OK "));
    assert!(client.ended_properly().await);
    standin.knobs().pop_auth_timeout = Duration::ZERO;
    let mut client = Client::plain(standin.pop3_plain()).await;
    assert!(client.ended_properly().await);
    standin.knobs().pop_silent = true;
    let mut silent = TcpStream::connect(standin.pop3_plain()).await.unwrap();
    assert!(timeout(Duration::from_millis(100), silent.read(&mut [0])).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_twenty_megabytes_is_fetched() {
    let standin = Standin::start().await.unwrap();
    let line = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n";
    let message = line.repeat(20_000_000 / line.len());
    standin.store().deliver(ERP, "INBOX", message.as_bytes());
    let mut client = Client::tls(&standin, standin.pop3()).await;
    client.log_in(&app_response(&standin, ERP)).await;
    assert!(client.ask_for_lines("RETR 1").await == message.as_bytes());
    let dialogue = standin.dialogue();
    let asked = dialogue.iter().position(|line| line.text == "RETR 1").unwrap();
    assert_eq!((dialogue[asked].side, dialogue[asked].protocol), (Side::Client, "pop3"));
    assert_eq!(dialogue.last().unwrap().text, ".");
}
