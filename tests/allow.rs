//! Devices that know no password: who may send without one, as whom, and what they are kept from.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
// The rig serves more tests than these.
#![allow(dead_code)]

#[path = "relay/certificate.rs"]
mod certificate;
#[path = "relay/client.rs"]
mod client;
#[path = "relay/journal.rs"]
mod journal;
#[path = "relay/rig.rs"]
mod rig;

use gatepost::config::Config;
use gatepost_standin::{Service, Standin};
use rig::{ADDRESS, AUTH_PLAIN, Difference, Rig};

const ALLOW: &str = "[[allow]]\nprotocol = \"smtp\"\nnetworks = [\"127.0.0.0/8\", \"::1\"]\nmailbox = \"Scanner@contoso.example\"\n\
                     mail_from = [\"scanner@contoso.example\", \"*@devices.example\"]\n";

async fn greeted(rig: &Rig) -> (client::Client, Vec<String>) {
    let mut client = rig.client("smtp").await;
    client.until("220 ").await;
    let extensions = client.ask("EHLO fax", "250 ").await;
    (client, extensions)
}

#[tokio::test]
async fn an_allowed_device_sends_without_a_login() {
    let rig = Rig::tables(ALLOW).await;
    let (mut client, extensions) = greeted(&rig).await;
    assert!(!extensions.iter().any(|line| line.contains("AUTH")), "{extensions:?}");
    client.ask("RCPT TO:<erp@contoso.example>", "503 5.5.1 Send MAIL first").await;
    assert_eq!(rig.standin.counters().connections.count(), 0, "MAIL opens the upstream");
    client.ask("MAIL FROM:<SCANNER@contoso.example> SIZE=40", "250 ").await;
    client.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
    client.ask("DATA", "354 ").await;
    client.ask("Subject: fax\r\n\r\npage\r\n.", "250 ").await;
    client.ask("QUIT", "221 ").await;
    assert_eq!(client.rest().await, b"");
    assert_eq!(rig.standin.store().messages("erp@contoso.example", "INBOX").len(), 1);
    rig.journal.tells("mailbox=\"scanner@contoso.example\"");
    rig.stop().await;
}

#[tokio::test]
async fn a_device_that_does_not_wait_for_answers_gets_them_in_order() {
    let rig = Rig::tables(ALLOW).await;
    let mut client = rig.client("smtp").await;
    client.until("220 ").await;
    client
        .say("HELO fax\r\nMAIL FROM:<boss@contoso.example>\r\nMAIL FROM: scanner@contoso.example\r\nRSET\r\nQUIT")
        .await;
    let said = String::from_utf8(client.rest().await).unwrap();
    let codes: Vec<&str> = said.lines().map(|line| &line[..3]).collect();
    // The bare path is the service's to judge.
    assert_eq!((&codes[..2], codes.len(), codes[4]), (&["250", "550"][..], 5, "221"), "{said}");
    rig.stop().await;
}

#[tokio::test]
async fn a_sender_that_is_not_permitted_reaches_nobody() {
    let rig = Rig::tables(&format!("{ALLOW}[limits]\nfailed_logins = 9\n")).await;
    let (mut client, _) = greeted(&rig).await;
    for sender in ["<boss@contoso.example>", "<>", "<x@sub.devices.example>"] {
        client.ask(&format!("MAIL FROM:{sender}"), "550 5.7.1 Sender not allowed here").await;
    }
    client.ask("MAIL FROM:<a\u{1}@devices.example>", "501 5.5.4").await;
    client.ask("NOOP", "250 ").await;
    assert_eq!(rig.standin.counters().connections.count(), 0);
    rig.journal.tells("127.0.0.1 may not send from \\\"boss@contoso.example\\\"");
    client.ask("MAIL FROM:<Any@Devices.example>", "250 ").await;
    assert!(!rig.journal.text().contains('\u{1}'));
    rig.stop().await;
}

#[tokio::test]
async fn leave_to_send_is_no_leave_for_anything_else() {
    let rig = Rig::tables(ALLOW).await;
    let (mut client, _) = greeted(&rig).await;
    client.ask(AUTH_PLAIN, "502 5.5.1").await;
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    client.ask("a SELECT INBOX", "a BAD").await;
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    rig.stop().await;
}

#[tokio::test]
async fn a_device_elsewhere_has_to_log_in() {
    let rig = Rig::tables(&ALLOW.replace("\"127.0.0.0/8\", \"::1\"", "\"10.9.9.9\"")).await;
    let (mut client, extensions) = greeted(&rig).await;
    assert!(extensions.iter().any(|line| line.contains("AUTH PLAIN")), "{extensions:?}");
    client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "530 5.7.0 ").await;
    assert_eq!(rig.standin.counters().connections.count(), 0);
    rig.stop().await;
}

#[tokio::test]
async fn a_service_that_is_down_leaves_the_message_with_the_device() {
    let rig = Rig::tables(ALLOW).await;
    rig.standin.stop(Service::Smtp).await;
    let (mut client, _) = greeted(&rig).await;
    client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "451 4.7.0 ").await;
    client.ask("QUIT", "221 ").await;
    rig.stop().await;
}

#[tokio::test]
async fn tls_comes_first_where_the_listener_demands_it() {
    let listener = certificate::STARTTLS;
    let difference = Difference { listener, tables: ALLOW, ..Difference::default() };
    let rig = Rig::with(Standin::start().await.unwrap(), &difference).await;
    let (mut client, _) = greeted(&rig).await;
    client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "530 5.7.0 Must issue a STARTTLS").await;
    assert_eq!(rig.standin.counters().connections.count(), 0);
    rig.stop().await;
}

#[test]
fn what_would_open_the_door_too_far_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let base = "[[listener]]\nprotocol = \"smtp\"\naddress = \"127.0.0.1:0\"\n\
                [provider.contoso]\npreset = \"microsoft\"\ntenant = \"t\"\nclient_id = \"x\"\ngrant = \"client_credentials\"\nclient_secret = \"y\"\n\
                [[mailbox]]\naddress = \"scanner@contoso.example\"\nprovider = \"contoso\"\npasswords = \"devices\"\n";
    let refusal = |from: &str, to: &str| {
        assert!(ALLOW.contains(from), "{from}");
        std::fs::write(&path, format!("{base}{}", ALLOW.replace(from, to))).unwrap();
        Config::load(&path).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(refusal("smtp", "smtp"), "");
    for (from, to, said) in [
        ("127.0.0.0/8", "0.0.0.0/0", "0.0.0.0/0 is a public network"),
        ("127.0.0.0/8", "203.0.113.7", "203.0.113.7 is a public network"),
        ("::1", "2001:db8::/32", "2001:db8::/32 is a public network"),
        ("127.0.0.0/8", "10.0.0.1/8", "the network would be 10.0.0.0/8"),
        ("\"smtp\"", "\"imap\"", "unknown protocol \"imap\""),
        ("Scanner@", "fax@", "there is no mailbox \"fax@contoso.example\""),
        ("*@devices.example", "*", "\"*\" is no sender"),
        ("mail_from", "from", "\"mail_from\" is missing"),
        ("networks", "network", "\"networks\" is missing"),
    ] {
        let refused = refusal(from, to);
        assert!(refused.contains(said), "{to}: {refused}");
    }
}
