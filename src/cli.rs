//! The command line: one subcommand a file.

mod check;
#[cfg(feature = "demo")]
mod demo;
mod explain;
mod journal;
mod password;
mod run;

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use annotate_snippets::Renderer;
use clap::{ArgAction, Parser, Subcommand, error::ErrorKind};

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
    /// Make password hashes for the configuration
    #[command(subcommand)]
    Password(PasswordCommand),
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
        Command::Password(PasswordCommand::Hash) => password::hash(),
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
    /// gatepost itself is at fault.
    #[cfg(feature = "demo")]
    Software = 70,
    /// The operating system lacks something.
    System = 71,
    /// The configuration is wrong.
    Config = 78,
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
