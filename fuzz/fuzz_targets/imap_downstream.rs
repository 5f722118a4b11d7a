//! What a client sends to the IMAP listener: see `downstream` in tests/dialogue/properties.rs.
#![no_main]

#[path = "../target_input.rs"]
mod input;
#[path = "../../tests/dialogue/properties.rs"]
mod properties;
#[path = "../../tests/dialogue/talk.rs"]
mod talk;

use gatepost::proto::imap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| input::downstream(&imap::PROTOCOL, input));
