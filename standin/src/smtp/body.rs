//! Messages on the wire: DATA with its dots, BDAT with its counts. Neither looks at single octets, so that a message of
//! 20 MB passes at the speed of the connection.

use std::io;

use memchr::memmem;
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The end of DATA. The line end before the dot belongs to the message.
const END: &[u8] = b"\r\n.\r\n";

/// What came instead of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// A message, without the transport's dots.
    Whole(Vec<u8>),
    /// A message that was longer than the limit; it was read to its end and forgotten.
    TooLarge,
    /// The client left in the middle.
    Cut,
}

/// Reads a message up to the line with the single dot.
pub(super) async fn dotted<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    limit: usize,
) -> io::Result<Body> {
    // The line end of the DATA command lets an empty message and a dot in the first line look like all others.
    let mut raw = b"\r\n".to_vec();
    let mut too_large = false;
    loop {
        let chunk = reader.fill_buf().await?;
        if chunk.is_empty() {
            return Ok(Body::Cut);
        }
        let (before, taken) = (raw.len(), chunk.len());
        raw.extend_from_slice(chunk);
        let from = before.saturating_sub(END.len() - 1);
        if let Some(at) = memmem::find(&raw[from..], END) {
            let end = from + at;
            reader.consume(end + END.len() - before);
            raw.truncate(end + 2);
            too_large |= raw.len() > limit + 2;
            return Ok(if too_large { Body::TooLarge } else { Body::Whole(unstuffed(&raw)) });
        }
        reader.consume(taken);
        if raw.len() > limit + END.len() {
            too_large = true;
            raw.drain(..raw.len() - END.len());
        }
    }
}

/// Reads the octets of one BDAT behind those that are there. `false` when the client left in the middle. Of a message
/// beyond `limit` nothing more is kept than one octet over it, which says so.
pub(super) async fn chunk<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    length: u64,
    message: &mut Vec<u8>,
    limit: usize,
) -> io::Result<bool> {
    let mut missing = length;
    while missing > 0 {
        let buffer = reader.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let taken = buffer.len().min(usize::try_from(missing).unwrap_or(usize::MAX));
        let room = (limit + 1).saturating_sub(message.len());
        message.extend_from_slice(&buffer[..taken.min(room)]);
        reader.consume(taken);
        missing -= taken as u64;
    }
    Ok(true)
}

/// Takes the first dot off each line that has one (RFC 5321 section 4.5.2), and the line end in front of the message.
fn unstuffed(raw: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(raw.len());
    let mut from = 2;
    for at in memmem::find_iter(raw, b"\r\n.") {
        message.extend_from_slice(&raw[from..at + 2]);
        from = at + 3;
    }
    message.extend_from_slice(&raw[from..]);
    message
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, BufReader};

    /// The body and what stays unread, with a buffer of `capacity` octets.
    async fn read(sent: &[u8], capacity: usize, limit: usize) -> (Body, Vec<u8>) {
        let mut reader = BufReader::with_capacity(capacity, sent);
        let body = dotted(&mut reader, limit).await.unwrap();
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).await.unwrap();
        (body, rest)
    }

    #[tokio::test]
    async fn dots_are_taken_off_wherever_the_buffer_ends() {
        let sent = b"..first\r\n.second\r\na.b\r\n...\r\n.\r\nQUIT\r\n";
        for capacity in 1..sent.len() + 1 {
            let (body, rest) = read(sent, capacity, 1000).await;
            assert_eq!(
                body,
                Body::Whole(b".first\r\nsecond\r\na.b\r\n..\r\n".to_vec()),
                "{capacity}"
            );
            assert_eq!(rest, b"QUIT\r\n", "{capacity}");
        }
    }

    #[tokio::test]
    async fn an_empty_message_ends_at_once() {
        assert_eq!(read(b".\r\n", 8, 10).await.0, Body::Whole(Vec::new()));
    }

    #[tokio::test]
    async fn a_bare_line_feed_ends_nothing() {
        assert_eq!(read(b"a\n.\nb\r\n.\n", 8, 100).await.0, Body::Cut);
    }

    #[tokio::test]
    async fn a_message_over_the_limit_is_read_to_its_end() {
        for capacity in [1, 3, 64] {
            assert_eq!(
                read(b"0123\r\n.\r\n", capacity, 6).await.0,
                Body::Whole(b"0123\r\n".to_vec())
            );
            let (body, rest) = read(b"01234567890\r\n.\r\nQUIT", capacity, 6).await;
            assert_eq!((body, rest), (Body::TooLarge, b"QUIT".to_vec()));
        }
    }

    #[tokio::test]
    async fn chunks_add_up_and_stop_at_the_limit() {
        let mut reader = BufReader::with_capacity(3, &b"hello.\r\n world and more"[..]);
        let mut message = Vec::new();
        assert!(chunk(&mut reader, 8, &mut message, 10).await.unwrap());
        assert_eq!(message, b"hello.\r\n");
        assert!(chunk(&mut reader, 6, &mut message, 10).await.unwrap());
        assert_eq!(message.len(), 11);
        assert!(!chunk(&mut reader, 100, &mut message, 10).await.unwrap());
    }
}
