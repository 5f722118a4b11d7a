//! What a service answers to the IMAP upstream session: see `upstream` in tests/dialogue/properties.rs.
#![no_main]

#[path = "../target_input.rs"]
mod input;
#[path = "../../tests/dialogue/properties.rs"]
mod properties;
#[path = "../../tests/dialogue/talk.rs"]
mod talk;

use gatepost::proto::imap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| input::upstream(&imap::PROTOCOL, input));
