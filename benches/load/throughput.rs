//! Large messages down and up, one stream and eight.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use crate::client::{Client, Way};
use crate::process::cpu_seconds;
use crate::rig::{self, LARGE, Rig};
use crate::{Outcome, median};

const ROUNDS: usize = 5;
/// Messages in a round, all streams together: 256 MiB.
const MESSAGES: usize = 8;

#[derive(Clone, Copy)]
enum Load {
    Download,
    Upload,
}

pub(crate) async fn measure(rig: &Rig) -> Outcome<()> {
    let gatepost = rig.gatepost(1).await?;
    let (through, direct) = (gatepost.way(), rig.direct()?);
    println!(
        "\n| splice | streams | bare TLS client MiB/s | through gatepost MiB/s | ratio | CPU s/GiB of gatepost |\n|---|---|---|---|---|---|"
    );
    for (name, load, streams) in [
        ("download", Load::Download, 1),
        ("download", Load::Download, 8),
        ("upload", Load::Upload, 1),
        ("upload", Load::Upload, 8),
    ] {
        let (mut bare, mut proxied, mut ratios, mut used) = (vec![], vec![], vec![], 0.0);
        for _ in 0..ROUNDS {
            let one = rate(&direct, load, streams).await?;
            let before = cpu_seconds(gatepost.pid)?;
            let other = rate(&through, load, streams).await?;
            used += cpu_seconds(gatepost.pid)? - before;
            bare.push(one);
            proxied.push(other);
            ratios.push(other / one);
        }
        let gibibytes = (ROUNDS * MESSAGES * LARGE) as f64 / f64::from(1 << 30);
        println!(
            "| {name} | {streams} | {:.0} | {:.0} | {:.2} | {:.2} |",
            median(bare),
            median(proxied),
            median(ratios),
            used / gibibytes
        );
    }
    Ok(())
}

/// MiB a second.
async fn rate(way: &Way, load: Load, streams: usize) -> Outcome<f64> {
    let message: Arc<[u8]> = rig::message(LARGE).into();
    let mut clients = Vec::new();
    for _ in 0..streams {
        let mut client = way.log_in().await?;
        client.select().await?;
        clients.push(client);
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(stream(client, load, MESSAGES / streams, Arc::clone(&message)));
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(((MESSAGES * LARGE) >> 20) as f64 / start.elapsed().as_secs_f64())
}

async fn stream(
    mut client: Client,
    load: Load,
    messages: usize,
    message: Arc<[u8]>,
) -> Outcome<()> {
    for _ in 0..messages {
        match load {
            Load::Download => drop(client.fetch(1).await?),
            Load::Upload => client.upload(&message).await?,
        }
    }
    Ok(())
}
