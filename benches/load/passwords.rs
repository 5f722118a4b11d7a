//! What the check of a password costs a login, the first time and later.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::Way;
use crate::logins::{latency, milliseconds};
use crate::rig::{CLEAR, Rig};
use crate::{Outcome, median};

/// First logins at once, as after a restart.
const AT_ONCE: usize = 100;
const ROUNDS: usize = 9;
const LOGINS: usize = 500;

pub(crate) async fn measure(rig: &Rig) -> Outcome<()> {
    println!("\n| first logins at once | slowest ms |\n|---|---|");
    for count in [1, AT_ONCE] {
        let gatepost = rig.gatepost(1).await?;
        // Fetches the token, which isn't what passwords cost.
        drop(gatepost.way_as(CLEAR).log_in().await?);
        let slowest = at_once(&gatepost.way(), count).await?;
        println!("| {count} | {:.0} |", slowest.as_secs_f64() * 1000.0);
    }
    let gatepost = rig.gatepost(1).await?;
    let ways = [gatepost.way_as(CLEAR), gatepost.way()];
    for way in &ways {
        drop(way.log_in().await?);
    }
    let mut all = [Vec::new(), Vec::new()];
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let mut sums = [0.0; 2];
        for ((way, latencies), sum) in ways.iter().zip(&mut all).zip(&mut sums) {
            for _ in 0..LOGINS {
                let latency = latency(way).await?;
                *sum += latency.as_secs_f64();
                latencies.push(latency);
            }
        }
        ratios.push(sums[0] / sums[1]);
    }
    println!("\n| later logins | p50 ms | p99 ms | rate ratio |\n|---|---|---|---|");
    let [clear, hashed] = all.map(|mut latencies| milliseconds(&mut latencies));
    println!("| of a password that was never hashed | {:.2} | {:.2} | |", clear[0], clear[1]);
    let ratio = median(ratios);
    println!("| of one with a hash | {:.2} | {:.2} | {ratio:.2} |", hashed[0], hashed[1]);
    Ok(())
}

/// So many logins at once; how long the last of them took.
async fn at_once(way: &Way, count: usize) -> Outcome<Duration> {
    let start = Instant::now();
    let mut logins = JoinSet::new();
    for _ in 0..count {
        let way = way.clone();
        logins.spawn(async move { way.log_in().await.map(drop) });
    }
    while let Some(login) = logins.join_next().await {
        login??;
    }
    Ok(start.elapsed())
}
