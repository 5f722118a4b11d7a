//! How a connection starts: detected TLS, networks that aren't let in, sockets in the file system.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use gatepost_standin::Standin;
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::certificate::secure;
use super::client::Client;
use super::rig::{AUTH_PLAIN, Difference, PASSWORD, Rig, USER};

pub(super) const AUTO: &str =
    "tls = \"auto\"\ncertificate = \"listener.pem\"\nkey = \"listener.key\"";

const POP3: &str = "[[listener]]\nprotocol = \"pop3\"\naddress = \"127.0.0.1:0\"\n";

pub(super) async fn listening(keys: &str, tables: &str) -> Rig {
    let difference = Difference { listener: keys, tables, ..Difference::default() };
    Rig::with(Standin::start().await.unwrap(), &difference).await
}

#[tokio::test]
async fn one_port_takes_tls_and_clear_in_every_protocol() {
    let rig = listening(AUTO, &format!("{POP3}{AUTO}\n")).await;
    for (protocol, greeting) in [("imap", "* OK"), ("smtp", "220 "), ("pop3", "+OK")] {
        let stream = TcpStream::connect(rig.address(protocol)).await.unwrap();
        let mut private = secure(stream).await;
        private.until(greeting).await;
        // A program that waits to be greeted is, in clear.
        let mut silent = rig.client(protocol).await;
        silent.until(greeting).await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn detected_tls_is_tls_and_what_starts_in_clear_may_still_ask_for_it() {
    let rig = listening(AUTO, "").await;
    let mut private = secure(TcpStream::connect(rig.address("imap")).await.unwrap()).await;
    let greeting = private.until("* OK").await;
    assert!(
        !greeting[0].contains("STARTTLS") && greeting[0].contains("AUTH=PLAIN"),
        "{greeting:?}"
    );
    private.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a OK").await;

    let mut clear = rig.client("smtp").await;
    clear.until("220 ").await;
    let extensions = clear.ask("EHLO scanner", "250 ").await;
    assert!(extensions.iter().any(|line| line.contains("STARTTLS")), "{extensions:?}");
    clear.ask("STARTTLS", "220 ").await;
    let mut private = secure(clear.into_inner()).await;
    private.ask("EHLO scanner", "250 ").await;
    private.ask(AUTH_PLAIN, "235 ").await;

    let mut clear = rig.client("smtp").await;
    clear.until("220 ").await;
    clear.ask("EHLO scanner", "250 ").await;
    clear.ask(AUTH_PLAIN, "235 ").await;
    rig.stop().await;
}

/// Bytes that come before the greeting and aren't TLS's are a command, and none of them is lost.
#[tokio::test]
async fn a_client_that_talks_first_isnt_kept_waiting() {
    let rig = listening(AUTO, "[timeouts]\nfirst_byte = \"10s\"\ndrain = \"1s\"\n").await;
    let mut hasty = rig.client("smtp").await;
    hasty.say("EHLO scanner").await;
    timeout(Duration::from_secs(5), hasty.until("220 ")).await.unwrap();
    hasty.until("250 ").await;
    rig.stop().await;
}

/// A ClientHello that comes after the greeting is no command: the client has to begin anew, and hears
/// nothing that it takes for its service. A `first_byte` that is longer than the network is slow mends it.
#[tokio::test]
async fn a_client_hello_that_is_late_starts_no_tls() {
    let rig = listening(AUTO, "[timeouts]\nfirst_byte = \"50ms\"\ndrain = \"1s\"\n").await;
    let mut late = rig.client("imap").await;
    late.until("* OK").await;
    late.send(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03\r\n").await;
    let answer = late.until("* BAD").await;
    assert_eq!(answer.len(), 1, "{answer:?}");
    // The connection is still one in clear.
    late.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a OK").await;
    rig.stop().await;
}

#[tokio::test]
async fn who_is_outside_of_from_hears_nothing_and_is_counted() {
    let rig = listening("from = [\"192.0.2.0/24\", \"2001:db8::/32\"]", "").await;
    for _ in 0..5 {
        assert_eq!(rig.client("imap").await.rest().await, b"");
    }
    let lines = rig.journal.lines();
    let turned: Vec<_> = lines.iter().filter(|line| line.contains("not in `from`")).collect();
    assert_eq!(turned.len(), 1, "{turned:?}");
    assert!(turned[0].contains("from=127.0.0.1"), "{turned:?}");
    rig.stop().await;
    let rig = listening("from = [\"127.0.0.0/8\"]", "").await;
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    rig.stop().await;
}

#[tokio::test]
async fn a_socket_in_the_file_system_has_its_mode_and_goes_with_the_service() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("smtp.sock");
    // One that was left behind by a service that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let tables = format!(
        "[[listener]]\nprotocol = \"smtp\"\naddress = \"unix:{}\"\nmode = \"0600\"\n",
        path.display()
    );
    let rig = listening("", &tables).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let mut client = Client::new(UnixStream::connect(&path).await.unwrap());
    client.until("220 ").await;
    client.ask("EHLO program", "250 ").await;
    client.ask(AUTH_PLAIN, "235 ").await;
    client.ask("QUIT", "221 ").await;
    assert_eq!(client.rest().await, b"");
    assert!(rig.journal.text().contains("peer=local"));
    rig.stop().await;
    assert!(!path.exists());
}

/// Two services would take each other's connections.
#[tokio::test]
async fn a_socket_that_is_in_use_isnt_taken_away() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("smtp.sock");
    let other = tokio::net::UnixListener::bind(&path).unwrap();
    let tables =
        format!("[[listener]]\nprotocol = \"smtp\"\naddress = \"unix:{}\"\n", path.display());
    let rig = Rig::start().await;
    let difference = Difference { tables: &tables, ..Difference::default() };
    let why = rig.reload(&difference).await.unwrap_err().to_string();
    assert!(why.contains("another program listens there"), "{why}");
    let connected = tokio::join!(UnixStream::connect(&path), other.accept());
    assert!(connected.0.is_ok() && connected.1.is_ok());
    rig.stop().await;
}
