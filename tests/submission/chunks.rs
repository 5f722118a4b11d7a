//! BDAT, whose octets are no commands to anybody, whoever refuses them.

use gatepost_standin::Standin;

use super::client::Client;
use super::rig::{ADDRESS, Difference, Rig};
use super::transactions::rig;

async fn begin(client: &mut Client) {
    client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
    client.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
}

/// A service that announces nothing but what a login takes, and `extensions`.
async fn announcing(extensions: &[&str]) -> Rig {
    let standin = Standin::start().await.unwrap();
    let all = ["STARTTLS", "AUTH XOAUTH2"].iter().chain(extensions);
    standin.knobs().smtp_extensions = Some(all.map(|line| (*line).to_owned()).collect());
    Rig::with(standin, &Difference::submission("")).await
}

#[tokio::test]
async fn a_chunk_larger_than_can_be_reckoned_with_ends_the_talk() {
    let rig = rig("").await;
    for size in [(1_u64 << 40) + 1, u64::MAX - 60, u64::MAX] {
        let (mut client, _) = rig.smtp().await;
        begin(&mut client).await;
        client
            .send(format!("BDAT {size} LAST\r\nX: y\r\n\r\nMAIL FROM:<ceo@x>\r\n").as_bytes())
            .await;
        client.until("552 5.3.4").await;
        assert!(client.rest().await.is_empty(), "{size}");
    }
    assert!(!rig.said_upstream().iter().any(|line| line.contains("BDAT") || line.contains("ceo")));
    rig.stop().await;
}

#[tokio::test]
async fn a_service_without_chunking_gets_no_chunks() {
    let rig = announcing(&["8BITMIME"]).await;
    let (mut client, _) = rig.smtp().await;
    let smuggled = "RSET\r\nMAIL FROM:<ceo@contoso.example>\r\n";
    begin(&mut client).await;
    client.send(format!("BDAT {} LAST\r\n{smuggled}", smuggled.len()).as_bytes()).await;
    assert!(client.reply().await[0].starts_with("502 5.5.1"));
    // The message is off, and the talk goes on.
    begin(&mut client).await;
    client.ask("DATA", "354 ").await;
    client.ask(&format!("From: {ADDRESS}\r\n\r\nx\r\n."), "250 ").await;
    let said = rig.said_upstream().join("\n");
    assert!(!said.contains("BDAT") && !said.contains("ceo"), "{said}");
    rig.stop().await;
}

#[tokio::test]
async fn a_service_without_binarymime_gets_no_binary_message() {
    let rig = announcing(&["8BITMIME", "CHUNKING"]).await;
    let (mut client, _) = rig.smtp().await;
    client.ask(&format!("MAIL FROM:<{ADDRESS}> BODY=BinaryMIME"), "555 5.6.1").await;
    client.ask(&format!("MAIL FROM:<{ADDRESS}> BODY=8BITMIME"), "250 ").await;
    rig.stop().await;
}

/// It may be out of step with its octets.
#[tokio::test]
async fn a_connection_on_which_a_chunk_was_refused_takes_no_other_message() {
    let rig = rig("").await;
    let (mut client, _) = rig.smtp().await;
    rig.standin.knobs().smtp_logon_failed = true;
    begin(&mut client).await;
    client.send(b"BDAT 8 LAST\r\nX: y\r\n\r\n").await;
    client.until("430 ").await;
    let before = rig.standin.counters().smtp_connections.count();
    begin(&mut client).await;
    assert_eq!(rig.standin.counters().smtp_connections.count(), before + 1);
    rig.stop().await;
}

#[tokio::test]
async fn what_may_be_a_chunk_is_never_read_as_commands() {
    let rig = rig("").await;
    for line in [format!("BDAT 6{}", " ".repeat(70_000)), "BDAT\t6".to_owned(), "bdat6".to_owned()]
    {
        let (mut client, _) = rig.smtp().await;
        begin(&mut client).await;
        client.send(format!("{line}\r\nNOOP\r\n").as_bytes()).await;
        assert!(client.reply().await[0].starts_with("50"));
        assert!(client.rest().await.is_empty());
    }
    rig.stop().await;
}
