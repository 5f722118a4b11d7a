//! TLS between client and gatepost.

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::certificate::{IMPLICIT, STARTTLS, secure};
use super::client::Client;
use super::rig::{AUTH_PLAIN, Difference, PASSWORD, Rig, USER};
use gatepost_standin::Standin;

async fn rig(listener: &str) -> Rig {
    let difference = Difference { listener, ..Difference::default() };
    Rig::with(Standin::start().await.unwrap(), &difference).await
}

async fn implicit(rig: &Rig, protocol: &str) -> Client<TlsStream<TcpStream>> {
    secure(TcpStream::connect(rig.address(protocol)).await.unwrap()).await
}

#[tokio::test]
async fn implicit_tls_carries_a_session_and_ends_with_its_goodbye() {
    let rig = rig(IMPLICIT).await;
    let mut client = implicit(&rig, "imap").await;
    let greeting = client.until("* OK").await;
    assert!(
        !greeting[0].contains("STARTTLS") && greeting[0].contains("AUTH=PLAIN"),
        "{greeting:?}"
    );
    client.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a OK").await;
    client.ask("b NOOP", "b OK").await;
    client.ask("c LOGOUT", "c OK").await;
    // Without close_notify, rustls makes an error of the end.
    assert_eq!(client.rest().await, b"");
    rig.stop().await;
}

#[tokio::test]
async fn starttls_comes_before_a_login_where_it_is_required() {
    let rig = rig(STARTTLS).await;
    let mut client = rig.client("imap").await;
    let greeting = client.until("* OK").await;
    assert!(greeting[0].contains("STARTTLS LOGINDISABLED"), "{greeting:?}");
    client.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a NO [PRIVACYREQUIRED]").await;
    client.ask("b STARTTLS", "b OK").await;
    let mut client = secure(client.into_inner()).await;
    let capabilities = client.ask("c CAPABILITY", "c OK").await;
    assert!(!capabilities[0].contains("STARTTLS"), "{capabilities:?}");
    client.ask(&format!("d LOGIN {USER} \"{PASSWORD}\""), "d OK").await;
    client.ask("e LOGOUT", "e OK").await;

    let mut client = rig.client("smtp").await;
    client.until("220 ").await;
    let extensions = client.ask("EHLO scanner", "250 ").await;
    assert!(!extensions.iter().any(|line| line.contains("AUTH")), "{extensions:?}");
    client.ask(AUTH_PLAIN, "530 5.7.0").await;
    client.ask("STARTTLS", "220 ").await;
    let mut client = secure(client.into_inner()).await;
    client.ask(AUTH_PLAIN, "503 5.5.1").await;
    client.ask("EHLO scanner", "250 ").await;
    client.ask(AUTH_PLAIN, "235 ").await;
    client.ask("QUIT", "221 ").await;
    assert_eq!(client.rest().await, b"");
    rig.stop().await;
}

#[tokio::test]
async fn bytes_in_clear_behind_starttls_end_the_connection() {
    let rig = rig(STARTTLS).await;
    for (protocol, greeting, words, bye) in [
        ("imap", "* OK", format!("a STARTTLS\r\nb LOGIN {USER} \"{PASSWORD}\"\r\n"), "* BYE "),
        ("smtp", "220 ", format!("EHLO x\r\nSTARTTLS\r\nEHLO y\r\n{AUTH_PLAIN}\r\n"), "421 4.7.0 "),
    ] {
        let mut client = rig.client(protocol).await;
        client.until(greeting).await;
        client.send(words.as_bytes()).await;
        client.until(bye).await;
        assert_eq!(client.rest().await, b"", "{protocol}");
    }
    rig.journal.tells("bytes in clear behind STARTTLS, which only an attacker");
    assert_eq!(rig.standin.counters().token_requests.count(), 0);
    assert_eq!(rig.standin.counters().connections.count(), 0);
    rig.stop().await;
}

#[tokio::test]
async fn an_upstream_that_injects_behind_starttls_gets_no_token() {
    let rig = Rig::start().await;
    rig.standin.knobs().smtp_inject_after_starttls =
        Some(b"250-injected\r\n250 AUTH XOAUTH2\r\n".to_vec());
    let (_client, answer) = rig.smtp().await;
    assert!(answer[0].starts_with("454 4.7.0 "), "{answer:?}");
    rig.journal.tells("may be injecting commands");
    let said = rig.said_upstream();
    assert_eq!(said, ["EHLO gatepost.contoso.example", "STARTTLS"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_client_in_clear_on_a_tls_port_hears_nothing_of_use() {
    let rig = rig(IMPLICIT).await;
    let mut client = rig.client("imap").await;
    client.say("a NOOP").await;
    let said = client.rest().await;
    assert!(!String::from_utf8_lossy(&said).contains("OK"), "{said:?}");
    rig.journal.tells("TLS with the client failed");
    assert_eq!(rig.standin.counters().connections.count(), 0);
    rig.stop().await;
}

#[tokio::test]
async fn the_end_of_a_clients_tls_leaves_the_other_direction_open() {
    let rig = rig(IMPLICIT).await;
    rig.standin.store().deliver(super::rig::ADDRESS, "INBOX", &b"Subject: late\r\n\r\nx\r\n"[..]);
    let mut client = implicit(&rig, "imap").await;
    client.until("* OK").await;
    client.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a OK").await;
    client.send(b"b SELECT INBOX\r\nc NOOP\r\n").await;
    // close_notify, then nothing more of ours; the answers still come.
    client.finish().await;
    let rest = String::from_utf8(client.rest().await).unwrap();
    assert!(rest.contains("* 1 EXISTS") && rest.contains("c OK"), "{rest}");
    rig.stop().await;
}
