//! What gatepost costs: a load generator against the stand-in, printed as tables of docs/benchmarks.md.
//!
//! gatepost is the release binary in a process of its own, the stand-in another process, this one the
//! mail programs. Every number stands beside that of a client which speaks TLS and XOAUTH2 itself, to
//! the same stand-in, in turns with it: the ratios mean something on a busy machine too, the absolute
//! numbers only on a quiet one. Linux alone, for `/proc`; 10,000 connections need `ulimit -n 16384`.
//!
//! `cargo bench --bench load -- NAME...` runs the named parts alone.

#[path = "load/client.rs"]
mod client;
#[path = "load/crowd.rs"]
mod crowd;
#[path = "load/guesses.rs"]
mod guesses;
#[path = "load/idle.rs"]
mod idle;
#[path = "load/logins.rs"]
mod logins;
#[path = "load/passwords.rs"]
mod passwords;
#[path = "load/process.rs"]
mod process;
#[path = "load/rig.rs"]
mod rig;
#[path = "load/strangers.rs"]
mod strangers;
#[path = "load/submission.rs"]
mod submission;
#[path = "load/throughput.rs"]
mod throughput;

use std::error::Error;

use rig::Rig;
use tokio::runtime::Runtime;

/// Whatever went wrong; a measurement that fails is no measurement.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const PARTS: &[&str] =
    &["logins", "throughput", "idle", "strangers", "passwords", "guesses", "crowd", "submission"];

fn main() -> Outcome<()> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let runtime = Runtime::new()?;
    if arguments.first().is_some_and(|word| word == rig::STANDIN) {
        let result = runtime.block_on(rig::standin());
        // The thread that reads standard input can't be interrupted.
        runtime.shutdown_background();
        return result;
    }
    if let Some(unknown) = arguments.iter().find(|word| !PARTS.contains(&word.as_str())) {
        return Err(format!("no part {unknown:?}; there are {}", PARTS.join(", ")).into());
    }
    let wanted: Vec<&str> = match arguments.is_empty() {
        true => PARTS.to_vec(),
        false => arguments.iter().map(String::as_str).collect(),
    };
    runtime.block_on(measure(&wanted))
}

async fn measure(parts: &[&str]) -> Outcome<()> {
    let rig = Rig::start().await?;
    for part in parts {
        match *part {
            "logins" => logins::measure(&rig).await?,
            "throughput" => throughput::measure(&rig).await?,
            "idle" => idle::measure(&rig).await?,
            "submission" => submission::measure(&rig).await?,
            "strangers" => strangers::measure(&rig).await?,
            "passwords" => passwords::measure(&rig).await?,
            "guesses" => guesses::measure(&rig).await?,
            _ => crowd::measure(&rig).await?,
        }
    }
    Ok(())
}

/// The middle of `values`; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
