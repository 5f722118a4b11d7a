//! Slow and silent peers, too many of them, and the end of gatepost itself.

use std::time::Duration;

use super::certificate::{IMPLICIT, STARTTLS};
use super::rig::{AUTH_PLAIN, Difference, PASSWORD, Rig, USER};
use gatepost_standin::Standin;
use tokio::time::timeout;

/// Far beyond every limit that these tests set, and far below the defaults.
const SOON: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_client_that_says_nothing_is_told_why_it_is_cut() {
    let rig = Rig::tables("[timeouts]\nlogin_idle = \"1s\"\n").await;
    for (protocol, greeting, bye) in [
        ("imap", "* OK", &b"* BYE Timed out\r\n"[..]),
        ("smtp", "220 ", b"421 4.4.2 Timed out\r\n"),
    ] {
        let mut client = rig.client(protocol).await;
        client.until(greeting).await;
        assert_eq!(timeout(SOON, client.rest()).await.unwrap(), bye);
    }
    rig.journal.tells("the client is slow, or the service behind its login");
    rig.stop().await;
}

/// Each octet comes in time; the login doesn't.
#[tokio::test]
async fn a_client_that_trickles_is_cut_all_the_same() {
    let rig = Rig::tables("[timeouts]\nlogin_idle = \"1s\"\nlogin_total = \"2s\"\n").await;
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    let start = tokio::time::Instant::now();
    let mut trickle = tokio::time::interval(Duration::from_millis(200));
    let bye = loop {
        tokio::select! {
            line = client.line() => break line,
            _ = trickle.tick() => {}
        }
        client.send(b"x").await;
    };
    assert_eq!(bye, "* BYE Timed out");
    assert!((Duration::from_secs(2)..SOON).contains(&start.elapsed()), "{:?}", start.elapsed());
    rig.stop().await;
}

/// The client isn't told that its password is wrong, nor the operator that only the client can be slow.
#[tokio::test]
async fn a_login_that_a_service_keeps_waiting_ends() {
    let rig = Rig::tables("[timeouts]\nlogin_total = \"1s\"\n").await;
    rig.standin.knobs().imap_silent = true;
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    client.say(&format!("a LOGIN {USER} \"{PASSWORD}\"")).await;
    let rest = timeout(SOON, client.rest()).await.unwrap();
    assert!(rest.starts_with(b"* BYE Timed out"), "{}", String::from_utf8_lossy(&rest));
    rig.journal.tells("or the service behind its login");
    rig.stop().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_doesnt_hold_its_place_for_ever() {
    let rig = Rig::tables("[timeouts]\nlogin_idle = \"1s\"\n[limits]\nconnections = 1\n").await;
    // Answers pile up until no buffer on the way takes another.
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    let commands = "a CAPABILITY\r\n".repeat(1 << 20);
    let flood = tokio::spawn(async move {
        client.send(commands.as_bytes()).await;
        client
    });
    let free = async {
        loop {
            let mut next = rig.client("imap").await;
            if next.line().await.starts_with("* OK") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, free).await.unwrap();
    flood.abort();
    rig.stop().await;
}

/// A handshake that never comes is a login that never comes.
#[tokio::test]
async fn a_client_that_keeps_its_tls_to_itself_is_cut() {
    let tables = "[timeouts]\nlogin_idle = \"1s\"\n";
    for listener in [IMPLICIT, STARTTLS] {
        let difference = Difference { listener, tables, ..Difference::default() };
        let rig = Rig::with(Standin::start().await.unwrap(), &difference).await;
        let mut client = rig.client("imap").await;
        if listener == STARTTLS {
            client.until("* OK").await;
            client.ask("a STARTTLS", "a OK").await;
        }
        let rest = timeout(SOON, client.rest()).await.unwrap();
        assert_eq!(rest, b"", "nothing in clear to who waits for TLS");
        rig.stop().await;
    }
}

/// Whoever sends without end and without a line's end costs no more than the line's limit.
#[tokio::test]
async fn a_line_without_an_end_is_one_bad_command() {
    let rig = Rig::start().await;
    for (protocol, greeting, bad, login, yes) in [
        ("imap", "* OK", "* BAD", format!("b LOGIN {USER} \"{PASSWORD}\""), "b OK"),
        ("smtp", "220 ", "500 5.5.2", format!("HELO x\r\n{AUTH_PLAIN}"), "235 "),
    ] {
        let mut client = rig.client(protocol).await;
        client.until(greeting).await;
        client.send(&vec![b'A'; 16 << 20]).await;
        let answer = client.ask("", bad).await;
        assert_eq!(answer.len(), 1, "{answer:?}");
        client.ask(&login, yes).await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_silent_session_ends() {
    let rig = Rig::tables("[timeouts]\nsession_idle = \"1s\"\n").await;
    let (client, _) = rig.imap().await;
    assert_eq!(timeout(SOON, client.rest()).await.unwrap(), b"");
    rig.journal.tells("ended: nothing moved for too long");
    rig.stop().await;
}

#[tokio::test]
async fn a_half_closed_session_ends() {
    let rig = Rig::tables("[timeouts]\nhalf_closed = \"1s\"\n").await;
    let (mut client, _) = rig.imap().await;
    client.ask("b SELECT INBOX", "b OK").await;
    client.ask("c IDLE", "+").await;
    // The stand-in goes on idling for a client that has said all it had.
    client.finish().await;
    timeout(SOON, client.rest()).await.unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn one_too_many_is_told_so() {
    let rig = Rig::tables("[limits]\nconnections = 2\n").await;
    let (_first, _) = rig.imap().await;
    let (_second, _) = rig.smtp().await;
    let imap = rig.client("imap").await.rest().await;
    assert_eq!(imap, b"* BYE Too many connections\r\n");
    let smtp = rig.client("smtp").await.rest().await;
    assert_eq!(smtp, b"421 4.3.2 Too many connections\r\n");
    rig.journal.tells("`connections` under [limits] is reached");
    rig.stop().await;
}

/// Words in clear would only puzzle who waits for TLS.
#[tokio::test]
async fn one_too_many_on_a_tls_port_is_closed() {
    let tables = "[limits]\nconnections = 1\n";
    let difference = Difference { listener: IMPLICIT, tables, ..Difference::default() };
    let rig = Rig::with(Standin::start().await.unwrap(), &difference).await;
    let first = rig.client("imap").await;
    let rest = rig.client("smtp").await.rest().await;
    assert_eq!(rest, b"");
    rig.journal.tells("`connections` under [limits] is reached");
    drop(first);
    rig.stop().await;
}

#[tokio::test]
async fn a_stop_turns_away_who_has_not_logged_in_and_cuts_who_idles() {
    let rig = Rig::start().await;
    let mut stranger = rig.client("imap").await;
    stranger.until("* OK").await;
    let mut submitter = rig.client("smtp").await;
    submitter.until("220 ").await;
    let (mut idler, _) = rig.imap().await;
    rig.begin_stop();
    assert_eq!(timeout(SOON, stranger.rest()).await.unwrap(), b"* BYE Service is stopping\r\n");
    assert_eq!(
        timeout(SOON, submitter.rest()).await.unwrap(),
        b"421 4.3.2 Service is stopping\r\n"
    );
    // Who is in may go on for the time of `drain`.
    idler.ask("b NOOP", "b OK").await;
    assert!(tokio::net::TcpStream::connect(rig.address("imap")).await.is_err());
    let cut = timeout(SOON, idler.line()).await;
    assert_eq!(cut.unwrap(), "");
    rig.journal.tells("cutting the connections that are still open");
    rig.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_who_finishes() {
    let rig = Rig::tables("[timeouts]\ndrain = \"1h\"\n").await;
    let (mut client, _) = rig.smtp().await;
    client.ask("MAIL FROM:<scanner@contoso.example>", "250 ").await;
    rig.begin_stop();
    client.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
    client.ask("DATA", "354 ").await;
    client.ask("Subject: x\r\n\r\nx\r\n.", "250 ").await;
    client.ask("QUIT", "221 ").await;
    assert_eq!(client.rest().await, b"");
    timeout(SOON, rig.stop()).await.unwrap();
}

/// The answer to a login that is being judged as the stop comes is the stop's.
#[tokio::test]
async fn a_stop_during_a_login_is_no_reason_to_ask_for_a_password() {
    let rig = Rig::start().await;
    rig.standin.knobs().imap_silent = true;
    rig.standin.knobs().smtp_silent = true;
    let mut imap = rig.client("imap").await;
    imap.until("* OK").await;
    imap.say(&format!("a LOGIN {USER} \"{PASSWORD}\"")).await;
    let mut smtp = rig.client("smtp").await;
    smtp.until("220 ").await;
    smtp.ask("EHLO x", "250 ").await;
    smtp.say(AUTH_PLAIN).await;
    rig.begin_stop();
    assert!(timeout(SOON, imap.rest()).await.unwrap().starts_with(b"* BYE Service is stopping"));
    assert!(
        timeout(SOON, smtp.rest()).await.unwrap().starts_with(b"421 4.3.2 Service is stopping")
    );
    rig.stop().await;
}

/// A listener has waits of its own, and the others keep the usual ones.
#[tokio::test]
async fn a_listeners_own_waits_come_before_the_usual_ones() {
    let tables = "[timeouts]\nlogin_idle = \"1s\"\nsession_idle = \"1s\"\n";
    let listener = "login_idle = \"1h\"\nsession_idle = \"1h\"";
    let difference = Difference { listener, tables, ..Difference::default() };
    let patient = Rig::with(Standin::start().await.unwrap(), &difference).await;
    let (tables, listener) = ("", "login_idle = \"1s\"\nsession_idle = \"1s\"");
    let difference = Difference { listener, tables, ..Difference::default() };
    let hasty = Rig::with(Standin::start().await.unwrap(), &difference).await;
    let (mut session, _) = patient.imap().await;
    let mut stranger = patient.client("smtp").await;
    stranger.until("220 ").await;
    let mut cut = hasty.client("smtp").await;
    cut.until("220 ").await;
    let (silent, _) = hasty.imap().await;
    timeout(SOON, cut.rest()).await.unwrap();
    timeout(SOON, silent.rest()).await.unwrap();
    // As long as those were there, and longer.
    session.ask("b NOOP", "b OK").await;
    stranger.ask("NOOP", "250 ").await;
    hasty.stop().await;
    patient.stop().await;
}
