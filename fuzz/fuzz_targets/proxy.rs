//! A PROXY header as it comes in: each octet is asked for before it is read, none behind the header is, and whoever sends
//! one that never ends isn't read for ever.
#![no_main]

use gatepost::daemon::proxy::{Progress, parse};
use libfuzzer_sys::fuzz_target;

/// More than either version may have.
const LONGEST: usize = 8192;

fuzz_target!(|input: &[u8]| {
    let mut read = 0;
    while let Ok(progress) = parse(&input[..read]) {
        let Progress::More(count) = progress else {
            return;
        };
        assert!(count > 0, "waits for nothing behind {read} octets");
        read += count;
        assert!(read <= LONGEST, "a header of {read} octets");
        if read > input.len() {
            return;
        }
    }
});
