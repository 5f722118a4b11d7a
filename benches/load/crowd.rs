//! What more mailboxes in the configuration cost.

use std::time::Duration;

use crate::logins::latency;
use crate::process::resident;
use crate::rig::Rig;
use crate::{Outcome, median};

const STARTS: usize = 5;
const LOGINS: usize = 200;

pub(crate) async fn measure(rig: &Rig) -> Outcome<()> {
    println!(
        "\n| mailboxes | start ms | first login ms | second ms | later, median ms | resident MiB |\n|---|---|---|---|---|---|"
    );
    for mailboxes in [1, 10_000] {
        let (mut starts, mut first, mut second, mut later) = (vec![], vec![], vec![], vec![]);
        let mut memory = 0.0;
        for _ in 0..STARTS {
            let gatepost = rig.gatepost(mailboxes).await?;
            let way = gatepost.way();
            memory = resident(gatepost.pid)? / f64::from(1 << 20);
            starts.push(milliseconds(gatepost.started_in));
            first.push(milliseconds(latency(&way).await?));
            second.push(milliseconds(latency(&way).await?));
            for _ in 0..LOGINS {
                later.push(milliseconds(latency(&way).await?));
            }
        }
        println!(
            "| {mailboxes} | {:.0} | {:.1} | {:.2} | {:.2} | {memory:.1} |",
            median(starts),
            median(first),
            median(second),
            median(later)
        );
    }
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
