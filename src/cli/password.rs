//! `gatepost password`: local passwords, those of mailboxes and those of their devices.

mod device;
mod hash;
mod list;
mod scope;

use clap::{Args, Subcommand};

use super::{Arguments, Failure, examples};
use crate::mailbox::DeviceName;
use scope::ScopeArguments;

#[derive(Subcommand)]
pub(super) enum PasswordCommand {
    /// Turn a local password into a hash
    ///
    /// Asks twice on a terminal, else reads one line from the standard input. Prints the hash alone.
    #[command(after_long_help = examples::HASH_EXAMPLES)]
    Hash,
    /// Make a password for one device
    ///
    /// Prints it once, alone on the standard output, in groups for typing. It works at once with a running
    /// service, beside the mailbox's own password and those of its other devices.
    #[command(after_long_help = examples::ADD_EXAMPLES)]
    Add {
        #[command(flatten)]
        device: DeviceArguments,
        #[command(flatten)]
        scope: ScopeArguments,
        /// Ask for the password instead of making one; the device logs in as USER+NAME
        #[arg(long)]
        own: bool,
        /// Print lines for the configuration on the standard output, and change nothing
        #[arg(long)]
        print: bool,
    },
    /// Show the devices that have passwords, and when they were last used
    List {
        /// The mailbox's address or user name; all of them without it
        mailbox: Option<String>,
    },
    /// End a device's password
    ///
    /// No login gets in with it from now on.
    Revoke {
        #[command(flatten)]
        device: DeviceArguments,
        /// End the sessions that it opened, too, within a second or so
        #[arg(long)]
        kick: bool,
    },
    /// Give a device another password, good where the former one was
    Rotate {
        #[command(flatten)]
        device: DeviceArguments,
        /// Ask for the password instead of making one; the device logs in as USER+NAME
        #[arg(long)]
        own: bool,
        /// End the sessions that the former one opened, too, within a second or so
        #[arg(long)]
        kick: bool,
    },
}

/// Which device is meant.
#[derive(Args)]
pub(super) struct DeviceArguments {
    /// The mailbox's address or user name
    mailbox: String,
    /// What to call the device: a-z, 0-9, '.', '_' and '-'
    name: DeviceName,
}

/// Does what the command says.
pub(super) fn perform(command: &PasswordCommand, arguments: &Arguments) -> Result<(), Failure> {
    use device::{Former, Origin, Sink};
    let origin = |own| if own { Origin::Asked } else { Origin::Made };
    let former = |kick| if kick { Former::Cut } else { Former::GoesOn };
    match command {
        PasswordCommand::Hash => hash::print(),
        PasswordCommand::Add { device, scope, own, print } => {
            let sink = if *print { Sink::Print } else { Sink::State };
            device::add(&arguments.load()?, device, scope.scope(), (origin(*own), sink))
        }
        PasswordCommand::List { mailbox } => list::list(&arguments.load()?, mailbox.as_deref()),
        PasswordCommand::Revoke { device, kick } => {
            device::revoke(&arguments.load()?, device, former(*kick))
        }
        PasswordCommand::Rotate { device, own, kick } => {
            device::rotate(&arguments.load()?, device, (origin(*own), former(*kick)))
        }
    }
}
