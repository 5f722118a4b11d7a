//! A device password's life: made on the command line beside a running service, used, limited, rotated,
//! revoked with sessions open.
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

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use client::Client;
use gatepost_standin::Standin;
use rig::{ADDRESS, Difference, Rig, USER};

/// What `gatepost password …` printed on its standard output and error; panics unless it ended with
/// `code`.
fn password(rig: &Rig, arguments: &[&str], input: &str, code: i32) -> (String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .arg("password")
        .args(arguments)
        .arg("--config")
        .arg(rig.state().join("config.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    (out, err)
}

fn add(rig: &Rig, name: &str, options: &[&str]) -> String {
    let (out, err) = password(rig, &[&["add", ADDRESS, name], options].concat(), "", 0);
    let made = out.trim_end().to_owned();
    assert_eq!(out, format!("{made}\n"), "the password alone");
    assert!(!err.contains(&made), "{err}");
    made
}

async fn imap(rig: &Rig, user: &str, password: &str) -> (Client, String) {
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    let answer = client.ask(&format!("a LOGIN \"{user}\" \"{password}\""), "a ").await;
    (client, answer.last().unwrap().clone())
}

async fn smtp(rig: &Rig, user: &str, password: &str) -> (Client, String) {
    use base64::Engine as _;
    let response =
        base64::engine::general_purpose::STANDARD.encode(format!("\0{user}\0{password}"));
    let mut client = rig.client("smtp").await;
    client.until("220 ").await;
    client.ask("EHLO scanner", "250 ").await;
    client.say(&format!("AUTH PLAIN {response}")).await;
    let answer = client.reply().await;
    (client, answer.last().unwrap().clone())
}

const REJECTED: &str = "a NO [AUTHENTICATIONFAILED] Authentication failed";

#[tokio::test]
async fn a_made_password_works_at_once_however_it_is_typed_and_the_journal_names_the_device() {
    let rig = Rig::start().await;
    let made = add(&rig, "Lobby", &[]);
    assert_eq!(made.len(), 23, "{made}");
    let typed = made.replace('-', "").to_uppercase();
    for (user, password) in [(USER, &made), ("scanner+lobby", &typed), ("SCANNER", &made)] {
        assert!(imap(&rig, user, password).await.1.starts_with("a OK"), "{user}");
    }
    assert!(smtp(&rig, USER, &made).await.1.starts_with("235 "));
    assert!(rig.imap().await.1[0].starts_with("a OK"), "the mailbox's own password, too");
    assert_eq!(imap(&rig, "scanner+fax", &made).await.1, REJECTED);
    assert_eq!(imap(&rig, USER, &made[..22]).await.1, REJECTED);
    rig.journal.tells("device=\"lobby\"");
    assert!(!rig.journal.text().contains(&made[..5]), "no part of a password");
    rig.stop().await;
}

#[tokio::test]
async fn a_password_is_good_where_it_is_said_to_be() {
    let rig = Rig::start().await;
    let sending = add(&rig, "sending", &["--protocol", "smtp", "--network", "127.0.0.0/8"]);
    assert!(smtp(&rig, USER, &sending).await.1.starts_with("235 "));
    assert_eq!(imap(&rig, USER, &sending).await.1, REJECTED);
    rig.journal.tells("the password of sending is for smtp only");
    let elsewhere = add(&rig, "elsewhere", &["--network", "10.1.2.3", "--network", "fd00::/8"]);
    assert_eq!(imap(&rig, USER, &elsewhere).await.1, REJECTED);
    rig.journal.tells("the password of elsewhere isn't for use from 127.0.0.1");
    let past = add(&rig, "past", &["--expires", "2020-02-29"]);
    assert_eq!(imap(&rig, USER, &past).await.1, REJECTED);
    rig.journal.tells("the password of past was good until 2020-02-29");
    let lasting = add(&rig, "lasting", &["--expires", "2d"]);
    assert!(imap(&rig, USER, &lasting).await.1.starts_with("a OK"));
    let counters = rig.standin.counters();
    assert_eq!(counters.connections.count(), 2, "nothing upstream happens for the others");
    let (listed, _) = password(&rig, &["list", USER], "", 0);
    for words in ["smtp from 127.0.0.0/8", "expired: until 2020-02-29", "from 10.1.2.3,fd00::/8"] {
        assert!(listed.contains(words), "{listed}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_revoked_password_ends_at_the_next_login_and_its_sessions_when_told_so() {
    let rig = Rig::start().await;
    let [lobby, store] = ["lobby", "store"].map(|name| add(&rig, name, &[]));
    let (mut stays, _) = imap(&rig, USER, &lobby).await;
    let (mut other, _) = imap(&rig, USER, &store).await;
    password(&rig, &["revoke", ADDRESS, "lobby"], "", 0);
    assert_eq!(imap(&rig, USER, &lobby).await.1, REJECTED);
    stays.ask("b NOOP", "b OK").await;
    password(&rig, &["revoke", ADDRESS, "lobby"], "", 65);

    // A second life under the same name doesn't bring the first one's password back.
    let again = add(&rig, "lobby", &[]);
    assert_eq!(imap(&rig, USER, &lobby).await.1, REJECTED);
    let (ends, _) = imap(&rig, USER, &again).await;
    let (before_mail, answer) = smtp(&rig, USER, &again).await;
    assert!(answer.starts_with("235 "), "{answer}");
    password(&rig, &["revoke", "SCANNER", "lobby", "--kick"], "", 0);
    assert_eq!(ends.rest().await, b"");
    assert_eq!(stays.rest().await, b"");
    assert_eq!(before_mail.rest().await, b"");
    rig.journal.tells("ended: its device password was withdrawn");
    other.ask("b NOOP", "b OK").await;
    let (listed, _) = password(&rig, &["list"], "", 0);
    assert!(listed.contains("revoked 2"), "{listed}");
    rig.stop().await;
}

#[tokio::test]
async fn a_revoked_password_ends_submissions_too_and_nothing_is_delivered() {
    let rig = Rig::with(Standin::start().await.unwrap(), &Difference::submission("")).await;
    let made = add(&rig, "lobby", &[]);
    let (between_messages, answer) = smtp(&rig, USER, &made).await;
    assert!(answer.starts_with("235 "), "{answer}");
    let (mut within_a_message, _) = smtp(&rig, USER, &made).await;
    within_a_message.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
    within_a_message.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
    within_a_message.ask("DATA", "354 ").await;
    within_a_message.say(&format!("From: {ADDRESS}\r\n\r\nhalf of it")).await;
    password(&rig, &["revoke", USER, "lobby", "--kick"], "", 0);
    assert_eq!(between_messages.rest().await, b"421 4.7.0 Password withdrawn\r\n");
    assert_eq!(within_a_message.rest().await, b"");
    assert_eq!(rig.standin.counters().messages_accepted.count(), 0);
    rig.journal.tells("ended: its device password was withdrawn");
    rig.stop().await;
}

#[tokio::test]
async fn a_rotated_password_keeps_its_scope_and_leaves_new_sessions_alone() {
    let rig = Rig::start().await;
    let old = add(&rig, "lobby", &["--protocol", "imap"]);
    let (ends, answer) = imap(&rig, USER, &old).await;
    assert!(answer.starts_with("a OK"));
    let (out, _) = password(&rig, &["rotate", USER, "lobby", "--kick"], "", 0);
    let new = out.trim_end();
    assert_eq!(imap(&rig, USER, &old).await.1, REJECTED);
    let (mut stays, answer) = imap(&rig, USER, new).await;
    assert!(answer.starts_with("a OK"));
    assert_eq!(ends.rest().await, b"");
    stays.ask("b NOOP", "b OK").await;
    assert!(smtp(&rig, USER, new).await.1.starts_with("535 "));
    rig.stop().await;
}

/// Who looks for passwords that are old must not find new ones.
#[tokio::test]
async fn a_rotated_password_is_as_old_as_itself() {
    let rig = Rig::start().await;
    add(&rig, "lobby", &[]);
    let file = walk(rig.state()).into_iter().find_map(|path| {
        let text = std::fs::read_to_string(&path).ok()?;
        text.contains("\"lobby\"").then_some((path, text))
    });
    let (path, text) = file.unwrap();
    let listed = |rig: &Rig| password(rig, &["list"], "", 0).0;
    let row = listed(&rig);
    let today = row.split_whitespace().find(|word| word.starts_with("20")).unwrap();
    std::fs::write(&path, text.replace(today, "2020-02-29")).unwrap();
    assert!(listed(&rig).contains("2020-02-29"));
    password(&rig, &["rotate", USER, "lobby"], "", 0);
    let row = listed(&rig);
    assert!(row.contains(today) && !row.contains("2020"), "{row}");
    rig.stop().await;
}

/// All files below `folder`.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn a_chosen_password_is_found_by_the_device_behind_the_user_name() {
    let rig = Rig::start().await;
    let arguments = ["add", ADDRESS, "fax", "--own"];
    let (out, err) = password(&rig, &arguments, "tea at 5\n", 0);
    assert_eq!(out, "");
    assert!(err.contains("It logs in as scanner+fax.") && !err.contains("tea"), "{err}");
    for _ in 0..2 {
        assert!(imap(&rig, "scanner+FAX", "tea at 5").await.1.starts_with("a OK"));
    }
    for (user, password) in
        [(USER, "tea at 5"), ("scanner+fax", "Tea at 5"), ("scanner+fax", rig::PASSWORD)]
    {
        assert_eq!(imap(&rig, user, password).await.1, REJECTED, "{user}");
    }
    let (_, err) = password(&rig, &arguments, "tea at 5\n", 65);
    assert!(err.contains("gatepost password rotate"), "{err}");
    rig.stop().await;
}

#[tokio::test]
async fn printed_lines_are_a_device_of_the_configuration() {
    let rig = Rig::start().await;
    let options =
        ["--print", "--protocol", "imap", "--network", "127.0.0.1", "--expires", "2999-01-31"];
    let (lines, err) = password(&rig, &[&["add", USER, "lobby"], &options[..]].concat(), "", 0);
    let made = err.trim_end().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(imap(&rig, USER, &made).await.1, REJECTED, "nothing changed yet");
    let difference = Difference { mailbox: lines, ..Difference::default() };
    let rig = rig.restart(&difference).await;
    assert!(imap(&rig, USER, &made).await.1.starts_with("a OK"));
    assert!(smtp(&rig, USER, &made).await.1.starts_with("535 "));
    for command in ["add", "revoke"] {
        let (_, err) = password(&rig, &[command, USER, "lobby"], "", 65);
        let configured = err.contains("stands in the configuration");
        assert!(configured, "{err}");
    }
    assert!(password(&rig, &["list"], "", 0).0.contains("in the configuration"));
    rig.stop().await;
}

#[tokio::test]
async fn the_last_use_outlives_the_service() {
    let rig = Rig::start().await;
    let made = add(&rig, "lobby", &[]);
    add(&rig, "store", &[]);
    assert!(imap(&rig, USER, &made).await.1.starts_with("a OK"));
    let rig = rig.restart(&Difference::default()).await;
    let (listed, _) = password(&rig, &["list", ADDRESS], "", 0);
    let line = |name: &str| listed.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(line("lobby").ends_with(" UTC") && line("store").ends_with("never"), "{listed}");
    assert!(imap(&rig, USER, &made).await.1.starts_with("a OK"), "so does the password");
    rig.stop().await;
}

#[tokio::test]
async fn a_mailbox_may_have_no_password_but_those_of_its_devices() {
    let standin = Standin::start().await.unwrap();
    let tables = "[[mailbox]]\naddress = \"erp@contoso.example\"\nprovider = \"contoso\"\npasswords = \"devices\"\n";
    let difference = Difference { tables, ..Difference::default() };
    let rig = Rig::with(standin, &difference).await;
    assert_eq!(imap(&rig, "erp@contoso.example", rig::PASSWORD).await.1, REJECTED);
    let (made, _) = password(&rig, &["add", "erp@contoso.example", "lobby"], "", 0);
    assert!(imap(&rig, "erp@contoso.example", made.trim_end()).await.1.starts_with("a OK"));
    assert_eq!(imap(&rig, USER, made.trim_end()).await.1, REJECTED, "another mailbox");
    rig.stop().await;
}

/// Whoever may write there could let himself in.
#[cfg(unix)]
#[tokio::test]
async fn where_others_may_write_no_device_password_counts() {
    use std::os::unix::fs::PermissionsExt;
    let rig = Rig::start().await;
    let made = add(&rig, "lobby", &[]);
    assert!(imap(&rig, USER, &made).await.1.starts_with("a OK"));
    let folder = rig.state().join("state/device-passwords");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(imap(&rig, USER, &made).await.1, REJECTED);
    rig.journal.tells("chmod 700");
    assert!(
        rig.imap().await.1[0].starts_with("a OK"),
        "the configuration's password isn't concerned"
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_name_that_is_none_is_told_before_anything_is_written() {
    let rig = Rig::start().await;
    let (_, err) = password(&rig, &["add", ADDRESS, "../x"], "", 64);
    assert!(err.contains("a device name has 1 to 40 characters"), "{err}");
    let (_, err) = password(&rig, &["add", "nobody@contoso.example", "lobby"], "", 65);
    assert!(err.contains("no mailbox \"nobody@contoso.example\""), "{err}");
    let (_, err) = password(&rig, &["add", ADDRESS, "lobby", "--network", "10.1.2.3/8"], "", 64);
    assert!(err.contains("10.0.0.0/8"), "{err}");
    assert!(!rig.state().join("state/device-passwords").exists());
    rig.stop().await;
}
