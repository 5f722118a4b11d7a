//! What checks of passwords leave behind: the memory of those that ran at once, however many threads ran them.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::{Arc, Barrier, Mutex};
use std::{fs, thread};

use gatepost::mailbox::password::{Hash, Parameters, SALT_LENGTH, hash};
use gatepost::secret::Secret;

const THREADS: usize = 12;
const MIB: usize = 1024;

/// KiB of this process that are in memory.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn threads_that_check_in_turn_share_the_memory_of_one_check() {
    let password = Secret::from("correct horse");
    let text = hash(&password, [7; SALT_LENGTH], &Parameters::new(19 * 1024, 1, 1, None).unwrap());
    let hash = Arc::new(Hash::parse(&text.unwrap()).unwrap());
    let before = resident();
    let (turn, end) = (Arc::new(Mutex::new(())), Arc::new(Barrier::new(THREADS + 1)));
    let check = |_| {
        let (hash, turn, end) = (Arc::clone(&hash), Arc::clone(&turn), Arc::clone(&end));
        thread::spawn(move || {
            let one = turn.lock().unwrap();
            let right = hash.matches(&Secret::from("correct horse"));
            let wrong = hash.matches(&Secret::from("battery staple"));
            drop(one);
            end.wait();
            // A thread that has ended would have given everything back.
            end.wait();
            (right, wrong)
        })
    };
    let threads: Vec<_> = (0..THREADS).map(check).collect();
    end.wait();
    let after = resident();
    end.wait();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), (true, false));
    }
    assert!(after < before + 2 * 19 * MIB, "{} MiB have become {}", before / MIB, after / MIB);
}
