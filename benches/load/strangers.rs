//! What connections cost that never log in, and what they do to those who do.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::Outcome;
use crate::client::{Way, connect};
use crate::logins::{latency, milliseconds};
use crate::process::resident;
use crate::rig::Rig;

const STRANGERS: usize = 10_000;
const LOGINS: usize = 2000;

pub(crate) async fn measure(rig: &Rig) -> Outcome<()> {
    let gatepost = rig.gatepost(1).await?;
    let way = gatepost.way();
    // The first one hashes a password, which isn't what strangers cost.
    drop(way.log_in().await?);
    let [middle, worst] = milliseconds(&mut logins(&way).await?);
    let bare = resident(gatepost.pid)?;
    let mut strangers: Vec<TcpStream> = Vec::with_capacity(STRANGERS);
    for _ in 0..STRANGERS {
        let mut stranger = connect(&gatepost.address).await?;
        // Greeted, and thus as far as a stranger gets.
        stranger.read_u8().await?;
        strangers.push(stranger);
    }
    let held = resident(gatepost.pid)? - bare;
    let [then_middle, then_worst] = milliseconds(&mut logins(&way).await?);
    println!(
        "\n| connections without a login | MiB in all | KiB each | login p50 ms | p99 ms |\n|---|---|---|---|---|"
    );
    println!("| 0 | | | {middle:.2} | {worst:.2} |");
    let (mebibytes, each) = (held / f64::from(1 << 20), held / 1024.0 / STRANGERS as f64);
    println!("| {STRANGERS} | {mebibytes:.1} | {each:.2} | {then_middle:.2} | {then_worst:.2} |");
    drop(strangers);
    Ok(())
}

async fn logins(way: &Way) -> Outcome<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(LOGINS);
    for _ in 0..LOGINS {
        latencies.push(latency(way).await?);
    }
    Ok(latencies)
}
