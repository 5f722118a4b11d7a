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

/// Somebody who guesses.
#[derive(Clone, Copy)]
struct Guesser {
    /// An unanswered guess is given up after this.
    patience: Duration,
    /// No more guesses than these, or for longer.
    guesses: usize,
    time: Duration,
}

/// As programs that guess do it: they wait for the answer.
const PATIENT: Guesser =
    Guesser { patience: Duration::from_secs(30), guesses: usize::MAX, time: QUIET };

const FLOOD: Guesser =
    Guesser { patience: IMPATIENCE, guesses: GUESSES, time: Duration::from_secs(60) };

pub(crate) async fn measure(rig: &Rig) -> Outcome<()> {
    let gatepost = rig.gatepost(1).await?;
    drop(gatepost.way().log_in().await?);
    println!(
        "\n| one address | guesses | in s | others' logins/s | p50 ms | p99 ms | p99 ratio |\n|---|---|---|---|---|---|---|"
    );
    let mut quiet = 0.0;
    for (who, guesser) in
        [("quiet", None), ("waits for answers", Some(PATIENT)), ("floods", Some(FLOOD))]
    {
        let over = Arc::new(AtomicBool::new(false));
        let watched = others(&gatepost, &over);
        let start = Instant::now();
        let made = match guesser {
            Some(guesser) => guess(&gatepost, guesser).await,
            None => {
                tokio::time::sleep(QUIET).await;
                0
            }
        };
        let seconds = start.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        let mut latencies = gather(watched).await?;
        let rate = latencies.len() as f64 / seconds;
        let [p50, p99] = milliseconds(&mut latencies);
        if guesser.is_none() {
            quiet = p99;
        }
        let ratio = p99 / quiet;
        println!(
            "| {who} | {made} | {seconds:.1} | {rate:.0} | {p50:.2} | {p99:.2} | {ratio:.2} |"
        );
    }
    Ok(())
}

/// Makes the guesses, and says how many; that none is right is the measurement's condition.
async fn guess(gatepost: &Gatepost, Guesser { patience, guesses, time }: Guesser) -> usize {
    let (made, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut guessers = JoinSet::new();
    for number in 0..GUESSERS {
        let made = Arc::clone(&made);
        // Each another password, since equal ones are checked together.
        let ways = ["hunter1", "hunter2", "hunter3", "hunter4"]
            .map(|password| gatepost.way_from(GUESSER, &format!("{USER}{number}"), password));
        guessers.spawn(async move {
            while start.elapsed() < time && made.fetch_add(1, Ordering::Relaxed) < guesses {
                let way = &ways[made.load(Ordering::Relaxed) % ways.len()];
                let left = patience.min(time.saturating_sub(start.elapsed()));
                // A no, a closed door or nothing in time: all the same to a guesser.
                let guessed = timeout(left, way.log_in()).await;
                assert!(!matches!(guessed, Ok(Ok(_))), "a wrong password let in");
            }
        });
    }
    guessers.join_all().await;
    made.load(Ordering::Relaxed).min(guesses)
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
