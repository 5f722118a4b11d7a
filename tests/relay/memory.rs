//! What gatepost remembers of earlier logins.

use super::rig::Rig;

fn count(rig: &Rig, words: &str) -> usize {
    rig.said_upstream().iter().filter(|line| line.contains(words)).count()
}

/// The first login asks for capabilities and tries the mailbox; the next ones know.
#[tokio::test]
async fn only_the_first_login_asks_and_probes() {
    let rig = Rig::start().await;
    for _ in 0..3 {
        assert!(rig.imap().await.1[0].starts_with("a OK [CAPABILITY IMAP4 IMAP4rev1 "));
    }
    assert_eq!(count(&rig, "LIST \"\" \"\""), 1);
    assert_eq!(count(&rig, "CAPABILITY"), 2, "once before and once behind the login");
    assert_eq!(count(&rig, "AUTHENTICATE XOAUTH2"), 3);
    rig.stop().await;
}

#[tokio::test]
async fn a_failure_makes_the_next_login_probe_again() {
    let rig = Rig::start().await;
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    rig.standin.knobs().imap_throttled = Some(1000);
    assert!(rig.imap().await.1[0].starts_with("a NO [UNAVAILABLE]"));
    rig.standin.knobs().imap_throttled = None;
    let greeting = rig.client("imap").await.line().await;
    assert!(greeting.contains(" UIDPLUS "), "the service is what it was: {greeting}");
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    assert_eq!(count(&rig, "LIST \"\" \"\""), 2);
    rig.stop().await;
}

/// Conservative before an upstream was seen; then what that upstream honours, without what is between
/// gatepost and it.
#[tokio::test]
async fn imap_capabilities_become_the_upstreams() {
    let rig = Rig::start().await;
    let greeting = rig.client("imap").await.line().await;
    assert!(greeting.starts_with("* OK [CAPABILITY IMAP4rev1"), "{greeting}");
    for unknown in ["MOVE", "UIDPLUS", "XOAUTH2"] {
        assert!(!greeting.contains(unknown), "{greeting}");
    }
    let (_client, answer) = rig.imap().await;
    let mut client = rig.client("imap").await;
    let greeting = client.line().await;
    assert!(greeting.starts_with("* OK [CAPABILITY IMAP4 IMAP4rev1 "), "{greeting}");
    for said in [&greeting, &answer[0], &client.ask("x CAPABILITY", "x OK").await[0]] {
        assert!(said.contains(" UIDPLUS MOVE ID ") && !said.contains("XOAUTH2"), "{said}");
        assert!(!said.contains("LOGINDISABLED") && !said.contains("STARTTLS"), "{said}");
    }
    assert!(greeting.contains("AUTH=PLAIN") && greeting.contains("SASL-IR"), "{greeting}");
    assert!(!answer[0].contains("AUTH="), "nothing to log in with any more: {}", answer[0]);
    rig.stop().await;
}

#[tokio::test]
async fn smtp_extensions_become_the_upstreams() {
    let rig = Rig::start().await;
    let mut client = rig.client("smtp").await;
    client.until("220 ").await;
    let before = client.ask("EHLO x", "250 ").await;
    assert!(
        !before.iter().any(|line| line.contains("CHUNKING") || line.contains("157286400")),
        "{before:?}"
    );
    let (_client, answer) = rig.smtp().await;
    assert!(answer[0].starts_with("235 "), "{answer:?}");
    let mut client = rig.client("smtp").await;
    client.until("220 ").await;
    let after = client.ask("EHLO x", "250 ").await;
    for known in ["SIZE 157286400", "PIPELINING", "DSN", "8BITMIME", "SMTPUTF8"] {
        assert!(after.iter().any(|line| line.ends_with(known)), "{known}: {after:?}");
    }
    let auth: Vec<_> = after.iter().filter(|line| line.contains("AUTH")).collect();
    assert!(
        auth.len() == 1 && auth[0].contains("PLAIN") && !auth[0].contains("XOAUTH2"),
        "{after:?}"
    );
    assert!(!after.iter().any(|line| line.contains("STARTTLS")), "{after:?}");
    rig.stop().await;
}

/// A host that changed its mind is asked again within the login that finds out.
#[tokio::test]
async fn what_is_no_longer_true_is_learnt_anew() {
    let rig = Rig::start().await;
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    rig.standin.knobs().imap_capability_without_sasl_ir = true;
    let (mut client, answer) = rig.imap().await;
    assert!(answer[0].starts_with("a OK"), "{answer:?}");
    assert_eq!(rig.standin.counters().token_requests.count(), 1, "the token was good");
    client.ask("c SELECT INBOX", "c OK").await;
    rig.stop().await;
}
