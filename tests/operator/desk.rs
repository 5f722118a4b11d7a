//! An operator's desk: a stand-in for the services, a configuration, and the built program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use gatepost_standin::{Standin, Tenant};
use tempfile::TempDir;

pub(crate) const MAILBOX: &str = "scanner@contoso.example";
/// The stand-in's confidential application, its service principal, and the public application.
pub(crate) const APP: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub(crate) const PRINCIPAL: &str = "bbbbbbbb-0000-4000-8000-000000000001";
pub(crate) const PUBLIC_APP: &str = "aaaaaaaa-0000-4000-8000-000000000002";

/// What a configuration is made of; each part is replaced as a case wants it.
pub(crate) struct Parts {
    pub(crate) preset: &'static str,
    pub(crate) token_endpoint: String,
    /// `client_id`, `grant` and what goes with them.
    pub(crate) grant: String,
    pub(crate) imap: String,
    pub(crate) smtp: String,
    pub(crate) address: String,
    /// More keys of the mailbox.
    pub(crate) mailbox: String,
    pub(crate) ca_file: &'static str,
    /// More tables.
    pub(crate) tables: String,
}

pub(crate) struct Desk {
    pub(crate) standin: Standin,
    home: TempDir,
}

/// How the program ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Desk {
    pub(crate) async fn set_up() -> Self {
        Self::with(Tenant::contoso()).await
    }

    pub(crate) async fn with(tenant: Tenant) -> Self {
        let standin = Standin::start_with(tenant).await.unwrap();
        let home = TempDir::new().unwrap();
        fs::write(home.path().join("ca.pem"), standin.ca_pem()).unwrap();
        Self { standin, home }
    }

    /// The parts of a configuration that works, with the application's own permissions.
    pub(crate) fn parts(&self) -> Parts {
        let host = |port: u16| format!("host = \"localhost\"\nport = {port}");
        Parts {
            preset: "microsoft",
            token_endpoint: self.standin.token_endpoint(),
            grant: format!(
                "client_id = \"{APP}\"\ngrant = \"client_credentials\"\nclient_secret = \"standin-secret-value\""
            ),
            imap: host(self.standin.imap().port()),
            smtp: host(self.standin.smtp().port()),
            address: MAILBOX.to_owned(),
            mailbox: String::new(),
            ca_file: "ca.pem",
            tables: String::new(),
        }
    }

    /// The parts of one that works with a sign-in of `address`'s owner.
    pub(crate) fn signed_in(&self, address: &str) -> Parts {
        let token = self.standin.mint_refresh_token(PUBLIC_APP, address);
        Parts {
            grant: format!("client_id = \"{PUBLIC_APP}\"\ngrant = \"refresh_token\""),
            mailbox: format!("refresh_token = \"{token}\""),
            ..self.parts()
        }
    }

    /// Writes a configuration of these parts.
    pub(crate) fn configure(&self, parts: &Parts) -> PathBuf {
        let Parts { preset, token_endpoint, grant, imap, smtp, address, mailbox, ca_file, tables } =
            parts;
        let path = self.path().join("config.toml");
        // Of a provider that no preset knows, everything has to be said.
        let pop3_scope = match *preset {
            "custom" => "scope = \"https://outlook.office365.com/.default\"",
            _ => "",
        };
        let pop3 = self.standin.pop3().port();
        let text = format!(
            r#"state_directory = "state"
name = "gatepost.contoso.example"

[[listener]]
protocol = "imap"
address = "127.0.0.1:0"

[[listener]]
protocol = "smtp"
address = "127.0.0.1:0"

[[listener]]
protocol = "pop3"
address = "127.0.0.1:0"

[provider.contoso]
preset = "{preset}"
token_endpoint = "{token_endpoint}"
{grant}

[provider.contoso.imap]
{imap}

[provider.contoso.smtp]
{smtp}

[provider.contoso.pop3]
host = "localhost"
port = {pop3}
{pop3_scope}

[[mailbox]]
address = "{address}"
provider = "contoso"
user = "device"
password = "correct horse"
{mailbox}

[tls]
ca_file = [{ca_file:?}]
{tables}
"#
        );
        fs::write(&path, text.replace("ca_file = [\"\"]", "")).unwrap();
        path
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// The program with these arguments, in a home where nothing of this machine is found.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command.env("HOME", self.path()).env("GATEPOST_CONFIG", self.path().join("config.toml"));
        for variable in ["XDG_STATE_HOME", "STATE_DIRECTORY", "DISPLAY", "WAYLAND_DISPLAY"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the program to its end, while the stand-in goes on.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        Ended::of(&output)
    }
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
}
