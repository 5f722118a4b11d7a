//! `gatepost demo`: the whole chain on this machine, against the stand-in for Microsoft 365.

mod program;
mod transcript;

use std::io::{self, Write as _};
use std::net::SocketAddr;

use gatepost_standin::Standin;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::run::runtime;
use super::signals::Stop;
use super::{Arguments, Exit, Failure, journal};
use crate::config::{Config, Log, LogFormat, LogLevel};
use crate::daemon::Daemon;
use program::Program;

/// The mailbox of the demonstration, and the user name that the old program knows.
const ADDRESS: &str = "scanner@contoso.example";
const USER: &str = "scanner";

/// Whether to stay up once the message has made its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// Until told to stop.
    Up,
    /// No.
    Once,
}

/// Sends a message and reads it back, shows what was said, and stays up for the reader's own tries.
///
/// # Errors
/// What went wrong on the way, which is a bug of gatepost's or of this machine's loopback.
pub(super) fn run(arguments: &Arguments, stay: Stay) -> Result<(), Failure> {
    runtime()?
        .block_on(demonstrate(arguments, stay))
        .map_err(|error| Failure::new(Exit::Software, error))?
}

async fn demonstrate(arguments: &Arguments, stay: Stay) -> io::Result<Result<(), Failure>> {
    let standin = Standin::start().await?;
    let folder = TempDir::new()?;
    let password = generate_password()?;
    let config = match configure(&folder, &standin, &password) {
        Ok(config) => config,
        Err(failure) => return Ok(Err(failure)),
    };
    let daemon = Daemon::bind(config).await.map_err(io::Error::other)?;
    let address = |protocol| {
        daemon.addresses().find(|(name, _)| *name == protocol).map(|(_, address)| address)
    };
    let (Some(smtp), Some(imap)) = (address("smtp"), address("imap")) else {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    };
    let stop = CancellationToken::new();
    let service = tokio::spawn(daemon.run(stop.clone()));

    let mut program = Program::default();
    program.send(smtp, &password).await?;
    program.read(imap, &password).await?;
    let heard = standin.dialogue();
    let requests = standin.counters().token_requests.count();
    let mut page = transcript::render(program.said(), &heard);
    page.push_str(&summary(requests));
    if stay == Stay::Up {
        page.push_str(&invitation(smtp, imap, &password));
        // Whoever has read the page may end it.
        let mut told_to_stop = Stop::heed()?;
        io::stdout().write_all(page.as_bytes())?;
        // Only now: the transcript is what there is to see first.
        let log = Log { format: LogFormat::Text, level: LogLevel::Info };
        let _ = journal::start(log, arguments.verbose);
        told_to_stop.told().await;
    } else {
        io::stdout().write_all(page.as_bytes())?;
    }
    stop.cancel();
    service.await.map_err(io::Error::other)?;
    Ok(Ok(()))
}

/// gatepost's configuration, and the stand-in's certificate authority beside it.
fn configure(folder: &TempDir, standin: &Standin, password: &str) -> Result<Config, Failure> {
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text)
            .map_err(|error| Failure::new(Exit::System, error))
            .map(|()| path)
    };
    write("ca.pem", standin.ca_pem())?;
    let path = write("config.toml", &configuration(standin, password))?;
    Ok(Config::load(&path)?)
}

/// A configuration as an operator would write it, with the stand-in in place of Microsoft's hosts.
fn configuration(standin: &Standin, password: &str) -> String {
    let endpoint = standin.token_endpoint();
    let (smtp, imap) = (standin.smtp().port(), standin.imap().port());
    format!(
        r#"state_directory = "state"
name = "gatepost.contoso.example"

[[listener]]
protocol = "smtp"
address = "127.0.0.1:0"

[[listener]]
protocol = "imap"
address = "127.0.0.1:0"

[provider.contoso]
preset = "microsoft"
token_endpoint = "{endpoint}"
client_id = "aaaaaaaa-0000-4000-8000-000000000001"
grant = "client_credentials"
client_secret = "standin-secret-value"
smtp = {{ host = "localhost", port = {smtp} }}
imap = {{ host = "localhost", port = {imap} }}

[[mailbox]]
address = "{ADDRESS}"
provider = "contoso"
user = "{USER}"
password = "{password}"

[tls]
ca_file = "ca.pem"

[timeouts]
drain = "1s"
"#
    )
}

/// Sixteen letters in groups of four, from 80 random bits.
fn generate_password() -> io::Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let letters: Vec<_> =
        random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    Ok(letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-"))
}

fn summary(requests: u64) -> String {
    let requests = if requests == 1 {
        "1 token request".to_owned()
    } else {
        format!("{requests} token requests")
    };
    format!(
        "\nOne message sent by SMTP and read back by IMAP, with a password, through OAuth 2.0: {requests}.\n"
    )
}

fn invitation(smtp: SocketAddr, imap: SocketAddr, password: &str) -> String {
    format!(
        r#"
Try it yourself; gatepost and the stand-in stay up until Ctrl-C.

Send and read with curl:

  printf 'From: {ADDRESS}\r\nTo: {ADDRESS}\r\nSubject: from curl\r\n\r\nIt works.\r\n' |
    curl --url smtp://{smtp} --user {USER}:{password} \
         --mail-from {ADDRESS} --mail-rcpt {ADDRESS} --upload-file -
  curl --url 'imap://{imap}/INBOX;MAILINDEX=*' --user {USER}:{password}

Settings for a mail program:

  address   {ADDRESS}
  incoming  IMAP  server {imap_host}  port {imap_port}  connection security: none
  outgoing  SMTP  server {smtp_host}  port {smtp_port}  connection security: none
  user      {USER}
  password  {password}  (normal password, transmitted insecurely: it stays on this machine)

"#,
        imap_host = imap.ip(),
        imap_port = imap.port(),
        smtp_host = smtp.ip(),
        smtp_port = smtp.port(),
    )
}
