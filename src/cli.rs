//! The command line: one subcommand a file.

mod cert;
mod check;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod entra_script;
mod examples;
mod exit;
mod explain;
mod facts;
mod journal;
mod key;
mod login;
mod password;
mod run;
mod signals;
mod supervisor;
mod table;
mod token;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand, error::ErrorKind};

use crate::config::{self, Config, NotFound};
use exit::{Exit, Failure};
use password::PasswordCommand;

/// Lets programs that only know a user name and a password read and send mail through OAuth 2.0.
///
/// gatepost listens where old programs can reach it, checks their passwords, obtains access tokens for
/// their mailboxes and connects them to the mail service.
#[derive(Parser)]
#[command(name = "gatepost", version, after_help = examples::PLACES, after_long_help = examples::EXAMPLES)]
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
    #[command(after_long_help = examples::CHECK_EXAMPLES)]
    Check,
    /// Make certificates for listeners
    #[command(subcommand)]
    Cert(CertCommand),
    /// Sign in for a mailbox, here or on another device
    ///
    /// A person signs in once; gatepost renews that from then on. Works over ssh, before any program has
    /// connected, and while gatepost runs. Without a screen a code is shown that is typed in on any
    /// other device; with one, a browser opens. Whoever signs in must be the mailbox's own account, or
    /// the one that its `signed_in_as` names.
    #[command(after_long_help = examples::LOGIN_EXAMPLES)]
    Login {
        /// The address or user of the mailbox
        #[arg(required_unless_present = "all")]
        mailbox: Option<String>,
        /// Sign in for every mailbox whose sign-in is missing or has ended
        #[arg(long, conflicts_with = "mailbox")]
        all: bool,
        #[command(flatten)]
        way: LoginWay,
    },
    /// Find out why a mailbox doesn't open, and what to do about it
    ///
    /// Goes the whole way step by step: configuration, clock, names, connections and TLS, the access
    /// token and what it says, the login of each protocol, the mailbox itself, and for SMTP the sender.
    /// No mail is sent. Ends with 0 where all is well, else with the code of the worst trouble: 78 the
    /// configuration, 77 a missing sign-in or permission, 69 a host that can't be reached, 75 trouble
    /// that passes.
    #[command(after_long_help = examples::DOCTOR_EXAMPLES)]
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
    #[command(after_long_help = examples::TOKEN_EXAMPLES)]
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
    #[command(after_long_help = examples::ENTRA_EXAMPLES)]
    EntraScript {
        /// The provider, instead of all whose tokens come from Entra
        #[arg(long)]
        provider: Option<String>,
        /// The way in, instead of the one that the provider's grant needs
        #[arg(long)]
        variant: Option<entra_script::Variant>,
    },
    /// Make local passwords: hashes for the configuration, and passwords of devices
    #[command(subcommand)]
    Password(PasswordCommand),
    /// Say what a mail host's reply or an authority's error means, and what to do
    #[command(after_long_help = examples::EXPLAIN_EXAMPLES)]
    Explain {
        /// The line as it was said; several words are taken for one line
        #[arg(required = true, allow_hyphen_values = true, trailing_var_arg = true)]
        words: Vec<String>,
    },
    /// Make and change the keys that seal stored sign-ins
    #[command(subcommand)]
    Key(key::Command),
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

/// The way to sign in, instead of the one that fits this machine.
#[derive(clap::Args)]
#[group(multiple = false)]
struct LoginWay {
    /// Show a code, to be typed in on any other device
    #[arg(long)]
    device: bool,
    /// Open a browser on this machine
    #[arg(long)]
    browser: bool,
    /// Show an address for a browser anywhere, and take back the one it ends at
    #[arg(long)]
    paste: bool,
}

impl LoginWay {
    fn choice(&self) -> Option<login::Choice> {
        let flags = [
            (self.device, login::Choice::Device),
            (self.browser, login::Choice::Browser),
            (self.paste, login::Choice::Paste),
        ];
        flags.into_iter().find(|(set, _)| *set).map(|(_, way)| way)
    }
}

#[derive(Subcommand)]
enum CertCommand {
    /// Make a key and a certificate, signed by an authority of your own
    ///
    /// Writes them to certs/ beside the configuration, named for the first HOST. The authority (ca.pem,
    /// ca.key) is made the first time and signs from then on: devices have to be told of it once.
    #[command(after_long_help = examples::CERT_EXAMPLES)]
    New {
        /// The names and addresses that devices connect to
        #[arg(required = true, value_name = "HOST")]
        hosts: Vec<String>,
        /// Replace key and certificate of the first HOST; the authority stays
        #[arg(long)]
        force: bool,
        /// Another folder than certs/ beside the configuration
        #[arg(long, value_name = "FOLDER")]
        into: Option<PathBuf>,
    },
}

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
        Command::Cert(CertCommand::New { hosts, force, into }) => {
            let existing = if *force { cert::Existing::Replace } else { cert::Existing::Keep };
            cert::new(hosts, &arguments.certificates(into.as_deref())?, existing)
        }
        Command::Login { mailbox, way, .. } => {
            login::login(arguments, mailbox.as_deref(), way.choice())
        }
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
        Command::Password(command) => password::perform(command, arguments),
        Command::Explain { words } => explain::explain(&words.join(" ")),
        Command::Key(command) => command.perform(arguments),
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
        Ok(Config::load(&self.path()?)?)
    }

    fn path(&self) -> Result<PathBuf, NotFound> {
        self.config.clone().map_or_else(config::find, Ok)
    }

    /// Where certificates go, unless the command line says.
    fn certificates(&self, into: Option<&Path>) -> Result<PathBuf, NotFound> {
        match into {
            Some(folder) => Ok(folder.to_owned()),
            None => Ok(self.path()?.parent().unwrap_or_else(|| Path::new("")).join("certs")),
        }
    }
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
