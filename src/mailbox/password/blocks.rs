//! The memory that argon2 fills, kept for the next check.
//!
//! Allocators keep what a thread frees with that thread, and checks run on whichever thread is idle: each
//! of them would hold the memory of a check for as long as it lives. Kept here, there is never more than
//! that of the checks that ran at once.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use argon2::{Block, Error};

/// The memory of one check, given back when dropped.
pub(super) struct Blocks(Vec<Block>);

/// What no check uses now. One for the process: a configuration that is replaced leaves nothing behind.
static IDLE: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

/// Blocks of 1 KiB worth keeping, which is more than the default hash takes: 32 MiB. From there on
/// allocators map memory by itself and unmap it, so that a costly hash takes it for its check only.
const MOST: usize = 32 * 1024;

impl Blocks {
    /// At least `count` blocks.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(super) fn take(count: usize) -> Result<Self, Error> {
        let mut blocks = match count {
            ..=MOST => IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop(),
            _ => None,
        }
        .unwrap_or_default();
        let missing = count.saturating_sub(blocks.len());
        blocks.try_reserve_exact(missing).map_err(|_| Error::OutOfMemory)?;
        blocks.resize(blocks.len() + missing, Block::new());
        Ok(Self(blocks))
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let mut blocks = std::mem::take(&mut self.0);
        if blocks.len() <= MOST {
            // By the first blocks of a single pass, passwords could be guessed without argon2's cost.
            blocks.fill(Block::new());
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(blocks);
        }
    }
}

impl Deref for Blocks {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        &self.0
    }
}

impl DerefMut for Blocks {
    fn deref_mut(&mut self) -> &mut [Block] {
        &mut self.0
    }
}
