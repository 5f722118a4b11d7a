//! Base64 in lines (RFC 2045 section 6.8) into octets, as it streams by.

use std::io;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::spool::Spool;

/// Octets read at once.
const BLOCK: usize = 48 * 1024;

/// What was read and not decoded.
#[derive(Default)]
pub(super) struct Decoder {
    digits: Vec<u8>,
    /// Padding has come: nothing may follow.
    padded: bool,
}

/// No base64.
struct Malformed;

impl Decoder {
    /// Decodes these octets of `spool`; `None` where they are no base64.
    pub(super) async fn decode(
        spool: &mut Spool,
        octets: Range<usize>,
    ) -> io::Result<Option<Spool>> {
        spool.seek(octets.start).await?;
        let (mut decoder, mut decoded) = (Self::default(), Spool::default());
        let (mut block, mut left) = (vec![0; BLOCK], octets.len());
        while left > 0 {
            let most = left.min(BLOCK);
            let filled = match spool.read(&mut block[..most]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                filled => filled,
            };
            left -= filled;
            match decoder.take(&block[..filled]) {
                Ok(octets) => decoded.write(&octets).await?,
                Err(Malformed) => return Ok(None),
            }
        }
        Ok(decoder.digits.is_empty().then_some(decoded))
    }

    fn take(&mut self, octets: &[u8]) -> Result<Vec<u8>, Malformed> {
        for octet in octets.iter().copied().filter(|octet| !octet.is_ascii_whitespace()) {
            if self.padded && octet != b'=' {
                return Err(Malformed);
            }
            self.padded |= octet == b'=';
            self.digits.push(octet);
        }
        let whole = self.digits.len() / 4 * 4;
        let decoded = STANDARD.decode(&self.digits[..whole]).map_err(|_| Malformed)?;
        self.digits.drain(..whole);
        Ok(decoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_and_pieces_make_no_difference() {
        for (text, expected) in [
            ("SGFs\r\nbG8=\r\n", Some("Hallo")),
            ("SGFsb\r\n G8\n=", Some("Hallo")),
            ("", Some("")),
            ("SGFsbG8", None),
            ("SGFsbG8=SGFs", None),
            ("SG*s", None),
        ] {
            let mut spool = Spool::default();
            spool.write(text.as_bytes()).await.unwrap();
            let decoded = Decoder::decode(&mut spool, 0..text.len()).await.unwrap();
            match (decoded, expected) {
                (Some(mut decoded), Some(expected)) => {
                    let mut found = vec![0; decoded.len()];
                    decoded.seek(0).await.unwrap();
                    decoded.read(&mut found).await.unwrap();
                    assert_eq!(found, expected.as_bytes());
                }
                (decoded, expected) => assert_eq!(decoded.is_some(), expected.is_some(), "{text}"),
            }
        }
    }
}
