//! Logins that lead somewhere, and those that don't.

use super::rig::{PASSWORD, Rig, USER};

#[tokio::test]
async fn a_password_opens_an_imap_mailbox() {
    let rig = Rig::start().await;
    rig.standin.store().deliver(
        "scanner@contoso.example",
        "INBOX",
        &b"Subject: hello\r\n\r\nbody\r\n"[..],
    );
    let mut client = rig.client("imap").await;
    client.until("* OK [CAPABILITY IMAP4rev1").await;
    client.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a OK").await;
    let selected = client.ask("b SELECT INBOX", "b OK").await;
    assert!(selected.iter().any(|line| line == "* 1 EXISTS"), "{selected:?}");
    client.ask("c LOGOUT", "c OK").await;
    assert_eq!(client.rest().await, b"");
    assert_eq!(rig.standin.counters().token_requests.count(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_password_sends_a_message() {
    let rig = Rig::start().await;
    let mut client = rig.client("smtp").await;
    client.until("220 ").await;
    client.ask("EHLO scanner", "250 ").await;
    client.ask("AUTH PLAIN AHNjYW5uZXIAY29ycmVjdCBob3JzZQ==", "235 ").await;
    client.ask("MAIL FROM:<scanner@contoso.example>", "250 ").await;
    client.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
    client.ask("DATA", "354 ").await;
    client.ask("Subject: scan\r\n\r\npage\r\n.", "250 ").await;
    client.ask("QUIT", "221 ").await;
    assert_eq!(client.rest().await, b"");
    let delivered = rig.standin.store().messages("erp@contoso.example", "INBOX");
    assert_eq!(delivered.len(), 1);
    rig.stop().await;
}
