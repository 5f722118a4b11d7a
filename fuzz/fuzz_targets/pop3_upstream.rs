//! What a mail host answers to the POP3 session that logs in.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatepost_fuzz::upstream("pop3", input));
