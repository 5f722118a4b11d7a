//! Each dialogue of `tests/transcripts/`, with the peer's bytes arriving in every way that a network can deliver them.
//! The notation is told in `tests/dialogue/script.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "dialogue/script.rs"]
#[allow(dead_code, reason = "every_protocol.rs uses the rest")]
mod script;
#[path = "dialogue/talk.rs"]
#[allow(dead_code, reason = "every_protocol.rs uses the rest")]
mod talk;

use gatepost::proto::PROTOCOLS;
use script::{Delivery, Half, scripts};

fn each(deliveries: impl Fn(&script::Script) -> Vec<Delivery>) {
    let mut failures = Vec::new();
    for protocol in PROTOCOLS {
        for half in [Half::Downstream, Half::Upstream] {
            for script in scripts(protocol, half) {
                let mut results =
                    deliveries(&script).into_iter().map(|delivery| script.play(protocol, delivery));
                failures.extend(results.find_map(Result::err));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn flights_that_arrive_whole() {
    each(|_| vec![Delivery::Whole]);
}

#[test]
fn flights_that_arrive_byte_by_byte() {
    each(|_| vec![Delivery::Bytes]);
}

#[test]
fn flights_that_arrive_in_two_pieces_cut_anywhere() {
    each(|script| (0..script.longest_flight()).map(Delivery::SplitAt).collect());
}

#[test]
fn flights_that_arrive_before_they_are_due() {
    each(|_| vec![Delivery::Ahead]);
}
