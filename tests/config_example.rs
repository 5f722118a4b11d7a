//! The shipped example is good as it stands, and so is all that it has commented out.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use gatepost::config::{Config, Log};
use gatepost::mailbox::password::{Hash, Parameters};
use gatepost::relay::{Limits, Timeouts};
use gatepost::secret::Secret;
use tempfile::TempDir;

const EXAMPLE: &str = include_str!("../config.example.toml");

/// The example with its settings uncommented: a line that begins with `#` alone is one.
fn uncommented() -> String {
    let setting = |line: &&str| {
        line.strip_prefix('#').is_some_and(|rest| !rest.is_empty() && !rest.starts_with(' '))
    };
    let lines = EXAMPLE.lines().map(|line| if setting(&line) { &line[1..] } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

/// A folder with all the files that the example names.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "client_secret",
        "client_secret_next",
        "jane.refresh_token",
        "google_client_secret",
        "monitoring_password",
        "bulk.password",
        "proxy_password",
    ] {
        private(&folder.path().join(name), "s3cret\n");
    }
    private(&folder.path().join("store.key"), &"07".repeat(32));
    fs::create_dir(folder.path().join("certs")).unwrap();
    let made = rcgen::generate_simple_self_signed(["gatepost.contoso.example".to_owned()]).unwrap();
    private(&folder.path().join("certs/gatepost.pem"), &made.cert.pem());
    private(&folder.path().join("certs/gatepost.key"), &made.signing_key.serialize_pem());
    private(&folder.path().join("certs/company.pem"), &made.cert.pem());
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    private(&folder.path().join("certs/app.pem"), &certificate.pem());
    private(&folder.path().join("certs/app.key"), &key.serialize_pem());
    let account = serde_json::json!({
        "client_email": "gatepost@project.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": key.serialize_pem(),
    });
    private(&folder.path().join("service_account.json"), &account.to_string());
    // The program of client_secret_command.
    let program = folder.path().join("pass");
    private(&program, "#!/bin/sh\necho s3cret\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    folder
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn check(text: &str) -> (Output, String) {
    let folder = folder();
    let config = folder.path().join("config.toml");
    private(&config, text);
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["check", "-c"])
        .arg(&config)
        .env("CREDENTIALS_DIRECTORY", folder.path())
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .output()
        .unwrap();
    let printed =
        String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    (output, printed)
}

#[test]
fn the_example_is_good_as_it_stands() {
    let (output, printed) = check(EXAMPLE);
    assert!(output.status.success(), "{printed}");
    assert!(!printed.contains("warning"), "{printed}");
    assert!(printed.contains("scanner@contoso.example"), "{printed}");
}

#[test]
fn the_example_is_good_with_all_its_settings() {
    let (output, printed) = check(&uncommented());
    assert!(output.status.success(), "{printed}");
    for listed in [
        "0.0.0.0:993",
        "192.0.2.10:2525",
        "people",
        "certified",
        "azure",
        "volume",
        "workspace",
        "program",
        "google",
        "other",
        "jane@contoso.example",
    ] {
        assert!(printed.contains(listed), "{listed}\n{printed}");
    }
    assert!(!printed.contains("s3cret"), "{printed}");
}

#[test]
fn the_settings_shown_as_defaults_are_the_defaults() {
    let folder = folder();
    let config = folder.path().join("config.toml");
    let all = uncommented();
    let (head, _) = EXAMPLE.split_once("\n[timeouts]").unwrap();
    let (_, tail) = all.split_once("\n[timeouts]").unwrap();
    private(&config, &format!("{head}\n[timeouts]{tail}"));
    let config = Config::load(&config).map_err(|error| error.to_string()).unwrap();
    assert_eq!(config.timeouts, Timeouts::default());
    assert_eq!(config.log, Log::default());
    let (shown, default) = (config.limits, Limits::default());
    let numbers = |limits: Limits| {
        let session = limits.session;
        let sizes = [
            session.line,
            session.sasl_line,
            session.literal,
            session.reply,
            limits.token_response,
        ];
        let connections = [
            limits.connections,
            limits.strangers,
            limits.connections_per_address,
            limits.strangers_per_address,
            limits.connections_per_mailbox,
        ];
        (sizes, session.bad_commands, limits.failed_logins, connections)
    };
    assert_eq!(numbers(shown), numbers(default));
}

#[test]
fn the_hash_of_the_example_is_of_the_password_it_names() {
    let hash = EXAMPLE.lines().find_map(|line| line.strip_prefix("password_hash = ")).unwrap();
    let hash = Hash::parse(hash.trim_matches('"')).unwrap();
    assert!(hash.matches(&Secret::from("example")));
    assert_eq!(hash.parameters(), &Parameters::default());
}
