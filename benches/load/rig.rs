//! The stand-in and gatepost, each a process of its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost::mailbox::password::{self, Parameters};
use gatepost_standin::{Claims, Standin};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, sink};
use tokio::process::{Child, ChildStderr, Command};
use tokio_rustls::TlsConnector;

use crate::Outcome;
use crate::client::Way;

/// The argument that makes this program the stand-in.
pub(crate) const STANDIN: &str = "standin";

/// The first message of the mailbox, and what uploads are made of: large enough that commands don't count.
pub(crate) const LARGE: usize = 32 << 20;
/// The second one: a mail with a small attachment.
pub(crate) const SMALL: usize = 256 << 10;

const MAILBOX: &str = "scanner@contoso.example";
pub(crate) const USER: &str = "scanner";
/// The user of the same mailbox whose SMTP connections are spliced.
pub(crate) const SPLICED: &str = "scanner-spliced";
/// The user of the same mailbox whose password isn't hashed.
pub(crate) const CLEAR: &str = "scanner-clear";
pub(crate) const PASSWORD: &str = "correct horse";
const APPLICATION: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// Is the stand-in until the standard input closes.
pub(crate) async fn standin() -> Outcome<()> {
    let standin = Standin::start().await?;
    for octets in [LARGE, SMALL] {
        standin.store().deliver(MAILBOX, "INBOX", message(octets));
    }
    let facts = json!({
        "imap": standin.imap(),
        "smtp": standin.smtp(),
        "token_endpoint": standin.token_endpoint(),
        "ca": standin.ca_pem(),
        "token": standin.issue_token(Claims::app(APPLICATION, &["IMAP.AccessAsApp"])),
    });
    writeln!(std::io::stdout(), "{facts}")?;
    // An input that can't be read is as good as closed.
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut sink()).await;
    Ok(())
}

/// A message of about so many octets in lines of ordinary length.
pub(crate) fn message(octets: usize) -> Vec<u8> {
    let line = format!("{}\r\n", "gatepost".repeat(9));
    let mut message = b"Subject: load\r\n\r\n".to_vec();
    message.extend(line.bytes().cycle().take(octets));
    message.extend_from_slice(b"\r\n");
    message
}

/// A running stand-in, and what gateposts in front of it need.
pub(crate) struct Rig {
    facts: Value,
    directory: TempDir,
    hash: String,
    tls: TlsConnector,
    _standin: Child,
}

/// A running gatepost. It ends when dropped.
pub(crate) struct Gatepost {
    pub(crate) pid: u32,
    /// From its start to its first open port.
    pub(crate) started_in: Duration,
    pub(crate) address: SocketAddr,
    /// Where PROXY headers say who comes.
    behind_proxy: SocketAddr,
    pub(crate) smtp: SocketAddr,
    _process: Child,
}

impl Rig {
    pub(crate) async fn start() -> Outcome<Self> {
        let mut standin = Command::new(std::env::current_exe()?)
            .arg(STANDIN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(standin.stdout.take().ok_or("no output")?).lines();
        let line = lines.next_line().await?.ok_or("the stand-in doesn't start")?;
        let facts: Value = serde_json::from_str(&line)?;
        let directory = TempDir::new()?;
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, text(&facts, "ca")?)?;
        let hash =
            password::hash(&PASSWORD.into(), [7; password::SALT_LENGTH], &Parameters::default())?;
        Ok(Self { facts, directory, hash, tls: connector(&ca)?, _standin: standin })
    }

    /// Starts a gatepost with so many mailboxes, of which the last leads somewhere.
    pub(crate) async fn gatepost(&self, mailboxes: usize) -> Outcome<Gatepost> {
        let config = self.directory.path().join(format!("config-{mailboxes}.toml"));
        std::fs::write(&config, self.configuration(mailboxes)?)?;
        let start = Instant::now();
        let mut process = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(["run", "--config"])
            .arg(&config)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut journal = BufReader::new(process.stderr.take().ok_or("no journal")?).lines();
        let address = listening(&mut journal).await?;
        let started_in = start.elapsed();
        let behind_proxy = listening(&mut journal).await?;
        let smtp = listening(&mut journal).await?;
        tokio::spawn(async move { tokio::io::copy(journal.get_mut(), &mut sink()).await });
        let pid = process.id().ok_or("gatepost is gone")?;
        Ok(Gatepost { pid, started_in, address, behind_proxy, smtp, _process: process })
    }

    /// The way of a client that needs no gatepost.
    pub(crate) fn direct(&self) -> Outcome<Way> {
        let token = text(&self.facts, "token")?;
        let initial = format!("user={MAILBOX}\x01auth=Bearer {token}\x01\x01");
        Ok(Way::Direct {
            address: text(&self.facts, "imap")?.parse()?,
            tls: self.tls.clone(),
            initial: STANDARD.encode(initial),
        })
    }

    fn configuration(&self, mailboxes: usize) -> Outcome<String> {
        let endpoint = text(&self.facts, "token_endpoint")?;
        let port = |service| -> Outcome<u16> {
            Ok(text(&self.facts, service)?.parse::<SocketAddr>()?.port())
        };
        let (imap, smtp) = (port("imap")?, port("smtp")?);
        let mut config = format!(
            r#"name = "gatepost.contoso.example"
state_directory = "state"
[log]
format = "json"
[limits]
connections = 16384
strangers = 16384
connections_per_mailbox = 4096
[timeouts]
login_idle = "1h"
login_total = "1h"
[tls]
ca_file = "ca.pem"
[[listener]]
protocol = "imap"
address = "127.0.0.1:0"
[[listener]]
protocol = "imap"
address = "127.0.0.1:0"
proxy_protocol = true
proxy_from = "127.0.0.1"
[[listener]]
protocol = "smtp"
address = "127.0.0.1:0"
[provider.contoso]
preset = "microsoft"
token_endpoint = "{endpoint}"
client_id = "{APPLICATION}"
grant = "client_credentials"
client_secret = "standin-secret-value"
[provider.contoso.imap]
host = "localhost"
port = {imap}
[provider.contoso.smtp]
host = "localhost"
port = {smtp}
"#
        );
        let hash = &self.hash;
        for number in 1..mailboxes {
            write_mailbox(
                &mut config,
                hash,
                &format!("device-{number}@contoso.example"),
                &format!("device-{number}"),
            )?;
        }
        writeln!(
            config,
            "[[mailbox]]\naddress = \"{MAILBOX}\"\nprovider = \"contoso\"\nuser = \"{CLEAR}\"\npassword = \"{PASSWORD}\""
        )?;
        write_mailbox(&mut config, hash, MAILBOX, SPLICED)?;
        write_mailbox(&mut config, hash, MAILBOX, USER)?;
        config.push_str("smtp_mode = \"submission\"\nmessages_per_minute = 0\n");
        Ok(config)
    }
}

impl Gatepost {
    /// The way of a client that knows a password alone.
    pub(crate) fn way(&self) -> Way {
        self.way_as(USER)
    }

    /// The same by another user's name.
    pub(crate) fn way_as(&self, user: &str) -> Way {
        let (header, user) = (String::new(), user.to_owned());
        Way::Gatepost { address: self.address, header, user, password: PASSWORD }
    }

    /// The same from another address than this machine's own, whose guesses nobody slows down.
    pub(crate) fn way_from(&self, client: Ipv4Addr, user: &str, password: &'static str) -> Way {
        Way::Gatepost {
            address: self.behind_proxy,
            header: format!("PROXY TCP4 {client} 192.0.2.1 4711 143\r\n"),
            user: user.to_owned(),
            password,
        }
    }
}

/// The next address that gatepost says it listens at.
async fn listening(journal: &mut Lines<BufReader<ChildStderr>>) -> Outcome<SocketAddr> {
    loop {
        let line = journal.next_line().await?.ok_or("gatepost doesn't start")?;
        let event: Value = serde_json::from_str(&line).map_err(|_| line)?;
        if event["message"] == "listening" {
            return Ok(text(&event, "address")?.parse()?);
        }
    }
}

fn write_mailbox(config: &mut String, hash: &str, address: &str, user: &str) -> std::fmt::Result {
    writeln!(
        config,
        "[[mailbox]]\naddress = \"{address}\"\nprovider = \"contoso\"\nuser = \"{user}\"\npassword_hash = \"{hash}\""
    )
}

fn connector(ca: &Path) -> Outcome<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for certificate in rustls_pemfile::certs(&mut std::fs::read(ca)?.as_slice()) {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn text<'a>(facts: &'a Value, key: &str) -> Outcome<&'a str> {
    Ok(facts[key].as_str().ok_or_else(|| format!("no {key} in {facts}"))?)
}
