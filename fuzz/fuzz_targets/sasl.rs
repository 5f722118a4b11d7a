//! A SASL exchange as a client drives it: the first line names the mechanism and may carry the initial response, each
//! further line answers a challenge.
#![no_main]

use gatepost::sasl::{Exchange, Reaction};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let Some(first) = lines.next().and_then(|line| str::from_utf8(line).ok()) else {
        return;
    };
    let (mechanism, initial) = match first.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial.as_bytes())),
        None => (first, None),
    };
    let Ok((mut exchange, mut reaction)) = Exchange::start(mechanism, initial) else {
        return;
    };
    for line in lines {
        if let Reaction::Login(login) = &reaction {
            assert!(!login.authcid.is_empty() && login.authcid.len() <= 255);
            assert!(!login.authcid.contains(char::is_control));
            return;
        }
        let Ok(next) = exchange.line(line) else {
            return;
        };
        reaction = next;
    }
});
