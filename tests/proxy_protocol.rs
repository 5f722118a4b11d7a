//! PROXY headers: the grammar, and whole connections behind a proxy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, missing_docs)]

#[path = "relay/certificate.rs"]
mod certificate;
#[path = "relay/client.rs"]
mod client;
#[path = "relay/journal.rs"]
mod journal;
#[path = "relay/rig.rs"]
mod rig;

use std::net::SocketAddr;
use std::time::Duration;

use client::Client;
use gatepost::daemon::proxy::{Malformed, Progress, parse};
use gatepost_standin::Standin;
use proptest::prelude::*;
use rig::{Difference, PASSWORD, Rig, USER};
use tokio::time::timeout;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2 with this command, family and transport, and body.
fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, body].concat()
}

/// PROXY of 192.0.2.7:4711 to 198.51.100.1:993.
fn tcp4(additions: &[u8]) -> Vec<u8> {
    let ends = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0x03, 0xe1];
    binary(0x21, 0x11, &[&ends[..], additions].concat())
}

/// PROXY of [2001:db8::7]:4711.
fn tcp6() -> Vec<u8> {
    let mut ends = [0; 36];
    ends[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    ends[15] = 7;
    ends[32..34].copy_from_slice(&4711_u16.to_be_bytes());
    binary(0x21, 0x21, &ends)
}

/// Reads `bytes` as a connection would: never more than is asked for. What comes of it, and how much was
/// read.
fn read(bytes: &[u8]) -> (Result<Option<SocketAddr>, Malformed>, usize) {
    let mut have = 0;
    loop {
        match parse(&bytes[..have]) {
            Ok(Progress::Done(source)) => return (Ok(source), have),
            Ok(Progress::More(count)) => {
                assert!(count > 0);
                have += count;
                assert!(have <= bytes.len(), "it waits for more than there is");
            }
            Err(malformed) => return (Err(malformed), have),
        }
    }
}

#[test]
fn headers_say_where_the_client_is_and_end_where_they_end() {
    let client = |text: &str| Some(text.parse::<SocketAddr>().unwrap());
    let cases: Vec<(Vec<u8>, Option<SocketAddr>)> = vec![
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 993\r\n".to_vec(), client("192.0.2.7:4711")),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 993\r\n".to_vec(), client("[2001:db8::7]:4711")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n".to_vec(), None),
        (tcp4(b""), client("192.0.2.7:4711")),
        (tcp4(&[0x04, 0, 3, 1, 2, 3]), client("192.0.2.7:4711")),
        (tcp6(), client("[2001:db8::7]:4711")),
        (binary(0x20, 0x00, b""), None),
        (binary(0x20, 0x11, b"whatever"), None),
        (binary(0x21, 0x00, b""), None),
        (binary(0x21, 0x31, &[0; 216]), None),
    ];
    for (header, source) in cases {
        let connection = [&header[..], b"a LOGIN scanner secret\r\n"].concat();
        assert_eq!(read(&connection), (Ok(source), header.len()), "{header:?}");
    }
}

#[test]
fn what_is_no_header_is_refused() {
    let cases: Vec<Vec<u8>> = vec![
        b"a LOGIN scanner secret\r\n".to_vec(),
        b"EHLO scanner.local\r\nAUTH PLAIN\r\n".to_vec(),
        [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[0; 200]].concat(),
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 993 1\r\n".to_vec(),
        b"PROXY TCP4 2001:db8::7 2001:db8::1 4711 993\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 993\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 198.51.100.1 +711 993\r\n".to_vec(),
        b"PROXY  TCP4 192.0.2.7 198.51.100.1 4711 993\r\n".to_vec(),
        b"PROXY UDP4 192.0.2.7 198.51.100.1 4711 993\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 993\n0123456789\r\n".to_vec(),
        [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat(),
        binary(0x11, 0x11, &[0; 12]),
        binary(0x22, 0x11, &[0; 12]),
        binary(0x21, 0x12, &[0; 12]),
        binary(0x21, 0x11, &[0; 11]),
        binary(0x21, 0x21, &[0; 35]),
        binary(0x21, 0x11, &[0; 5000]),
    ];
    for bytes in cases {
        assert_eq!(read(&bytes).0, Err(Malformed), "{:?}", String::from_utf8_lossy(&bytes));
    }
}

proptest! {
    /// No octets make it panic, go on for ever or ask for more than 4096 octets and their head.
    #[test]
    fn any_octets_come_to_an_end(
        start in prop::sample::select(vec![b"".to_vec(), b"PROXY ".to_vec(), SIGNATURE.to_vec()]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [start, rest, vec![b'x'; 5000]].concat();
        let (_, read) = read(&bytes);
        prop_assert!(read <= 16 + 4096);
    }

    #[test]
    fn every_address_comes_through_in_both_versions(source: SocketAddr) {
        let words = if source.is_ipv4() { ("TCP4", "192.0.2.1") } else { ("TCP6", "2001:db8::1") };
        let line = format!("PROXY {} {} {} {} 993\r\n", words.0, source.ip(), words.1, source.port());
        let plain = SocketAddr::new(source.ip(), source.port());
        prop_assert_eq!(read(line.as_bytes()), (Ok(Some(plain)), line.len()));
    }
}

const BEHIND: &str = "proxy_protocol = true\nproxy_from = \"127.0.0.1\"";

async fn behind(keys: &str) -> Rig {
    let listener = format!("{BEHIND}\n{keys}");
    let difference = Difference { listener: &listener, ..Difference::default() };
    Rig::with(Standin::start().await.unwrap(), &difference).await
}

async fn through(rig: &Rig, header: &[u8]) -> Client {
    let mut client = rig.client("imap").await;
    client.send(header).await;
    client
}

#[tokio::test]
async fn the_client_is_known_by_its_own_address() {
    let rig = behind("").await;
    for (header, peer) in [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 993\r\n".to_vec(), "peer=192.0.2.7:4711"),
        (tcp6(), "peer=[2001:db8::7]:4711"),
        (binary(0x20, 0, b""), "peer=127.0.0.1:"),
    ] {
        let mut client = through(&rig, &header).await;
        client.until("* OK").await;
        client.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a OK").await;
        client.ask("b LOGOUT", "b OK").await;
        assert_eq!(client.rest().await, b"");
        assert!(rig.journal.text().contains(peer), "{peer}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn octets_right_behind_the_header_are_the_clients() {
    let rig = behind("").await;
    let all = [&tcp4(b"")[..], format!("a LOGIN {USER} \"{PASSWORD}\"\r\n").as_bytes()].concat();
    let mut client = through(&rig, &all).await;
    client.until("a OK").await;
    rig.stop().await;
}

#[tokio::test]
async fn from_goes_by_the_client_and_not_by_the_proxy() {
    let rig = behind("from = [\"192.0.2.0/24\"]").await;
    let mut inside = through(&rig, &tcp4(b"")).await;
    inside.until("* OK").await;
    let outside = through(&rig, b"PROXY TCP4 203.0.113.9 198.51.100.1 4711 993\r\n").await;
    assert_eq!(outside.rest().await, b"");
    rig.journal.tells("from=203.0.113.9");
    rig.stop().await;
}

#[tokio::test]
async fn leave_to_send_goes_by_the_client_and_not_by_the_proxy() {
    let allow = "[[allow]]\nprotocol = \"smtp\"\nnetworks = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\n\
                 mailbox = \"scanner@contoso.example\"\nmail_from = [\"scanner@contoso.example\"]\n";
    let difference = Difference { listener: BEHIND, tables: allow, ..Difference::default() };
    let rig = Rig::with(Standin::start().await.unwrap(), &difference).await;
    for (client, has_to_log_in) in [("203.0.113.9", true), ("10.1.2.3", false)] {
        let header = format!("PROXY TCP4 {client} 198.51.100.1 4711 587\r\n");
        let mut client = rig.client("smtp").await;
        client.send(header.as_bytes()).await;
        client.until("220 ").await;
        let extensions = client.ask("EHLO fax", "250 ").await;
        assert_eq!(extensions.iter().any(|line| line.contains("AUTH")), has_to_log_in);
    }
    rig.stop().await;
}

#[tokio::test]
async fn who_is_no_proxy_isnt_heard() {
    let listener = "proxy_protocol = true\nproxy_from = [\"192.0.2.0/24\", \"2001:db8::/32\"]";
    let difference = Difference { listener, ..Difference::default() };
    let rig = Rig::with(Standin::start().await.unwrap(), &difference).await;
    let client = rig.client("imap").await;
    assert_eq!(client.rest().await, b"");
    rig.journal.tells("not in `proxy_from`");
    rig.stop().await;
}

#[tokio::test]
async fn a_connection_without_its_header_ends_in_silence() {
    let rig = behind("").await;
    let client = through(&rig, b"a LOGIN scanner secret\r\n").await;
    let mut socket = client.into_inner();
    let mut said = Vec::new();
    // Closed over unread octets: reset rather than ended, as the case may be.
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut said).await;
    assert_eq!(said, b"");
    rig.journal.tells("no PROXY header");
    assert!(!rig.journal.text().contains("secret"));
    rig.stop().await;
}

/// Behind a proxy every client would share one address, were it not for the header.
#[tokio::test]
async fn places_are_counted_by_the_clients_address() {
    let difference = Difference {
        listener: BEHIND,
        tables: "[limits]\nstrangers_per_address = 2\n",
        ..Difference::default()
    };
    let rig = Rig::with(Standin::start().await.unwrap(), &difference).await;
    let header = |host: &str| format!("PROXY TCP4 {host} 198.51.100.1 4711 993\r\n").into_bytes();
    let mut first = through(&rig, &header("192.0.2.7")).await;
    first.until("* OK").await;
    let mut second = through(&rig, &header("192.0.2.7")).await;
    second.until("* OK").await;
    let third = through(&rig, &header("192.0.2.7")).await;
    assert_eq!(third.rest().await, b"* BYE Too many connections\r\n");
    rig.journal.tells("`strangers_per_address` under [limits] is reached");
    through(&rig, &header("192.0.2.8")).await.until("* OK").await;
    // Who logs in is no stranger any more.
    first.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a OK").await;
    through(&rig, &header("192.0.2.7")).await.until("* OK").await;
    rig.stop().await;
}

/// Guesses from one address wait, also those that come at once; a right password from elsewhere doesn't,
/// nor does one that has proven right before.
#[tokio::test]
async fn guessing_slows_down_who_guesses() {
    let rig = behind("").await;
    let mut guessers = Vec::new();
    for number in 0..9 {
        let mut guesser = through(&rig, &tcp4(b"")).await;
        guesser.until("* OK").await;
        guesser.say(&format!("a LOGIN guess{number} x")).await;
        guessers.push(guesser);
    }
    for guesser in &mut guessers[..3] {
        guesser.until("a NO [AUTHENTICATIONFAILED]").await;
    }
    for header in [&b"PROXY TCP4 203.0.113.9 198.51.100.1 4711 993\r\n"[..], &tcp4(b"")] {
        let mut other = through(&rig, header).await;
        other.until("* OK").await;
        other.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a OK").await;
    }
    // The last of them wait for 16 seconds and more.
    let last = guessers.last_mut().unwrap();
    assert!(timeout(Duration::from_millis(50), last.line()).await.is_err());
    rig.stop().await;
}

/// The line that contrib/fail2ban reads, and what a client can't make of it.
#[tokio::test]
async fn a_failed_login_has_its_line_in_the_journal() {
    let rig = behind("").await;
    let mut client = through(&rig, &tcp4(b"")).await;
    client.until("* OK").await;
    let forged = "x INFO login failed from=203.0.113.1 protocol=";
    client.ask(&format!("a LOGIN \"{forged}\" wrong"), "a NO").await;
    let lines = rig.journal.lines();
    let line = lines.iter().find(|line| line.contains("login failed")).unwrap();
    let (_, line) = line.split_once(" INFO ").unwrap();
    let fields = line.split_once(": ").map_or(line, |(_, fields)| fields);
    assert!(
        fields.starts_with("login failed from=192.0.2.7 protocol=\"imap\" user=\"x INFO login"),
        "{line}"
    );
    rig.stop().await;
}
