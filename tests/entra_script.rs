//! `gatepost entra-script`, to the letter: administrators run what it prints.
//!
//! A changed script is looked at, then taken over with `GOLDEN=write cargo test --test entra_script`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const CONFIG: &str = r#"
[[listener]]
protocol = "imap"
address = "localhost:0"

[provider.contoso]
preset = "microsoft"
tenant = "contoso.example"
client_id = "11111111-2222-3333-4444-555555555555"
grant = "client_credentials"
client_secret = "standin-secret-value"

[provider.bulk]
preset = "custom"
token_endpoint = "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
client_id = "22222222-2222-3333-4444-555555555555"
grant = "client_credentials"
client_secret = "standin-secret-value"
scope = "https://outlook.office.com/.default"
smtp = { host = "smtp.hve.mx.microsoft", port = 587 }

[provider.people]
preset = "microsoft"
tenant = "contoso.example"
client_id = "66666666-7777-8888-9999-000000000000"
grant = "refresh_token"

[provider.elsewhere]
preset = "google"
client_id = "1234.apps.googleusercontent.com"
grant = "refresh_token"
client_secret = "google-secret"

[[mailbox]]
address = "scanner@contoso.example"
provider = "contoso"
password = "correct horse"

[[mailbox]]
address = "scanner@contoso.example"
user = "the same again"
provider = "contoso"
password = "correct horse"

[[mailbox]]
address = "o'hara@contoso.example"
provider = "contoso"
password = "correct horse"

[[mailbox]]
address = "reports@contoso.example"
provider = "bulk"
password = "correct horse"

[[mailbox]]
address = "jane@contoso.example"
provider = "people"
password = "correct horse"
"#;

fn run(arguments: &[&str]) -> Output {
    let home = TempDir::new().unwrap();
    let path = home.path().join("config.toml");
    fs::write(&path, CONFIG).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.args(["entra-script", "--config", path.to_str().unwrap()]).args(arguments);
    command.output().unwrap()
}

#[track_caller]
fn prints(golden: &str, arguments: &[&str]) {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    for secret in ["standin-secret-value", "correct horse"] {
        assert!(!printed.contains(secret), "{secret}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/entra-script").join(golden);
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, &printed).unwrap();
    }
    assert_eq!(printed, fs::read_to_string(&path).unwrap(), "{golden}");
}

#[test]
fn the_grant_tells_the_variant() {
    prints("app-only.ps1", &["--provider", "contoso"]);
    prints("delegated.ps1", &["--provider", "people"]);
    prints("hve.ps1", &["--provider", "bulk"]);
}

#[test]
fn another_variant_can_be_asked_for() {
    prints("rbac.ps1", &["--provider", "contoso", "--variant", "rbac"]);
}

#[test]
fn without_a_name_every_provider_of_entras_has_its_script() {
    let printed = String::from_utf8(run(&[]).stdout).unwrap();
    for (provider, count) in [("contoso", 1), ("people", 1), ("bulk", 1), ("elsewhere", 0)] {
        let title = format!("# What provider {provider} of gatepost needs");
        assert_eq!(printed.matches(&title).count(), count, "{provider}");
    }
}

#[test]
fn an_unknown_provider_is_a_wrong_command_line() {
    let output = run(&["--provider", "nobody"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("[provider.nobody]"));
}
