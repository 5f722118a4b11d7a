//! Who may send, as whom.

use super::rig::{ADDRESS, Rig};
use super::transactions::{arrived, rig};

async fn send(rig: &Rig, sender: &str, message: &str) -> Vec<String> {
    let (mut client, _) = rig.smtp().await;
    client.say(&format!("MAIL FROM:<{sender}>")).await;
    let reply = client.reply().await;
    if !reply[0].starts_with("250") {
        return reply;
    }
    client.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
    client.ask("DATA", "354 ").await;
    client.say(&format!("{message}\r\n.")).await;
    client.reply().await
}

#[tokio::test]
async fn a_sender_that_is_not_permitted_is_refused_before_the_message() {
    let rig = rig("sender = \"require\"").await;
    let reply = send(&rig, "root@mfp.local", "Subject: x").await;
    assert_eq!(
        reply,
        [
            "550 5.7.1 Sender root@mfp.local not allowed. Set the device's sender to scanner@contoso.example"
        ]
    );
    rig.journal.tells("mail_from=\"root@mfp.local\"");
    assert!(!rig.said_upstream().iter().any(|line| line.starts_with("MAIL")));
    assert!(send(&rig, ADDRESS, "From: x\r\n").await[0].starts_with("250"));
    rig.stop().await;
}

#[tokio::test]
async fn a_rewritten_message_is_the_same_but_for_its_author() {
    let rig = rig("sender = \"rewrite\"\nrepairs = []").await;
    let body = "\r\n..dots\r\n\tFrom: root@mfp.local\r\n";
    let message =
        format!("Subject: a\r\n\tfolded\r\nFrom: MFP 3 <root@mfp.local>\r\nX: y\r\n{body}");
    let reply = send(&rig, "root@mfp.local", &message).await;
    assert!(reply[0].starts_with("250"), "{reply:?}");
    let raw = arrived(&rig);
    let expected = "Subject: a\r\n\tfolded\r\nFrom: MFP 3 <scanner@contoso.example>\r\nReply-To: MFP 3 <root@mfp.local>\r\nX: y\r\n\r\n.dots\r\n\tFrom: root@mfp.local\r\n\r\n";
    assert!(raw.ends_with(expected), "{raw}");
    assert!(rig.said_upstream().contains(&format!("MAIL FROM:<{ADDRESS}>")));
    rig.journal.tells("changed=\"from reply_to\"");
    rig.stop().await;
}

#[tokio::test]
async fn a_signed_message_is_left_alone_and_that_is_said() {
    let rig = rig("sender = \"rewrite\"").await;
    let message = format!("From: {ADDRESS}\r\nDKIM-Signature: v=1\r\n\r\nx\r\n");
    assert!(send(&rig, ADDRESS, &message).await[0].starts_with("250"));
    assert!(arrived(&rig).ends_with(&format!("{message}\r\n")));
    rig.journal.tells("left_alone_signed");
    rig.stop().await;
}

#[tokio::test]
async fn the_identity_follows_the_sender() {
    let rig = rig(
        "smtp_identity = \"follow\"\npermitted_senders = \"*@contoso.example\"\nsender = \"require\"",
    )
    .await;
    let reply = send(&rig, "erp@contoso.example", "From: erp@contoso.example\r\n\r\nx").await;
    assert!(reply[0].starts_with("250 2.0.0 OK"), "{reply:?}");
    // The copy lies where Exchange puts it: in the mailbox that sent.
    assert_eq!(rig.standin.store().messages("erp@contoso.example", "Sent Items").len(), 1);
    assert!(send(&rig, "ceo@fabrikam.example", "").await[0].starts_with("550 5.7.1"));
    rig.stop().await;
}
