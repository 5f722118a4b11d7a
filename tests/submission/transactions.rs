//! Whole transactions, as clients run them.

use gatepost_standin::{Side, Standin};

use super::rig::{ADDRESS, Difference, Rig};

const ERP: &str = "erp@contoso.example";

pub(super) async fn rig(mailbox: &str) -> Rig {
    Rig::with(Standin::start().await.unwrap(), &Difference::submission(mailbox)).await
}

/// The latest message that arrived.
pub(super) fn arrived(rig: &Rig) -> String {
    let messages = rig.standin.store().messages(ERP, "INBOX");
    String::from_utf8(messages.last().expect("a message").raw.to_vec()).unwrap()
}

#[tokio::test]
async fn two_messages_on_one_connection_use_one_upstream_connection() {
    let rig = rig("").await;
    let (mut client, answer) = rig.smtp().await;
    assert_eq!(answer, ["235 2.7.0 Authentication successful"]);
    let ehlo = client.ask("EHLO Büro-MFP 3", "250 ").await;
    for extension in ["PIPELINING", "DSN", "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8"] {
        assert!(ehlo.iter().any(|line| line.ends_with(extension)), "{extension}: {ehlo:?}");
    }
    assert!(!ehlo.iter().any(|line| line.contains("AUTH") || line.contains("STARTTLS")));
    for subject in ["one", "two"] {
        client.ask(&format!("MAIL FROM:<{ADDRESS}> SIZE=100"), "250 2.1.0").await;
        client.ask(&format!("RCPT TO:<{ERP}> NOTIFY=FAILURE"), "250 2.1.5").await;
        client.ask("RCPT TO:<nobody@contoso.example>", "550 5.1.10").await;
        client.ask("DATA", "354 ").await;
        let message = format!("From: {ADDRESS}\r\nSubject: {subject}\r\n\r\n..dot\r\n.");
        client.ask(&message, "250 2.0.0 OK <").await;
        assert!(arrived(&rig).ends_with(&format!("Subject: {subject}\r\n\r\n.dot\r\n")));
    }
    for (command, reply) in [
        ("AUTH PLAIN AGEAYg==", "503 5.5.1"),
        ("STARTTLS", "503 5.5.1"),
        ("VRFY x", "252 "),
        ("RCPT TO:<x@y.example>", "503 5.5.1"),
        ("XEXCH50 1 2", "500 5.5.2"),
        ("QUIT", "221 "),
    ] {
        client.ask(command, reply).await;
    }
    assert_eq!(rig.standin.counters().smtp_connections.count(), 1);
    let said = rig.said_upstream().join("\n");
    assert!(!said.contains("AGEAYg") && !said.contains("MFP"), "{said}");
    rig.stop().await;
}

#[tokio::test]
async fn everything_may_be_pipelined() {
    let rig = rig("").await;
    let (mut client, _) = rig.smtp().await;
    let block = format!(
        "EHLO x\r\nMAIL FROM:<{ADDRESS}>\r\nRCPT TO:<{ERP}>\r\nDATA\r\nFrom: {ADDRESS}\r\n\r\none\r\n.\r\n\
         MAIL FROM:<{ADDRESS}>\r\nRCPT TO:<{ERP}>\r\nBDAT 5\r\nFrom:BDAT 30 LAST\r\n {ADDRESS}\r\n\r\nabQUIT\r\n"
    );
    client.send(block.as_bytes()).await;
    let rest = String::from_utf8(client.rest().await).unwrap();
    let codes: Vec<&str> =
        rest.lines().filter(|line| !line.starts_with("250-")).map(|line| &line[..3]).collect();
    assert_eq!(
        codes,
        ["250", "250", "250", "354", "250", "250", "250", "250", "250", "221"],
        "{rest}"
    );
    assert!(arrived(&rig).ends_with(&format!("From: {ADDRESS}\r\n\r\nab")), "{}", arrived(&rig));
    assert_eq!(rig.standin.counters().messages_accepted.count(), 2);
    rig.stop().await;
}

#[tokio::test]
async fn chunks_that_belong_to_no_message_are_no_commands() {
    let rig = rig("").await;
    let (mut client, _) = rig.smtp().await;
    client.send(b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n").await;
    client.until("503 5.5.1").await;
    client.until("250 2.0.0 OK").await;
    client.ask("BDAT x", "501 ").await;
    assert!(client.rest().await.is_empty(), "what follows can't be told from commands");
    rig.stop().await;
}

#[tokio::test]
async fn a_line_for_each_message() {
    let rig = rig("log_recipients = \"addresses\"").await;
    let (mut client, _) = rig.smtp().await;
    client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
    client.ask(&format!("RCPT TO:<{ERP}>"), "250 ").await;
    client.ask("DATA", "354 ").await;
    let reply = client.ask(&format!("From: {ADDRESS}\r\n\r\nx\r\n."), "250 ").await;
    let id = reply[0].split(['<', '>']).nth(1).unwrap();
    let line = rig.journal.lines().into_iter().find(|line| line.contains("message sent")).unwrap();
    for piece in [
        "user=\"scanner\"",
        "mailbox=\"scanner@contoso.example\"",
        "mail_from=\"scanner@contoso.example\"",
        "recipients=\"erp@contoso.example\"",
        "octets=",
        "milliseconds=",
        "reply=\"250 2.0.0 OK",
        &format!("queue_id=\"{id}\""),
        "changed=\"date message_id\"",
    ] {
        assert!(line.contains(piece), "{piece} isn't in {line}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_failed_logon_is_told_as_what_it_is() {
    for (mailbox, reply) in [("", "430 4.2.0"), ("logon_failure = \"permanent\"", "550 5.7.1")] {
        let rig = rig(mailbox).await;
        rig.standin.knobs().smtp_logon_failed = true;
        let (mut client, _) = rig.smtp().await;
        client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
        client.ask(&format!("RCPT TO:<{ERP}>"), "250 ").await;
        client.ask("DATA", "354 ").await;
        client.ask("Subject: x\r\n\r\nx\r\n.", reply).await;
        rig.journal.tells("Looks temporary, but isn't");
        rig.journal.tells("message refused");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_busy_service_is_tried_again_before_the_client_hears_of_it() {
    let rig = rig("").await;
    let (mut client, _) = rig.smtp().await;
    // Another program has taken the mailbox's places.
    rig.standin.knobs().smtp_thread_limit = 0;
    client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
    client.ask(&format!("RCPT TO:<{ERP}>"), "250 ").await;
    client.ask("DATA", "354 ").await;
    client.say(&format!("From: {ADDRESS}\r\n\r\nx\r\n.")).await;
    let mut said = rig.standin.subscribe_dialogue();
    loop {
        let line = said.recv().await.unwrap();
        if line.side == Side::Server && line.text.starts_with("432 4.3.2") {
            break;
        }
    }
    rig.standin.knobs().smtp_thread_limit = 3;
    client.until("250 2.0.0 OK").await;
    assert_eq!(rig.standin.counters().messages_accepted.count(), 1);
    rig.stop().await;
}

/// Others may change what follows them in a way that nobody here expects.
#[tokio::test]
async fn extensions_that_are_not_followed_are_not_announced() {
    for mailbox in ["smtp_mode = \"submission\"", ""] {
        let standin = Standin::start().await.unwrap();
        let extensions = [
            "STARTTLS",
            "AUTH XOAUTH2",
            "SIZE 1000",
            "dsn",
            "BURL imap",
            "ETRN",
            "XCLIENT NAME ADDR",
            "XFORWARD NAME",
            "X-EXPS GSSAPI",
            "AUTH=XOAUTH2",
            "REQUIRETLS",
            "CHUNKINGS",
            "CHUNKING",
        ];
        standin.knobs().smtp_extensions = Some(extensions.map(str::to_owned).to_vec());
        let difference = Difference { mailbox: mailbox.to_owned(), ..Difference::default() };
        let rig = Rig::with(standin, &difference).await;
        let (mut client, _) = rig.smtp().await;
        let passed =
            |ehlo: Vec<String>| ehlo[1..].iter().map(|line| line[4..].to_owned()).collect();
        let after: Vec<String> = passed(client.ask("EHLO x", "250 ").await);
        assert_eq!(after, ["SIZE 1000", "dsn", "CHUNKING"], "{mailbox}");
        // The next client hears it before its login.
        let mut client = rig.client("smtp").await;
        client.until("220 ").await;
        let before: Vec<String> = passed(client.ask("EHLO x", "250 ").await);
        assert_eq!(before, ["SIZE 1000", "dsn", "CHUNKING", "AUTH PLAIN LOGIN"], "{mailbox}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_listener_says_how_messages_are_served_unless_the_mailbox_does() {
    for (listener, mailbox, followed) in [
        ("", "", false),
        ("smtp_mode = \"submission\"", "sender = \"require\"", true),
        ("smtp_mode = \"submission\"", "smtp_mode = \"splice\"", false),
        ("smtp_mode = \"splice\"", "smtp_mode = \"submission\"", true),
    ] {
        let difference = Difference {
            smtp_listener: listener,
            mailbox: mailbox.to_owned(),
            ..Difference::default()
        };
        let rig = Rig::with(Standin::start().await.unwrap(), &difference).await;
        let (mut client, _) = rig.smtp().await;
        client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
        client.ask(&format!("RCPT TO:<{ERP}>"), "250 ").await;
        client.ask("DATA", "354 ").await;
        client.ask(&format!("From: {ADDRESS}\r\n\r\nx\r\n."), "250 ").await;
        assert_eq!(arrived(&rig).contains("Message-ID: "), followed, "{listener} {mailbox}");
        rig.stop().await;
    }
}
