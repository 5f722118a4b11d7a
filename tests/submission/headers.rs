//! Repairs of what devices write.

use super::rig::ADDRESS;
use super::transactions::{arrived, rig};

#[tokio::test]
async fn line_feeds_alone_become_line_ends_and_no_second_message() {
    let rig = rig("").await;
    let (mut client, _) = rig.smtp().await;
    client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
    client.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
    client.ask("DATA", "354 ").await;
    client
        .send(
            format!("From: {ADDRESS}\n\nx\n.\nMAIL FROM:<ceo@contoso.example>\n\r\n.\r\n")
                .as_bytes(),
        )
        .await;
    client.until("250 ").await;
    let raw = arrived(&rig);
    assert!(raw.ends_with("\r\n\r\nx\r\n.\r\nMAIL FROM:<ceo@contoso.example>\r\n\r\n"), "{raw:?}");
    assert_eq!(rig.standin.counters().messages_accepted.count(), 1);
    rig.journal.tells("bare_lf");
    rig.stop().await;
}

#[tokio::test]
async fn a_missing_date_and_message_id_are_added() {
    let rig = rig("").await;
    let (mut client, _) = rig.smtp().await;
    for (chunks, there) in [
        (&["BDAT 8 LAST\r\nX: y\r\n\r\n"][..], 0),
        (&["BDAT 3\r\nX: ", "BDAT 5 LAST\r\ny\r\n\r\n"], 1),
    ] {
        client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
        client.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
        for chunk in chunks {
            client.send(chunk.as_bytes()).await;
            client.until("250 ").await;
        }
        let raw = arrived(&rig);
        let (date, id) = (raw.find("Date: ").unwrap(), raw.find("Message-ID: <").unwrap());
        assert!(
            date < id && raw.ends_with("@gatepost.contoso.example>\r\nX: y\r\n\r\n"),
            "{there} {raw}"
        );
    }
    rig.stop().await;
}
