//! How many connections there may be, and what the one too many hears.

use std::time::Duration;

use gatepost::mailbox::password::{Parameters, SALT_LENGTH, hash};
use gatepost::secret::Secret;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::client::Client;
use super::opening::{AUTO, listening};
use super::rig::{PASSWORD, Rig, USER};

#[tokio::test]
async fn strangers_leave_room_for_those_who_are_in() {
    let rig = Rig::tables("[limits]\nconnections = 3\nstrangers = 2\n").await;
    let (mut guest, _) = rig.imap().await;
    let mut strangers = [rig.client("imap").await, rig.client("smtp").await];
    strangers[0].until("* OK").await;
    strangers[1].until("220 ").await;
    for (protocol, goodbye) in [
        ("imap", &b"* BYE Too many connections\r\n"[..]),
        ("smtp", b"421 4.3.2 Too many connections\r\n"),
    ] {
        assert_eq!(rig.client(protocol).await.rest().await, goodbye);
    }
    guest.ask("b NOOP", "b OK").await;
    drop(strangers);
    wait_for_room(&rig).await;
    rig.stop().await;
}

/// Until a place that was given back is seen to be free.
async fn wait_for_room(rig: &Rig) {
    let free = async {
        while !rig.client("imap").await.line().await.starts_with("* OK") {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(15), free).await.unwrap();
}

#[tokio::test]
async fn a_mailbox_has_so_many_connections_and_the_next_ends() {
    let rig = Rig::tables("[limits]\nconnections_per_mailbox = 2\n").await;
    let (mut first, _) = rig.imap().await;
    let (_second, answer) = rig.smtp().await;
    assert!(answer[0].starts_with("235 "), "{answer:?}");
    let mut third = rig.client("imap").await;
    third.until("* OK").await;
    third.say(&format!("a LOGIN {USER} \"{PASSWORD}\"")).await;
    let said = String::from_utf8(third.rest().await).unwrap();
    assert!(said.starts_with("* BYE Too many connections"), "{said}");
    rig.journal.tells("`connections_per_mailbox` under [limits] is reached");
    first.ask("c LOGOUT", "c OK").await;
    assert_eq!(first.rest().await, b"");
    let free = async {
        while !rig.imap().await.1[0].starts_with("a OK") {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(15), free).await.unwrap();
    rig.stop().await;
}

/// Its programs share one address, and one of them mustn't lock the others out.
#[tokio::test]
async fn loopback_has_no_limit_of_an_address() {
    let tables = "[limits]\nconnections_per_address = 1\nstrangers_per_address = 1\n";
    let rig = listening("", tables).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = rig.client("imap").await;
        client.until("* OK").await;
        clients.push(client);
    }
    rig.stop().await;
}

#[tokio::test]
async fn the_one_too_many_hears_it_in_clear_where_that_may_be() {
    let rig = listening(AUTO, "[limits]\nconnections = 1\n").await;
    let mut first = rig.client("imap").await;
    first.until("* OK").await;
    assert_eq!(rig.client("imap").await.rest().await, b"* BYE Too many connections\r\n");
    rig.stop().await;
}

/// gatepost with a user whose password has to be hashed before it is known to be right.
async fn with_a_hash(password: &str) -> Rig {
    let cheap = Parameters::new(1024, 2, 1, None).unwrap();
    let hash = hash(&Secret::from(password), [7; SALT_LENGTH], &cheap).unwrap();
    Rig::tables(&format!(
        "[[mailbox]]\naddress = \"erp@contoso.example\"\nprovider = \"contoso\"\nuser = \"erp\"\npassword_hash = \"{hash}\"\n"
    ))
    .await
}

/// The answers to as many logins at once as there are `passwords`.
async fn at_once(rig: &Rig, passwords: &[String]) -> Vec<String> {
    let address = rig.address("imap");
    let mut logins = JoinSet::new();
    for password in passwords {
        let line = format!("a LOGIN erp \"{password}\"");
        logins.spawn(async move {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut client = Client::new(stream);
            client.until("* OK").await;
            client.ask(&line, "a ").await.pop().unwrap()
        });
    }
    // Each failure before it would double a login's wait: twenty of them would fill a minute.
    timeout(Duration::from_secs(15), logins.join_all()).await.unwrap()
}

#[tokio::test]
async fn right_passwords_that_come_at_once_are_checked_together_and_none_counts_as_a_failure() {
    let rig = with_a_hash("right").await;
    let answers = at_once(&rig, &vec!["right".to_owned(); 100]).await;
    assert!(answers.iter().all(|answer| answer.starts_with("a OK")), "{answers:?}");
    assert!(!rig.journal.text().contains("login failed"));
    rig.stop().await;
}

/// As several programs do that share a password which was changed.
#[tokio::test]
async fn one_wrong_password_that_comes_at_once_is_one_failure() {
    let rig = with_a_hash("right").await;
    let answers = at_once(&rig, &vec!["wrong".to_owned(); 20]).await;
    let rejected = "a NO [AUTHENTICATIONFAILED] Authentication failed";
    assert!(answers.iter().all(|answer| answer == rejected), "{answers:?}");
    assert_eq!(rig.journal.text().matches("login failed").count(), 20);
    assert!(at_once(&rig, &["right".to_owned()]).await[0].starts_with("a OK"));
    rig.stop().await;
}
