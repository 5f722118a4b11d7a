//! The store as processes see it that share it, are killed, change keys and find foreign files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use gatepost::secret::Secret;
use gatepost::store::{KeySource, Keys, Record, Saved, Store, Trouble};
use tempfile::TempDir;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";

fn record(mailbox: &str, token: &str) -> Record {
    Record {
        mailbox: mailbox.to_owned(),
        token_endpoint: "https://login.example/token".to_owned(),
        client_id: "app".to_owned(),
        refresh_token: Secret::from(token),
        seed: None,
        refreshed_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    }
}

fn token(store: &Store, mailbox: &str) -> Option<String> {
    store.load(mailbox).unwrap().map(|record| record.refresh_token.reveal().clone())
}

fn path(directory: &Path, mailbox: &str) -> PathBuf {
    directory.join(format!("{mailbox}.json"))
}

fn keys(octet: &str) -> String {
    octet.repeat(32)
}

fn given(text: &str) -> KeySource {
    KeySource::Given(Keys::parse(&Secret::from(text)).unwrap())
}

#[test]
fn nothing_on_the_disk_shows_a_token() {
    let state = TempDir::new().unwrap();
    let store = Store::open(state.path()).unwrap();
    store.save(&record(ALICE, "hunter2-hunter2")).unwrap();
    for entry in fs::read_dir(state.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("login.example"), "{text}");
    }
}

#[test]
fn a_store_that_nobody_has_signed_in_to_needs_no_key() {
    let state = TempDir::new().unwrap();
    let store = Store::open(state.path()).unwrap();
    assert_eq!(token(&store, ALICE), None);
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
}

#[test]
fn a_record_does_not_pass_for_another_mailboxs() {
    let state = TempDir::new().unwrap();
    let store = Store::open(state.path()).unwrap();
    store.save(&record(ALICE, "one")).unwrap();
    store.save(&record(BOB, "two")).unwrap();
    // As it is, and with the address in it corrected.
    for forge in [false, true] {
        let alices = fs::read_to_string(path(state.path(), ALICE)).unwrap();
        let forged = if forge { alices.replace(ALICE, BOB) } else { alices };
        fs::write(path(state.path(), BOB), forged).unwrap();
        let trouble = store.load(BOB).unwrap_err();
        assert!(matches!(trouble, Trouble::Damaged { .. }), "{trouble}");
        assert_eq!(token(&store, BOB), None);
        assert_eq!(token(&store, ALICE).as_deref(), Some("one"));
        store.save(&record(BOB, "two")).unwrap();
    }
}

#[test]
fn a_record_under_a_key_that_is_gone_waits_for_it() {
    let state = TempDir::new().unwrap();
    let old = Store::open_with(state.path(), given(&keys("01"))).unwrap();
    old.save(&record(ALICE, "one")).unwrap();
    let new = Store::open_with(state.path(), given(&keys("02"))).unwrap();
    let trouble = new.load(ALICE).unwrap_err();
    assert!(matches!(trouble, Trouble::UnknownKey { .. }), "{trouble}");
    assert!(trouble.to_string().contains("sign in again"), "{trouble}");
    let both = format!("{}\n{}\n", keys("02"), keys("01"));
    let both = Store::open_with(state.path(), given(&both)).unwrap();
    assert_eq!(token(&both, ALICE).as_deref(), Some("one"));
    both.save(&record(ALICE, "two")).unwrap();
    assert_eq!(token(&new, ALICE).as_deref(), Some("two"));
}

#[test]
fn a_key_file_of_the_operators_is_read_again_when_it_changes() {
    let state = TempDir::new().unwrap();
    let key_file = state.path().join("key");
    fs::write(&key_file, keys("01")).unwrap();
    let source = || KeySource::File(key_file.clone());
    let daemon = Store::open_with(state.path(), source()).unwrap();
    daemon.save(&record(ALICE, "one")).unwrap();

    fs::write(&key_file, format!("{}\n{}\n", keys("02"), keys("01"))).unwrap();
    let rotation = Store::open_with(state.path(), source()).unwrap().rotate().unwrap();
    assert_eq!((rotation.resealed, rotation.key_file), (1, None));
    fs::write(&key_file, keys("02")).unwrap();

    assert_eq!(token(&daemon, ALICE).as_deref(), Some("one"));
    daemon.save(&record(BOB, "two")).unwrap();
    assert_eq!(
        token(&Store::open_with(state.path(), source()).unwrap(), BOB).as_deref(),
        Some("two")
    );
}

#[test]
fn a_key_file_that_holds_no_key_is_said_before_anything_is_done() {
    let state = TempDir::new().unwrap();
    let key_file = state.path().join("key");
    fs::write(&key_file, "hunter2").unwrap();
    let trouble = Store::open_with(state.path(), KeySource::File(key_file)).unwrap_err();
    assert!(trouble.to_string().contains("gatepost key generate"), "{trouble}");
    assert!(!trouble.to_string().contains("hunter2"), "{trouble}");
}

#[test]
fn a_rotation_seals_all_with_a_key_of_its_own_and_a_running_daemon_follows() {
    let state = TempDir::new().unwrap();
    let daemon = Store::open(state.path()).unwrap();
    daemon.save(&record(ALICE, "one")).unwrap();
    daemon.save(&record(BOB, "two")).unwrap();
    let old_key = fs::read(state.path().join("store.key")).unwrap();
    let in_clear = r#"{"version":1,"mailbox":"carol@contoso.example","token_endpoint":"e","client_id":"app",
        "refresh_token":"three","seed":null}"#;
    let carol = path(state.path(), "carol@contoso.example");
    fs::copy(path(state.path(), ALICE), &carol).unwrap();
    fs::write(&carol, in_clear).unwrap();
    let mallory = path(state.path(), "mallory@contoso.example");
    fs::copy(path(state.path(), ALICE), &mallory).unwrap();

    let rotation = Store::open(state.path()).unwrap().rotate().unwrap();
    assert_eq!(rotation.resealed, 3);
    assert!(matches!(rotation.lost[..], [Trouble::Damaged { .. }]), "{:?}", rotation.lost);

    let new_key = fs::read(state.path().join("store.key")).unwrap();
    assert!(new_key != old_key && new_key.len() == old_key.len());
    assert!(!fs::read_to_string(&carol).unwrap().contains("three"));
    for (mailbox, stored) in [(ALICE, "one"), (BOB, "two"), ("carol@contoso.example", "three")] {
        assert_eq!(token(&daemon, mailbox).as_deref(), Some(stored));
    }
    daemon.save(&record(BOB, "four")).unwrap();
    assert_eq!(token(&Store::open(state.path()).unwrap(), BOB).as_deref(), Some("four"));
}

#[test]
fn saves_during_a_rotation_are_neither_lost_nor_left_under_the_old_key() {
    let state = TempDir::new().unwrap();
    let store = Store::open(state.path()).unwrap();
    let mailboxes: Vec<String> = (0..8).map(|n| format!("box{n}@contoso.example")).collect();
    std::thread::scope(|scope| {
        for mailbox in &mailboxes {
            let store = Store::open(state.path()).unwrap();
            scope.spawn(move || {
                for number in 0..20 {
                    store.save(&record(mailbox, &number.to_string())).unwrap();
                }
            });
        }
        for _ in 0..4 {
            store.rotate().unwrap();
        }
    });
    let fresh = Store::open(state.path()).unwrap();
    for mailbox in &mailboxes {
        assert_eq!(token(&fresh, mailbox).as_deref(), Some("19"));
    }
}

#[test]
fn a_successor_does_not_replace_what_somebody_else_wrote_since() {
    let state = TempDir::new().unwrap();
    let store = Store::open(state.path()).unwrap();
    let (first, second) = (record(ALICE, "first"), record(ALICE, "second"));
    assert_eq!(store.succeed(None, &first).unwrap(), Saved::Written);
    assert_eq!(store.succeed(Some(&first), &second).unwrap(), Saved::Written);
    store.save(&record(ALICE, "signed in")).unwrap();
    for former in [None, Some(&second)] {
        assert_eq!(store.succeed(former, &record(ALICE, "late")).unwrap(), Saved::Overtaken);
    }
    assert_eq!(token(&store, ALICE).as_deref(), Some("signed in"));
}

/// How often a child is killed. Each round takes some milliseconds.
const ROUNDS: usize = 60;

/// The variable that makes [`the_child`] work in the directory it names.
const WORKPLACE: &str = "GATEPOST_TEST_WORKPLACE";

/// What the child does until it is killed.
const WORK: &str = "GATEPOST_TEST_WORK";

/// Not a test of its own: what the tests below start and kill.
#[test]
fn the_child() {
    let Some(directory) = std::env::var_os(WORKPLACE) else { return };
    let store = Store::open(directory).unwrap();
    let first: u64 = token(&store, ALICE).map_or(0, |token| token.parse().unwrap()) + 1;
    for number in first.. {
        if std::env::var(WORK).unwrap() == "rotate" {
            store.rotate().unwrap();
        } else {
            store.save(&record(ALICE, &number.to_string())).unwrap();
        }
        println!("\nsaved {number}");
    }
}

fn child(directory: &Path, work: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child", "--nocapture"])
        .env(WORKPLACE, directory)
        .env(WORK, work)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets the child finish so many pieces of work, and kills it some spins into the next; the last
/// piece that it said was finished.
fn kill_after(mut child: Child, pieces: usize, spins: u32) -> u64 {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut finished = lines.filter_map(|line| line.strip_prefix("saved ")?.parse().ok());
    let mut last = 0;
    for _ in 0..pieces {
        last = finished.next().unwrap();
    }
    for _ in 0..spins {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    finished.last().unwrap_or(last)
}

#[test]
fn a_kill_at_any_point_of_a_save_leaves_the_last_record_or_the_one_before() {
    let state = TempDir::new().unwrap();
    for round in 0..ROUNDS {
        let spins = (round as u32).wrapping_mul(7919) % 40_000;
        let said = kill_after(child(state.path(), "save"), 1 + round % 3, spins);
        let store = Store::open(state.path()).unwrap();
        let stored: u64 = token(&store, ALICE).expect("a record").parse().unwrap();
        assert!(stored == said || stored == said + 1, "{said} was saved, {stored} is stored");
    }
}

#[test]
fn a_kill_at_any_point_of_a_rotation_leaves_every_record_with_its_key() {
    let state = TempDir::new().unwrap();
    let store = Store::open(state.path()).unwrap();
    let mailboxes: Vec<String> = (0..5).map(|n| format!("box{n}@contoso.example")).collect();
    for mailbox in &mailboxes {
        store.save(&record(mailbox, "kept")).unwrap();
    }
    for round in 0..ROUNDS {
        let spins = (round as u32).wrapping_mul(104_729) % 400_000;
        kill_after(child(state.path(), "rotate"), round % 2, spins);
        let store = Store::open(state.path()).unwrap();
        for mailbox in &mailboxes {
            assert_eq!(token(&store, mailbox).as_deref(), Some("kept"), "round {round}");
        }
    }
    store.rotate().unwrap();
    let key_file = fs::read_to_string(state.path().join("store.key")).unwrap();
    assert_eq!(key_file.lines().count(), 1, "a rotation that ends leaves one key");
}

/// gatepost in a folder of its own, with this under `[store]`.
struct Program(TempDir);

impl Program {
    fn new(store: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("config.toml"), config(store)).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn private(&self, name: &str, text: &str) {
        let path = self.path(name);
        let options = fs::File::options().create(true).write(true).truncate(true).open(&path);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        std::io::Write::write_all(&mut options.unwrap(), text.as_bytes()).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(arguments)
            .arg("--config")
            .arg(self.path("config.toml"))
            .env("CREDENTIALS_DIRECTORY", self.0.path())
            .env("THE_KEY", keys("03"))
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }
}

fn config(store: &str) -> String {
    format!(
        r#"state_directory = "state"
[store]
{store}
[[listener]]
protocol = "imap"
address = "127.0.0.1:0"
tls = "none"
[provider.people]
preset = "microsoft"
tenant = "contoso.example"
client_id = "app"
grant = "refresh_token"
[[mailbox]]
address = "{ALICE}"
provider = "people"
password_hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"
"#
    )
}

#[test]
fn the_program_rotates_a_generated_key() {
    let program = Program::new("");
    let sign_ins = program.path("state/sign-ins");
    Store::open(&sign_ins).unwrap().save(&record(ALICE, "one")).unwrap();
    let old_key = fs::read_to_string(sign_ins.join("store.key")).unwrap();
    let (code, said) = program.run(&["key", "rotate"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 sign-in is sealed with the new key"), "{said}");
    assert_ne!(fs::read_to_string(sign_ins.join("store.key")).unwrap(), old_key);
    assert_eq!(token(&Store::open(&sign_ins).unwrap(), ALICE).as_deref(), Some("one"));
}

#[test]
fn the_program_takes_its_key_from_where_secrets_come_from() {
    let printed = format!("key_command = [\"printf\", \"%s\", \"{}\"]", keys("02"));
    for (store, first) in [
        ("key_file = \"key\"", "01"),
        ("key_credential = \"key\"", "01"),
        (&printed, "02"),
        ("key = \"${env:THE_KEY}\"", "03"),
    ] {
        let program = Program::new(store);
        program.private("key", &format!("{}\n{}\n", keys("01"), keys("02")));
        let sign_ins = program.path("state/sign-ins");
        let old = if first == "01" { "02" } else { first };
        let before = Store::open_with(&sign_ins, given(&keys(old))).unwrap();
        before.save(&record(ALICE, "one")).unwrap();
        let (code, said) = program.run(&["key", "rotate"]);
        assert_eq!(code, Some(0), "{store}: {said}");
        let after = Store::open_with(&sign_ins, given(&keys(first))).unwrap();
        assert_eq!(token(&after, ALICE).as_deref(), Some("one"), "{store}: {said}");
        assert!(!sign_ins.join("store.key").exists());
    }
}

#[test]
fn a_key_that_is_none_is_a_problem_of_the_configuration() {
    let program = Program::new("key_file = \"key\"");
    program.private("key", "hunter2\n");
    let (code, said) = program.run(&["check"]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("no key: line 1 is no key") && said.contains("gatepost key generate"));
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_generated_key_is_one_that_the_configuration_takes() {
    let program = Program::new("key_file = \"key\"");
    let (code, key) = program.run(&["key", "generate"]);
    assert_eq!((code, key.lines().count()), (Some(0), 1), "{key}");
    program.private("key", &key);
    let (code, said) = program.run(&["check"]);
    assert_eq!(code, Some(0), "{said}");
    assert_ne!(program.run(&["key", "generate"]).1, key);
}
