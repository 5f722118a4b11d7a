//! What a client sends after its login: commands, messages, headers.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatepost_fuzz::submission(input));
