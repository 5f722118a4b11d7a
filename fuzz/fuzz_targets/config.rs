//! A configuration file of any content: finished values or a report, never a panic.
#![no_main]

use std::{env, fs, process};

use gatepost::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // A configuration may name commands that print secrets, and they are run. Not the ones that a fuzzer thinks of; a
    // backslash could spell the word in escapes.
    let dangerous = |window: &[u8]| window == b"_command";
    if input.contains(&b'\\') || input.windows(8).any(dangerous) {
        return;
    }
    let path = env::temp_dir().join(format!("gatepost-fuzz-{}.toml", process::id()));
    fs::write(&path, input).expect("the temporary directory takes a file");
    if let Err(error) = Config::load(&path) {
        assert!(!error.to_string().is_empty());
    }
});
