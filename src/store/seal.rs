//! The one place where a record's bytes are sealed before they are written and opened after they are
//! read. A key goes here: today the file's permissions are what protects it.

use zeroize::Zeroizing;

/// The bytes to write for `mailbox`. The mailbox is what a cipher would bind them to, so that one
/// mailbox's file can't pass for another's.
pub(super) fn seal(_mailbox: &str, record: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    record
}

/// The bytes that were sealed for `mailbox`, or what is wrong with them.
pub(super) fn open(
    _mailbox: &str,
    sealed: Zeroizing<Vec<u8>>,
) -> Result<Zeroizing<Vec<u8>>, String> {
    Ok(sealed)
}
