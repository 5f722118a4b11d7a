//! The built program, as scripts and service managers see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use gatepost::mailbox::password::{Hash, Parameters};
use gatepost::secret::Secret;
use tempfile::TempDir;

const CONFIG: &str = r#"
[[listener]]
protocol = "imap"
address = "localhost:0"

[provider.contoso]
preset = "microsoft"
tenant = "contoso.example"
client_id = "app"
grant = "refresh_token"

[[mailbox]]
address = "scanner@contoso.example"
provider = "contoso"
password_hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"
"#;

/// gatepost in a home of its own, where nothing of this machine is found.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        command.args(arguments).env("HOME", self.0.path()).stdin(Stdio::null());
        for variable in
            ["GATEPOST_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "STATE_DIRECTORY", "NO_COLOR"]
        {
            command.env_remove(variable);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    fn check(&self, text: &str) -> Ended {
        let path = self.write("config.toml", text);
        self.run(&["check", "--config", path.to_str().unwrap()])
    }
}

struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
}

fn hash(input: &[u8]) -> Ended {
    let mut command = Home::new().command(&["password", "hash"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have read enough and ended before all is written.
    let _ = child.stdin.take().unwrap().write_all(input);
    Ended::of(&child.wait_with_output().unwrap())
}

#[test]
fn help_shows_examples_and_version_is_no_error() {
    let home = Home::new();
    let help = home.run(&["--help"]);
    assert_eq!(help.code, 0);
    for word in
        ["check", "password", "run", "GATEPOST_CONFIG", "Examples:", "/etc/gatepost/config.toml"]
    {
        assert!(help.out.contains(word), "{word}\n{}", help.out);
    }
    let version = home.run(&["--version"]);
    assert_eq!(
        (version.code, version.out.trim()),
        (0, concat!("gatepost ", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn a_command_line_without_sense_ends_with_64() {
    for arguments in [&["chekc"][..], &["check", "--confg", "x"], &[], &["password"]] {
        let ended = Home::new().run(arguments);
        assert_eq!(ended.code, 64, "{arguments:?}: {}", ended.err);
        assert!(!ended.err.is_empty());
        assert!(ended.out.is_empty());
    }
}

#[test]
fn a_good_configuration_is_summed_up() {
    let ended = Home::new().check(CONFIG);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for line in [
        "imap  127.0.0.1:0  tls none",
        "imap  [::1]:0      tls none",
        "contoso  refresh_token",
        "outlook.office365.com:993, implicit TLS",
        "smtp.office365.com:587, STARTTLS",
        "Mailboxes of contoso: 1",
        "scanner@contoso.example  -> scanner@contoso.example",
    ] {
        assert!(ended.out.contains(line), "{line}\n{}", ended.out);
    }
    assert!(
        ended.err.contains("warning: line 12: no refresh_token here: sign-in needed"),
        "{}",
        ended.err
    );
}

#[test]
fn many_mailboxes_are_counted_not_listed() {
    let mut text = CONFIG.to_owned();
    let mailbox = CONFIG.split_once("[[mailbox]]").unwrap().1;
    for number in 0..1000 {
        write!(text, "\n[[mailbox]]{}", mailbox.replace("scanner@", &format!("m{number}@")))
            .unwrap();
    }
    let ended = Home::new().check(&text);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("Mailboxes of contoso: 1001, the first 5"), "{}", ended.out);
    assert!(ended.out.lines().count() < 30, "{}", ended.out);
    assert!(ended.err.lines().count() < 5, "{}", ended.err);
}

#[test]
fn a_wrong_configuration_ends_with_78_and_plain_text_in_a_pipe() {
    let ended = Home::new().check(&CONFIG.replace("protocol = \"imap\"", "protocol = \"imapp\""));
    assert_eq!(ended.code, 78);
    assert!(ended.err.contains("did you mean \"imap\"?"), "{}", ended.err);
    assert!(!ended.err.contains('\u{1b}'), "{}", ended.err);
    assert!(ended.out.is_empty());
}

#[test]
fn a_configuration_that_is_nowhere_ends_with_66_and_the_places() {
    let home = Home::new();
    let named = home.run(&["check", "-c", "/no/such/file.toml"]);
    assert_eq!(named.code, 66);
    assert!(named.err.contains("/no/such/file.toml"), "{}", named.err);
    if !PathBuf::from("/etc/gatepost/config.toml").exists() {
        let searched = home.run(&["check"]);
        assert_eq!(searched.code, 66);
        assert!(searched.err.contains("/etc/gatepost/config.toml"), "{}", searched.err);
        assert!(searched.err.contains("--config FILE"), "{}", searched.err);
    }
}

#[test]
fn the_configuration_is_found_by_the_environment() {
    let home = Home::new();
    let path = home.write("elsewhere/own.toml", CONFIG);
    let output = home.command(&["check"]).env("GATEPOST_CONFIG", &path).output().unwrap();
    let ended = Ended::of(&output);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("own.toml is good."), "{}", ended.out);
}

#[test]
fn the_state_directory_of_systemd_is_taken() {
    let home = Home::new();
    let path = home.write("config.toml", CONFIG);
    let mut command = home.command(&["check", "-c", path.to_str().unwrap()]);
    let ended = Ended::of(
        &command.env("STATE_DIRECTORY", "/var/lib/private/gatepost:/other").output().unwrap(),
    );
    assert!(ended.out.contains("state  /var/lib/private/gatepost\n"), "{}", ended.out);
}

#[test]
fn variables_stand_in_texts() {
    let home = Home::new();
    let path = home.write(
        "config.toml",
        &CONFIG.replace("contoso.example\"\nclient_id", "${env:TENANT}\"\nclient_id"),
    );
    let mut command = home.command(&["check", "-c", path.to_str().unwrap()]);
    let ended = Ended::of(&command.env("TENANT", "fabrikam.example").output().unwrap());
    assert!(
        ended.out.contains("login.microsoftonline.com/fabrikam.example/"),
        "{}{}",
        ended.out,
        ended.err
    );
}

#[test]
fn a_password_comes_out_as_its_hash_alone() {
    for input in [&b"correct horse\n"[..], b"correct horse\r\n", b"correct horse"] {
        let ended = hash(input);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""));
        assert_eq!(ended.out.lines().count(), 1);
        let hash = Hash::parse(ended.out.trim_end()).unwrap();
        assert!(hash.matches(&Secret::from("correct horse")));
        assert_eq!(hash.parameters(), &Parameters::default());
    }
}

#[test]
fn passwords_that_no_login_could_use_end_with_65() {
    let long = "x".repeat(256);
    for (input, why) in
        [("\n", "empty"), ("", "empty"), (long.as_str(), "255 octets"), ("a\0b", "NUL")]
    {
        let ended = hash(input.as_bytes());
        assert_eq!(ended.code, 65, "{input:?}");
        assert!(ended.err.contains(why), "{}", ended.err);
        assert!(ended.out.is_empty());
    }
}
