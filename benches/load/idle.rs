//! What an open mailbox that says nothing holds of memory.

use tokio::task::JoinSet;

use crate::Outcome;
use crate::client::{Client, Way};
use crate::process::resident;
use crate::rig::{Gatepost, Rig, SMALL};

const CONNECTIONS: usize = 2000;
/// Clients that log in, or read, at once.
const AT_ONCE: usize = 16;

pub(crate) async fn measure(rig: &Rig) -> Outcome<()> {
    let gatepost = rig.gatepost(1).await?;
    let way = gatepost.way();
    // What the first logins leave behind for good isn't the connections'. One comes before the others:
    // it is the one whose password is hashed.
    drop(way.log_in().await?);
    drop(log_in(&way, 2 * AT_ONCE).await?);
    let bare = resident(gatepost.pid)?;
    let clients = log_in(&way, CONNECTIONS).await?;
    println!("\n| memory | KiB |\n|---|---|");
    println!("| gatepost without connections | {:.0} |", bare / 1024.0);
    print(&gatepost, bare, "after login")?;
    let clients = read(clients).await?;
    print(&gatepost, bare, "and after 256 KiB each")?;
    drop(clients);
    Ok(())
}

fn print(gatepost: &Gatepost, bare: f64, when: &str) -> Outcome<()> {
    let each = (resident(gatepost.pid)? - bare) / 1024.0 / CONNECTIONS as f64;
    println!("| an idle connection of {CONNECTIONS}, {when} | {each:.1} |");
    Ok(())
}

async fn log_in(way: &Way, count: usize) -> Outcome<Vec<Client>> {
    let mut tasks = JoinSet::new();
    for task in 0..AT_ONCE {
        let (way, share) = (way.clone(), (task..count).step_by(AT_ONCE).len());
        tasks.spawn(async move {
            let mut clients = Vec::new();
            for _ in 0..share {
                clients.push(way.log_in().await?);
            }
            Outcome::Ok(clients)
        });
    }
    gather(tasks).await
}

async fn read(clients: Vec<Client>) -> Outcome<Vec<Client>> {
    let mut tasks = JoinSet::new();
    let mut clients = clients.into_iter().peekable();
    while clients.peek().is_some() {
        let share: Vec<Client> = clients.by_ref().take(CONNECTIONS.div_ceil(AT_ONCE)).collect();
        tasks.spawn(async move {
            let mut read = Vec::new();
            for mut client in share {
                client.select().await?;
                let octets = client.fetch(2).await?;
                assert!(octets >= SMALL, "{octets} octets of message 2");
                read.push(client);
            }
            Outcome::Ok(read)
        });
    }
    gather(tasks).await
}

async fn gather(mut tasks: JoinSet<Outcome<Vec<Client>>>) -> Outcome<Vec<Client>> {
    let mut clients = Vec::new();
    while let Some(task) = tasks.join_next().await {
        clients.extend(task??);
    }
    Ok(clients)
}
