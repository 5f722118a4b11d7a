//! The client's half of SMTP after a login.

use super::downstream::{multiline, reply};
use super::grammar::{self, Command, Unfit};
use super::passed_on;
use crate::proto::{Clearance, Inbox, Ready, Refusal, Session, Step};

/// Between the login and the first command that is the upstream's to answer. EHLO stays here because
/// Exchange judges the name in it; a second AUTH stays here because it holds a local password.
pub(super) struct Doorway {
    pub(super) name: String,
    pub(super) ready: Ready,
    pub(super) welcome: Option<&'static str>,
}

impl Session for Doorway {
    type Outcome = Clearance;

    fn advance(&mut self, inbox: &mut Inbox) -> Result<Step<Clearance>, Refusal> {
        if let Some(welcome) = self.welcome.take() {
            return Ok(reply(welcome));
        }
        let line = match inbox.peek_line() {
            Some(line) if line.len() <= LONGEST_DOORWAY_LINE => line,
            None if inbox.len() < LONGEST_DOORWAY_LINE => return Ok(Step::Read),
            _ => return Ok(self.open()),
        };
        let answer = match grammar::command(line.trim_ascii_end()) {
            Ok(Command::Ehlo) => self.ehlo(),
            Ok(Command::Helo) => multiline(std::slice::from_ref(&self.name)),
            // Before mail there is nothing to reset, and an EHLO or AUTH may still follow.
            Ok(Command::Noop | Command::Rset) => b"250 2.0.0 OK\r\n".to_vec(),
            Ok(Command::Auth { .. }) => b"503 5.5.1 Already authenticated\r\n".to_vec(),
            Ok(Command::StartTls) => b"503 5.5.1 STARTTLS comes before AUTH\r\n".to_vec(),
            // Perhaps an AUTH with a password and something behind it.
            Err(Unfit::Arguments) => b"501 5.5.4 Invalid arguments\r\n".to_vec(),
            _ => return Ok(self.open()),
        };
        let length = line.len();
        inbox.octets(length);
        Ok(Step::write(answer))
    }
}

/// A command longer than this is none of those that stay in the doorway.
const LONGEST_DOORWAY_LINE: usize = 16 * 1024;

impl Doorway {
    fn open(&self) -> Step<Clearance> {
        Step::Done(Clearance::of(&self.ready))
    }

    fn ehlo(&self) -> Vec<u8> {
        let mut lines = vec![self.name.clone()];
        lines.extend(passed_on(&self.ready.announced().after_login).map(str::to_owned));
        multiline(&lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Announced;

    /// What the doorway says to a line, and whether it then opens.
    fn says(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let ready = Ready::new(Announced::default());
        let mut doorway = Doorway { name: "x".to_owned(), ready, welcome: None };
        let (mut inbox, mut said) = (Inbox::default(), Vec::new());
        for piece in pieces {
            inbox.push(piece);
            loop {
                match doorway.advance(&mut inbox).unwrap() {
                    Step::Read => break,
                    Step::Write(bytes) => said.extend_from_slice(&bytes),
                    Step::StartTls | Step::Done(_) => return (said, true),
                }
            }
        }
        (said, false)
    }

    #[test]
    fn the_doorway_judges_a_line_by_its_length_however_it_arrives() {
        for (length, opens) in [(LONGEST_DOORWAY_LINE, false), (LONGEST_DOORWAY_LINE + 1, true)] {
            let line = format!("EHLO {}\r\n", "x".repeat(length - 7));
            let whole = says(&[line.as_bytes()]);
            assert_eq!(whole.1, opens, "{length} octets");
            for cut in [5, length - 2, length - 1] {
                let (first, second) = line.as_bytes().split_at(cut);
                assert_eq!(says(&[first, second]), whole, "{length} octets, cut at {cut}");
            }
        }
    }
}
