//! What somebody who guesses passwords does to those who know theirs.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Outcome;
use crate::client::Way;
use crate::logins::{latency, milliseconds};
use crate::rig::{Gatepost, PASSWORD, Rig, USER};

const GUESSES: usize = 10_000;
/// Guesses at once: more than an address has places, so that some are turned away at the door.
const GUESSERS: usize = 64;
/// A guesser who isn't answered by then hangs up and tries again.
const IMPATIENCE: Duration = Duration::from_millis(50);
/// Other devices, an address each.
const OTHERS: u8 = 8;
/// How long the others are watched without guesses.
const QUIET: Duration = Duration::from_secs(8);

const GUESSER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

pub(crate) async fn measure(rig: &Rig) -> Outcome<()> {
    let gatepost = rig.gatepost(1).await?;
    drop(gatepost.way().log_in().await?);
    let over = Arc::new(AtomicBool::new(false));
    let others = others(&gatepost, &over);
    tokio::time::sleep(QUIET).await;
    over.store(true, Ordering::Relaxed);
    let mut before = gather(others).await?;
    let over = Arc::new(AtomicBool::new(false));
    let watched = self::others(&gatepost, &over);
    let start = Instant::now();
    guess(&gatepost).await;
    let seconds = start.elapsed().as_secs_f64();
    over.store(true, Ordering::Relaxed);
    let mut during = gather(watched).await?;
    let rates = [before.len() as f64 / QUIET.as_secs_f64(), during.len() as f64 / seconds];
    let [p50, p99] = milliseconds(&mut before);
    let [then_p50, then_p99] = milliseconds(&mut during);
    println!(
        "\n| guesses of one address | in s | others' logins/s | p50 ms | p99 ms | p99 ratio |\n|---|---|---|---|---|---|"
    );
    println!("| 0 | | {:.0} | {p50:.2} | {p99:.2} | |", rates[0]);
    let ratio = then_p99 / p99;
    println!(
        "| {GUESSES} | {seconds:.1} | {:.0} | {then_p50:.2} | {then_p99:.2} | {ratio:.2} |",
        rates[1]
    );
    Ok(())
}

/// Makes the guesses; that none is right is the measurement's condition.
async fn guess(gatepost: &Gatepost) {
    let made = Arc::new(AtomicUsize::new(0));
    let mut guessers = JoinSet::new();
    for _ in 0..GUESSERS {
        let (way, made) = (gatepost.way_from(GUESSER, USER, "hunter2"), Arc::clone(&made));
        guessers.spawn(async move {
            while made.fetch_add(1, Ordering::Relaxed) < GUESSES {
                // A no, a closed door or nothing in time: all the same to a guesser.
                let guessed = timeout(IMPATIENCE, way.log_in()).await;
                assert!(!matches!(guessed, Ok(Ok(_))), "a wrong password let in");
            }
        });
    }
    guessers.join_all().await;
}

/// Devices that log in, leave and come again until it is over.
fn others(gatepost: &Gatepost, over: &Arc<AtomicBool>) -> JoinSet<Outcome<Vec<Duration>>> {
    let mut tasks = JoinSet::new();
    for number in 0..OTHERS {
        let way: Way = gatepost.way_from(Ipv4Addr::new(198, 51, 100, number), USER, PASSWORD);
        let over = Arc::clone(over);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while !over.load(Ordering::Relaxed) {
                latencies.push(latency(&way).await?);
            }
            Outcome::Ok(latencies)
        });
    }
    tasks
}

async fn gather(mut tasks: JoinSet<Outcome<Vec<Duration>>>) -> Outcome<Vec<Duration>> {
    let mut latencies = Vec::new();
    while let Some(task) = tasks.join_next().await {
        latencies.extend(task??);
    }
    Ok(latencies)
}
