//! Whole commands out of lines and literals.

use zeroize::Zeroizing;

use super::grammar::{Literal, announced_literal, tag_of};
use crate::proto::{Inbox, Limits, TooLong};

/// The command being read. Its octets may be a password: they are wiped.
#[derive(Default)]
pub(super) struct Framing {
    octets: Zeroizing<Vec<u8>>,
    literals: u32,
    awaiting: Awaiting,
}

#[derive(Clone, Copy, Default)]
enum Awaiting {
    #[default]
    Line,
    Literal(u32),
}

/// What the unread bytes came to.
pub(super) enum Frame {
    /// More bytes are needed.
    Incomplete,
    /// The client waits for a continuation before it sends a literal.
    Continue,
    /// A whole command: literals inline, without the last line ending.
    Command(Zeroizing<Vec<u8>>),
    /// A line over its limit, or a synchronising literal that isn't asked for, of the command with this
    /// tag.
    TooLong(String),
    /// A non-synchronising literal over its limit is on its way and can't be stopped.
    Flood,
}

/// LOGIN has two arguments; no command before login has more literals.
const MOST_LITERALS: u32 = 2;

impl Framing {
    pub(super) fn next(&mut self, inbox: &mut Inbox, limits: &Limits) -> Frame {
        loop {
            match self.awaiting {
                Awaiting::Literal(octets) => {
                    let Some(literal) = inbox.octets(octets as usize) else {
                        return Frame::Incomplete;
                    };
                    self.extend(&literal);
                    self.awaiting = Awaiting::Line;
                }
                Awaiting::Line => {
                    // Before the line is gone, which it is where it is too long.
                    let tag = self.tag(inbox.line_so_far(limits.line));
                    let line = match inbox.line(limits.line) {
                        Ok(Some(line)) => line,
                        Ok(None) => return Frame::Incomplete,
                        Err(TooLong) => return self.too_long(tag),
                    };
                    self.extend(&line);
                    let Some(literal) = announced_literal(&line) else {
                        return Frame::Command(self.restart());
                    };
                    if let Some(frame) = self.announce(literal, tag, limits) {
                        return frame;
                    }
                }
            }
        }
    }

    /// Gives up on a command whose literal isn't asked for; its tag.
    pub(super) fn abandon(&mut self) -> String {
        tag(&self.restart())
    }

    /// The tag of the command that is being read, which may begin with `line`.
    fn tag(&self, line: &[u8]) -> String {
        tag(if self.octets.is_empty() { line } else { &self.octets })
    }

    fn too_long(&mut self, tag: String) -> Frame {
        self.restart();
        Frame::TooLong(tag)
    }

    fn announce(&mut self, literal: Literal, tag: String, limits: &Limits) -> Option<Frame> {
        self.literals += 1;
        let fits = literal.octets as usize <= limits.literal && self.literals <= MOST_LITERALS;
        match (fits, literal.synchronising) {
            (false, true) => Some(self.too_long(tag)),
            (false, false) => Some(Frame::Flood),
            (true, synchronising) => {
                self.extend(b"\r\n");
                self.awaiting = Awaiting::Literal(literal.octets);
                synchronising.then_some(Frame::Continue)
            }
        }
    }

    /// Growth in place would leave a copy in freed memory.
    fn extend(&mut self, octets: &[u8]) {
        let mut larger = Zeroizing::new(Vec::with_capacity(self.octets.len() + octets.len()));
        larger.extend_from_slice(&self.octets);
        larger.extend_from_slice(octets);
        self.octets = larger;
    }

    fn restart(&mut self) -> Zeroizing<Vec<u8>> {
        std::mem::take(self).octets
    }
}

/// The tag of a command that was cut off, or `*`.
fn tag(octets: &[u8]) -> String {
    tag_of(octets).unwrap_or("*").to_owned()
}
