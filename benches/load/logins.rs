//! Logins with a token at hand: how many a second, and how long one takes.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::Way;
use crate::process::cpu_seconds;
use crate::rig::Rig;
use crate::{Outcome, median};

const CLIENTS: [usize; 3] = [1, 16, 64];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);

pub(crate) async fn measure(rig: &Rig) -> Outcome<()> {
    let gatepost = rig.gatepost(1).await?;
    let (through, direct) = (gatepost.way(), rig.direct()?);
    through.log_in().await?;
    println!(
        "\n| IMAP logins | clients | logins/s | p50 ms | p99 ms | rate ratio | CPU ms/login |\n|---|---|---|---|---|---|---|"
    );
    for clients in CLIENTS {
        let (mut bare, mut proxied, mut used) = (Round::default(), Round::default(), 0.0);
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let one = round(&direct, clients).await?;
            let before = cpu_seconds(gatepost.pid)?;
            let other = round(&through, clients).await?;
            used += cpu_seconds(gatepost.pid)? - before;
            ratios.push(other.rate() / one.rate());
            bare.add(one);
            proxied.add(other);
        }
        bare.print("direct, TLS and XOAUTH2", clients, "");
        let cpu = 1000.0 * used / proxied.count() as f64;
        let rest = format!("{:.2} | {cpu:.2}", median(ratios));
        proxied.print("through gatepost", clients, &rest);
    }
    Ok(())
}

#[derive(Default)]
struct Round {
    latencies: Vec<Duration>,
    time: Duration,
}

impl Round {
    fn count(&self) -> usize {
        self.latencies.len()
    }

    fn rate(&self) -> f64 {
        self.count() as f64 / self.time.as_secs_f64()
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.time += other.time;
    }

    fn print(mut self, way: &str, clients: usize, rest: &str) {
        let [middle, worst] = milliseconds(&mut self.latencies);
        let rest = if rest.is_empty() { " | " } else { rest };
        println!("| {way} | {clients} | {:.0} | {middle:.2} | {worst:.2} | {rest} |", self.rate());
    }
}

/// `clients` at once that log in, leave and come again, for the length of a round.
async fn round(way: &Way, clients: usize) -> Outcome<Round> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let way = way.clone();
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while start.elapsed() < ROUND {
                latencies.push(latency(&way).await?);
            }
            Outcome::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(task) = tasks.join_next().await {
        latencies.extend(task??);
    }
    Ok(Round { latencies, time: start.elapsed() })
}

/// The 50th and the 99th percentile.
pub(crate) fn milliseconds(latencies: &mut [Duration]) -> [f64; 2] {
    latencies.sort();
    [50, 99].map(|percent| {
        let latency = latencies.get(latencies.len() * percent / 100);
        latency.copied().unwrap_or_default().as_secs_f64() * 1000.0
    })
}

/// From the connect to the OK.
pub(crate) async fn latency(way: &Way) -> Outcome<Duration> {
    let start = Instant::now();
    way.log_in().await?;
    Ok(start.elapsed())
}
