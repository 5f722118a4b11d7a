//! A message until Graph has answered: kept so that it can be sent once more, and so that nothing
//! goes out before the client has said all of it.

use std::io::{self, SeekFrom};
use std::ops::Range;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// What stays in memory. Mail without attachments fits; a scan goes to a file that has no name and
/// ends with its last use.
const IN_MEMORY: usize = 64 * 1024;

/// What is under way between memory and file at once.
const IN_FLIGHT: usize = 64 * 1024;

/// Octets in the order they came.
#[derive(Default)]
pub(super) struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    length: usize,
    /// What was read of the memory.
    read: usize,
}

impl Spool {
    /// The number of octets.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Adds octets.
    pub(super) async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.length += octets.len();
        if self.file.is_none() && self.length > IN_MEMORY {
            let mut file = nameless().await?;
            file.write_all(&std::mem::take(&mut self.memory)).await?;
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(octets).await,
            None => {
                self.memory.extend_from_slice(octets);
                Ok(())
            }
        }
    }

    /// Goes to an octet that there is, to read from there.
    pub(super) async fn seek(&mut self, at: usize) -> io::Result<()> {
        self.read = at.min(self.memory.len());
        if let Some(file) = &mut self.file {
            file.flush().await?;
            file.seek(SeekFrom::Start(at as u64)).await?;
        }
        Ok(())
    }

    /// Adds these octets of this spool to `other`.
    pub(super) async fn copy(&mut self, octets: Range<usize>, other: &mut Self) -> io::Result<()> {
        self.seek(octets.start).await?;
        let (mut block, mut left) = (vec![0; IN_FLIGHT], octets.len());
        while left > 0 {
            let most = left.min(IN_FLIGHT);
            match self.read(&mut block[..most]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                filled => {
                    other.write(&block[..filled]).await?;
                    left -= filled;
                }
            }
        }
        Ok(())
    }

    /// Fills `block` as far as there are octets, and says how far.
    pub(super) async fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let Some(file) = &mut self.file else {
            let rest = &self.memory[self.read..];
            let most = rest.len().min(block.len());
            block[..most].copy_from_slice(&rest[..most]);
            self.read += most;
            return Ok(most);
        };
        let mut filled = 0;
        while filled < block.len() {
            match file.read(&mut block[filled..]).await? {
                0 => break,
                more => filled += more,
            }
        }
        Ok(filled)
    }
}

async fn nameless() -> io::Result<File> {
    let made = tokio::task::spawn_blocking(tempfile::tempfile).await;
    let mut file = File::from_std(made.map_err(io::Error::other)??);
    file.set_max_buf_size(IN_FLIGHT);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(spool: &mut Spool) -> Vec<u8> {
        spool.seek(0).await.unwrap();
        let (mut found, mut block) = (Vec::new(), [0; 1000]);
        loop {
            match spool.read(&mut block).await.unwrap() {
                0 => return found,
                filled => found.extend_from_slice(&block[..filled]),
            }
        }
    }

    #[tokio::test]
    async fn what_goes_in_comes_out_each_time() {
        for pieces in [0, 1, 63, 64, 65, 300] {
            let (mut spool, mut expected) = (Spool::default(), Vec::new());
            for piece in 0..pieces {
                let octets: Vec<u8> = (0..1024).map(|at| (at + piece) as u8).collect();
                spool.write(&octets).await.unwrap();
                expected.extend(octets);
            }
            assert_eq!(spool.len(), expected.len());
            assert_eq!(spool.file.is_some(), expected.len() > IN_MEMORY);
            assert!(spool.memory.len() <= IN_MEMORY);
            assert!(all(&mut spool).await == expected, "{pieces}");
            assert!(all(&mut spool).await == expected, "{pieces}, once more");
        }
    }
}
