//! Another configuration while gatepost runs.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::certificate::{IMPLICIT, secure, secure_by};
use super::client::Client;
use super::opening::listening;
use super::rig::{Difference, PASSWORD, Rig, mailbox};

#[tokio::test]
async fn new_logins_go_by_the_new_configuration_and_sessions_survive() {
    let rig = Rig::start().await;
    let (mut session, _) = rig.imap().await;
    let mut stranger = rig.client("imap").await;
    stranger.until("* OK").await;
    let tables = mailbox("alice@contoso.example", "alice", "");
    rig.reload(&Difference { tables: &tables, ..Difference::default() }).await.unwrap();
    session.ask("b NOOP", "b OK").await;
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    client.ask(&format!("a LOGIN alice \"{PASSWORD}\""), "a OK").await;
    // Who was there before is judged by what held then.
    stranger.ask(&format!("a LOGIN alice \"{PASSWORD}\""), "a NO [AUTHENTICATIONFAILED]").await;
    // The token that the first login got serves the others.
    assert_eq!(rig.standin.counters().token_requests.count(), 1);
    rig.reload(&Difference::default()).await.unwrap();
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    client.ask(&format!("a LOGIN alice \"{PASSWORD}\""), "a NO [AUTHENTICATIONFAILED]").await;
    session.ask("c NOOP", "c OK").await;
    rig.stop().await;
}

#[tokio::test]
async fn a_listener_changes_its_ways_on_the_same_port() {
    let rig = Rig::start().await;
    let mut clear = rig.client("imap").await;
    clear.until("* OK").await;
    rig.reload(&Difference { listener: IMPLICIT, ..Difference::default() }).await.unwrap();
    let mut private = secure(TcpStream::connect(rig.address("imap")).await.unwrap()).await;
    private.until("* OK").await;
    clear.ask("a NOOP", "a OK").await;
    rig.reload(&Difference { listener: "from = \"192.0.2.0/24\"", ..Difference::default() })
        .await
        .unwrap();
    assert_eq!(rig.client("imap").await.rest().await, b"");
    rig.stop().await;
}

#[tokio::test]
async fn listeners_come_and_go_and_limits_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("imap.sock");
    let more = format!(
        "[[listener]]\nprotocol = \"imap\"\naddress = \"unix:{}\"\n[limits]\nconnections = 2\n",
        path.display()
    );
    let rig = listening("", "").await;
    let (mut session, _) = rig.imap().await;
    rig.reload(&Difference { tables: &more, ..Difference::default() }).await.unwrap();
    let mut client = Client::new(tokio::net::UnixStream::connect(&path).await.unwrap());
    client.until("* OK").await;
    assert_eq!(rig.client("imap").await.rest().await, b"* BYE Too many connections\r\n");
    rig.reload(&Difference::default()).await.unwrap();
    assert!(!path.exists());
    rig.client("imap").await.until("* OK").await;
    // Gone is the door, and not who came by it.
    client.ask("a NOOP", "a OK").await;
    session.ask("b NOOP", "b OK").await;
    rig.stop().await;
}

#[tokio::test]
async fn what_cant_be_opened_changes_nothing() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tables = format!(
        "[[listener]]\nprotocol = \"imap\"\naddress = \"{}\"\n{}",
        taken.local_addr().unwrap(),
        mailbox("alice@contoso.example", "alice", "")
    );
    let rig = Rig::start().await;
    let difference = Difference { listener: IMPLICIT, tables: &tables, ..Difference::default() };
    let why = rig.reload(&difference).await.unwrap_err().to_string();
    assert!(why.contains("can't listen on") && why.contains("another program"), "{why}");
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    client.ask(&format!("a LOGIN alice \"{PASSWORD}\""), "a NO [AUTHENTICATIONFAILED]").await;
    rig.stop().await;
}

#[tokio::test]
async fn a_certificate_that_was_renewed_is_shown_to_new_connections_soon() {
    let rig = listening(IMPLICIT, "").await;
    let mut before = secure(TcpStream::connect(rig.address("imap")).await.unwrap()).await;
    before.until("* OK").await;
    let new = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(rig.state().join("listener.pem"), new.cert.pem()).unwrap();
    std::fs::write(rig.state().join("listener.key"), new.signing_key.serialize_pem()).unwrap();
    let shown = async {
        loop {
            let stream = TcpStream::connect(rig.address("imap")).await.unwrap();
            if let Ok(client) = secure_by(new.cert.der(), stream).await {
                return client;
            }
        }
    };
    let mut after = timeout(Duration::from_secs(15), shown).await.unwrap();
    after.until("* OK").await;
    before.ask("a NOOP", "a OK").await;
    rig.stop().await;
}
