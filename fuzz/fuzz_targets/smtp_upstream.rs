//! What a mail host answers to the SMTP session that logs in.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatepost_fuzz::upstream("smtp", input));
