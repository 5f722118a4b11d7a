//! What a stranger sends to the POP3 listener before login.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatepost_fuzz::downstream("pop3", input));
