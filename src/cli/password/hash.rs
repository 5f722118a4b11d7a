//! `gatepost password hash`: the password goes in unseen, only the hash comes out.

use std::io::{self, BufRead, IsTerminal, Read};

use crate::cli::{Exit, Failure};
use crate::mailbox::password::{Parameters, SALT_LENGTH, hash as hash_password};
use crate::secret::Secret;

/// Octets of a password: what a login can carry (RFC 4616 section 2).
const MAX_LENGTH: usize = 255;

/// Asks for a password and prints its hash.
pub(super) fn print() -> Result<(), Failure> {
    println!("{}", ask_for()?);
    Ok(())
}

/// Asks for a password; its hash.
pub(super) fn ask_for() -> Result<String, Failure> {
    let password = if io::stdin().is_terminal() { ask()? } else { read()? };
    check(&password)?;
    let mut salt = [0; SALT_LENGTH];
    getrandom::fill(&mut salt).map_err(|error| Failure::new(Exit::System, error))?;
    hash_password(&password, salt, &Parameters::default())
        .map_err(|_| Failure::new(Exit::System, "not enough memory to hash a password"))
}

fn ask() -> Result<Secret<String>, Failure> {
    let prompt = |text| {
        rpassword::prompt_password(text).map(Secret::new).map_err(|error| unreadable(&error))
    };
    let password = prompt("Password: ")?;
    if prompt("Once more: ")? != password {
        return Err(Failure::new(Exit::Data, "the two differ"));
    }
    Ok(password)
}

fn read() -> Result<Secret<String>, Failure> {
    // Room for all of it at once: growth would leave copies behind.
    let mut line = String::with_capacity(1024);
    io::stdin().lock().take(1024).read_line(&mut line).map_err(|error| unreadable(&error))?;
    let length = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(length);
    Ok(Secret::new(line))
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(Exit::NoInput, format!("can't read the password: {error}"))
}

fn check(password: &Secret<String>) -> Result<(), Failure> {
    let text = password.reveal();
    let complaint = match text.len() {
        0 => "the password is empty, and no login with an empty one is let in",
        length if length > MAX_LENGTH => {
            "the password is longer than the 255 octets that a login carries"
        }
        _ if text.contains('\0') => "the password holds a NUL, which no login carries",
        _ => return Ok(()),
    };
    Err(Failure::new(Exit::Data, complaint))
}
