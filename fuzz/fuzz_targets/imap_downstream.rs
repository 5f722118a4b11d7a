//! What a stranger sends to the IMAP listener before login.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatepost_fuzz::downstream("imap", input));
