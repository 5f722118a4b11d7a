//! Unread bytes of one direction: framing of lines and literals under hard limits.

use std::ops::Deref;

use memchr::memchr;
use zeroize::{Zeroize, Zeroizing};

/// A line without its ending. It may hold a password: it is wiped when dropped and doesn't print.
pub struct Line(Zeroizing<Vec<u8>>);

impl Deref for Line {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// A line that doesn't end within its limit. Its bytes are gone, and so will be those up to its end.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

/// The bytes read from one peer that no one has looked at yet.
#[derive(Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    overlong: bool,
}

impl Inbox {
    /// Whether nothing is unread.
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// The number of unread bytes.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Adds what was read from the peer.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() > self.bytes.capacity() {
            self.relocate(bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Moves the unread bytes to where `more` fit behind them. Growth in place would leave a copy of
    /// what may be a password in freed memory, and keep room for what has been taken.
    fn relocate(&mut self, more: usize) {
        let mut larger = Vec::with_capacity((self.len() + more).next_power_of_two());
        larger.extend_from_slice(self.unread());
        self.bytes.zeroize();
        self.bytes = larger;
        self.start = 0;
    }

    /// Takes the next line without its ending, CRLF or, by the quirk `bare_lf` (old devices, and
    /// one of Exchange's own error lines), LF alone. `limit` counts the line with its ending.
    ///
    /// # Errors
    /// [`TooLong`], once for each overlong line; what is left of it is skipped by the next call.
    pub fn line(&mut self, limit: usize) -> Result<Option<Line>, TooLong> {
        if self.overlong && !self.skip_line() {
            return Ok(None);
        }
        match memchr(b'\n', self.unread()) {
            Some(end) if end < limit => {
                let line = self.take(end + 1);
                let ending = if line.ends_with(b"\r\n") { 2 } else { 1 };
                Ok(Some(Line(Zeroizing::new(line[..line.len() - ending].to_vec()))))
            }
            None if self.len() < limit => Ok(None),
            _ => {
                self.overlong = true;
                self.skip_line();
                Err(TooLong)
            }
        }
    }

    /// As much of the next line as has come, up to `limit` octets, left where it is. What
    /// [`line`](Self::line) then calls too long has all of them here, however it was cut.
    pub fn line_so_far(&mut self, limit: usize) -> &[u8] {
        if self.overlong && !self.skip_line() {
            return &[];
        }
        let unread = self.unread();
        &unread[..unread.len().min(limit)]
    }

    /// The next line with its ending, left where it is; `None` until its end is there.
    pub fn peek_line(&self) -> Option<&[u8]> {
        memchr(b'\n', self.unread()).map(|end| &self.unread()[..=end])
    }

    /// Takes `count` bytes once they are all there.
    pub fn octets(&mut self, count: usize) -> Option<Line> {
        (self.len() >= count).then(|| Line(self.take(count)))
    }

    /// Takes all that is unread, in order.
    pub fn drain(&mut self) -> Line {
        Line(self.take(self.len()))
    }

    /// The unread bytes, left where they are.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn take(&mut self, count: usize) -> Zeroizing<Vec<u8>> {
        let taken = Zeroizing::new(self.bytes[self.start..self.start + count].to_vec());
        self.bytes[self.start..self.start + count].zeroize();
        self.start += count;
        self.compact();
        taken
    }

    /// Drops the rest of the line; false where its end is still to come.
    fn skip_line(&mut self) -> bool {
        let end = memchr(b'\n', self.unread());
        let count = end.map_or(self.len(), |end| end + 1);
        self.take(count);
        self.overlong = end.is_none();
        !self.overlong
    }

    fn compact(&mut self) {
        if self.is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(bytes: &[u8]) -> Inbox {
        let mut inbox = Inbox::default();
        inbox.push(bytes);
        inbox
    }

    fn next(inbox: &mut Inbox, limit: usize) -> Result<Option<Vec<u8>>, TooLong> {
        inbox.line(limit).map(|line| line.map(|line| line.to_vec()))
    }

    #[test]
    fn lines_end_in_crlf_or_bare_lf() {
        let mut inbox = inbox(b"one\r\ntwo\n\r\nrest");
        assert_eq!(next(&mut inbox, 10), Ok(Some(b"one".to_vec())));
        assert_eq!(next(&mut inbox, 10), Ok(Some(b"two".to_vec())));
        assert_eq!(next(&mut inbox, 10), Ok(Some(b"".to_vec())));
        assert_eq!(next(&mut inbox, 10), Ok(None));
        assert_eq!(&*inbox.drain(), b"rest");
        assert!(inbox.is_empty());
    }

    #[test]
    fn the_limit_counts_the_ending() {
        assert_eq!(next(&mut inbox(b"12345678\r\n"), 10), Ok(Some(b"12345678".to_vec())));
        assert_eq!(next(&mut inbox(b"123456789\r\n"), 10), Err(TooLong));
        assert_eq!(next(&mut inbox(b"123456789"), 10), Ok(None));
        assert_eq!(next(&mut inbox(b"1234567890"), 10), Err(TooLong));
    }

    #[test]
    fn an_overlong_line_is_reported_once_and_skipped_to_its_end() {
        let mut inbox = inbox(b"12345678901234567890");
        assert_eq!(next(&mut inbox, 10), Err(TooLong));
        inbox.push(b"more of the same");
        assert_eq!(next(&mut inbox, 10), Ok(None));
        inbox.push(b"\r\nnext\r\n");
        assert_eq!(next(&mut inbox, 10), Ok(Some(b"next".to_vec())));
    }

    #[test]
    fn lines_that_were_taken_hold_no_memory() {
        let mut inbox = inbox(b"NO");
        for _ in 0..10_000 {
            inbox.push(b"OP\r\nNO");
            assert_eq!(next(&mut inbox, 10), Ok(Some(b"NOOP".to_vec())));
        }
        assert!(inbox.bytes.capacity() <= 64, "{} octets", inbox.bytes.capacity());
    }

    #[test]
    fn octets_come_whole_or_not_at_all() {
        let mut inbox = inbox(b"abc");
        assert!(inbox.octets(4).is_none());
        assert_eq!(inbox.octets(2).as_deref(), Some(&b"ab"[..]));
        assert_eq!(inbox.unread(), b"c");
    }
}
