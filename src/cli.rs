//! The command line: one subcommand a file.

mod check;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod entra_script;
mod explain;
mod facts;
mod journal;
mod key;
mod password;
mod run;
mod token;

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use annotate_snippets::Renderer;
use clap::{ArgAction, Parser, Subcommand, error::ErrorKind};
use serde::{Serialize, Serializer};

use crate::config::{self, Config, NotFound};

/// Lets programs that only know a user name and a password read and send mail through OAuth 2.0.
///
/// gatepost listens where old programs can reach it, checks their passwords, obtains access tokens for
/// their mailboxes and connects them to the mail service.
#[derive(Parser)]
#[command(name = "gatepost", version, after_help = PLACES, after_long_help = EXAMPLES)]
struct Arguments {
    /// The configuration, instead of the first that is in one of the usual places
    #[arg(short, long, value_name = "FILE", env = "GATEPOST_CONFIG", global = true)]
    config: Option<PathBuf>,

    /// Write more into the journal: -v for the steps of connections, -vv for those of sessions
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until told to stop
    Run,
    /// Say what is wrong with the configuration, or what it comes to
    ///
    /// Reads the configuration, all secrets and certificates it names, and prints what would listen and
    /// lead where. Opens no port and asks no network. Ends with 0 where gatepost could run, with 78
    /// where the configuration is wrong.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check,
    /// Find out why a mailbox doesn't open, and what to do about it
    ///
    /// Goes the whole way step by step: configuration, clock, names, connections and TLS, the access
    /// token and what it says, the login of each protocol, the mailbox itself, and for SMTP the sender.
    /// No mail is sent. Ends with 0 where all is well, else with the code of the worst trouble: 78 the
    /// configuration, 77 a missing sign-in or permission, 69 a host that can't be reached, 75 trouble
    /// that passes.
    #[command(after_long_help = DOCTOR_EXAMPLES)]
    Doctor {
        /// The address or user of one mailbox, instead of all
        mailbox: Option<String>,
        /// Write one JSON document, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Print an access token of a mailbox, for other programs
    ///
    /// For mutt, msmtp, curl, and scripts that use Graph or EWS: what gatepost would show the mail host.
    /// The token opens the mailbox for about an hour; it goes to the standard output and nowhere else.
    #[command(after_long_help = TOKEN_EXAMPLES)]
    Token {
        /// The address or user of the mailbox
        mailbox: String,
        /// What the token is for: exchange, graph, ews, a URL, or scopes; without it, the mail
        #[arg(long)]
        resource: Option<String>,
        /// Write one JSON document, for scripts
        #[arg(long)]
        json: bool,
        /// Show what the token says, with notes, instead of the token
        #[arg(long)]
        show_claims: bool,
    },
    /// Print the commands that make a Microsoft 365 tenant ready for this configuration
    ///
    /// A commented PowerShell script that registers the application, consents to its permissions and
    /// lets it at the mailboxes that the configuration names. gatepost runs nothing of it.
    #[command(after_long_help = ENTRA_EXAMPLES)]
    EntraScript {
        /// The provider, instead of all whose tokens come from Entra
        #[arg(long)]
        provider: Option<String>,
        /// The way in, instead of the one that the provider's grant needs
        #[arg(long)]
        variant: Option<entra_script::Variant>,
    },
    /// Make password hashes for the configuration
    #[command(subcommand)]
    Password(PasswordCommand),
    /// Make and change the keys that seal stored sign-ins
    #[command(subcommand)]
    Key(KeyCommand),
    /// Say what a mail host's reply or an authority's error means, and what to do
    #[command(after_long_help = EXPLAIN_EXAMPLES)]
    Explain {
        /// The line as it was said; several words are taken for one line
        #[arg(required = true, allow_hyphen_values = true, trailing_var_arg = true)]
        words: Vec<String>,
    },
    /// Show the whole chain on this machine, against a built-in stand-in for Microsoft 365
    ///
    /// Sends a message through gatepost by SMTP and reads it back by IMAP, with a user name and a
    /// password, and shows both dialogues: what the old program said, and what Microsoft 365 heard.
    /// Then stays up for tries of your own.
    #[cfg(feature = "demo")]
    Demo {
        /// End after the round trip instead of staying up
        #[arg(long)]
        once: bool,
    },
}

#[derive(Subcommand)]
enum PasswordCommand {
    /// Turn a local password into a hash
    ///
    /// Asks twice on a terminal, else reads one line from the standard input. Prints the hash alone.
    #[command(after_long_help = HASH_EXAMPLES)]
    Hash,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Print a new key
    ///
    /// For a key file or another secret store, which the configuration names under [store]. Without
    /// such a name gatepost makes a key file of its own in the state directory.
    #[command(after_long_help = GENERATE_EXAMPLES)]
    Generate,
    /// Seal all stored sign-ins with a new key
    ///
    /// May be run beside a running service, and again after a crash: the old key goes when every
    /// sign-in is sealed with the new one. Where the configuration names the keys, its first key is
    /// the one to seal with: put the new key above the old one, rotate, then remove the old one.
    Rotate,
}

const PLACES: &str =
    "Without -c: $XDG_CONFIG_HOME/gatepost/config.toml, then /etc/gatepost/config.toml.";

const EXAMPLES: &str = "\
The configuration is the first of
  --config FILE
  $GATEPOST_CONFIG
  $XDG_CONFIG_HOME/gatepost/config.toml, or ~/.config/gatepost/config.toml, except for root
  /etc/gatepost/config.toml
  %ProgramData%\\gatepost\\config.toml on Windows

Examples:
  gatepost check -c ./config.toml
  gatepost run
  gatepost password hash";

const CHECK_EXAMPLES: &str = "\
Examples:
  gatepost check
  gatepost check -c ./config.toml && systemctl reload gatepost";

const GENERATE_EXAMPLES: &str = "\
Examples:
  (umask 077; gatepost key generate > /etc/gatepost/store.key)
  gatepost key generate | systemd-creds encrypt - /etc/credstore.encrypted/gatepost-store";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  gatepost doctor
  gatepost doctor scanner@contoso.example
  gatepost doctor --json | jq -r '.checks[] | select(.outcome == \"fail\") | .remedy'";

const TOKEN_EXAMPLES: &str = "\
Examples:
  gatepost token scanner@contoso.example --show-claims
  curl -H \"Authorization: Bearer $(gatepost token scanner@contoso.example --resource graph)\" \\
    https://graph.microsoft.com/v1.0/users/scanner@contoso.example/messages
  gatepost token scanner@contoso.example --resource ews --json | jq -r .access_token";

const ENTRA_EXAMPLES: &str = "\
Examples:
  gatepost entra-script > register.ps1
  gatepost entra-script --provider contoso --variant rbac";

const HASH_EXAMPLES: &str = "\
Examples:
  gatepost password hash
  pwgen -s 24 1 | tee /dev/stderr | gatepost password hash";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  gatepost explain \"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.\"
  gatepost explain AADSTS700082";

/// Does what the command line says.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match perform(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit.into()
        }
    }
}

fn perform(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Run => run::run(arguments),
        Command::Check => check::check(&arguments.load()?),
        Command::Doctor { mailbox, json } => {
            let form = if *json { doctor::Form::Json } else { doctor::Form::Text };
            doctor::doctor(arguments, mailbox.as_deref(), form)
        }
        Command::Token { mailbox, resource, json, show_claims } => {
            let form = if *json { token::Form::Json } else { token::Form::Text };
            let show = if *show_claims { token::Show::Claims } else { token::Show::Token };
            let resource = resource.as_deref();
            token::token(arguments, &token::Ask { mailbox, resource, form, show })
        }
        Command::EntraScript { provider, variant } => {
            entra_script::entra_script(&arguments.load()?, provider.as_deref(), *variant)
        }
        Command::Password(PasswordCommand::Hash) => password::hash(),
        Command::Key(KeyCommand::Generate) => key::generate(),
        Command::Key(KeyCommand::Rotate) => key::rotate(&arguments.load()?),
        Command::Explain { words } => explain::explain(&words.join(" ")),
        #[cfg(feature = "demo")]
        Command::Demo { once } => {
            demo::run(arguments, if *once { demo::Stay::Once } else { demo::Stay::Up })
        }
    }
}

/// Help and version are no errors; clap's own exit code for the rest isn't that of sysexits.h.
fn usage(error: &clap::Error) -> ExitCode {
    // A closed pipe, as of `gatepost --help | head`, is nobody's problem.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => Exit::Usage.into(),
    }
}

impl Arguments {
    /// The configuration that the command line leads to.
    fn load(&self) -> Result<Config, Failure> {
        let path = match &self.config {
            Some(path) => path.clone(),
            None => config::find()?,
        };
        Ok(Config::load(&path)?)
    }
}

/// Exit codes of sysexits.h: what a service manager or script can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// The command line makes no sense.
    Usage = 64,
    /// What was read makes no sense.
    Data = 65,
    /// The configuration can't be found or read.
    NoInput = 66,
    /// A host can't be reached.
    Unavailable = 69,
    /// gatepost itself is at fault.
    #[cfg(feature = "demo")]
    Software = 70,
    /// The operating system lacks something.
    System = 71,
    /// A file can't be written.
    Io = 74,
    /// It would pass with time.
    TryAgain = 75,
    /// Somebody must sign in, or be granted something.
    Denied = 77,
    /// The configuration is wrong.
    Config = 78,
}

impl Exit {
    /// Which of several to end with: what an operator must mend here comes before what must be mended
    /// elsewhere, and that before what mends itself.
    fn gravity(self) -> u8 {
        match self {
            Self::TryAgain => 0,
            Self::Unavailable => 1,
            Self::Denied => 2,
            Self::Config => 3,
            _ => 4,
        }
    }
}

impl Serialize for Exit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that came to nothing.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    fn new(exit: Exit, error: impl fmt::Display) -> Self {
        Self { exit, text: format!("gatepost: {error}") }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<NotFound> for Failure {
    fn from(error: NotFound) -> Self {
        Self::new(Exit::NoInput, error)
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        match error {
            config::Error::Unreadable(error) => Self::new(Exit::NoInput, error),
            config::Error::Invalid(invalid) => {
                Self { exit: Exit::Config, text: invalid.render(&renderer()) }
            }
            config::Error::Randomness(_) => Self::new(Exit::System, error),
        }
    }
}

/// Colours where a person reads, unless they said no (no-color.org).
fn renderer() -> Renderer {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stderr().is_terminal() && !plain { Renderer::styled() } else { Renderer::plain() }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
