//! Large messages out by SMTP: followed as transactions, against spliced; and what one of the largest
//! costs in memory.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::process::{cpu_seconds, resident};
use crate::rig::{self, Gatepost, LARGE, PASSWORD, Rig, SPLICED, USER};
use crate::{Outcome, median};

const ROUNDS: usize = 5;
/// Messages in a round: 256 MiB.
const MESSAGES: usize = 8;
/// As large as Exchange Online takes them.
const LARGEST: usize = 149 << 20;

pub(crate) async fn measure(rig: &Rig) -> Outcome<()> {
    let gatepost = rig.gatepost(1).await?;
    let message = stuffed(&rig::message(LARGE));
    let (mut rates, mut ratios, mut used) = ([vec![], vec![]], vec![], [0.0, 0.0]);
    for _ in 0..ROUNDS {
        let mut round = [0.0, 0.0];
        for (at, user) in [SPLICED, USER].into_iter().enumerate() {
            let before = cpu_seconds(gatepost.pid)?;
            round[at] = rate(&gatepost, user, &message).await?;
            used[at] += cpu_seconds(gatepost.pid)? - before;
            rates[at].push(round[at]);
        }
        ratios.push(round[1] / round[0]);
    }
    let gibibytes = (ROUNDS * MESSAGES * LARGE) as f64 / f64::from(1 << 30);
    let [spliced, followed] = rates.map(median);
    println!("\n| SMTP upload | MiB/s | CPU s/GiB of gatepost |\n|---|---|---|");
    println!("| splice | {spliced:.0} | {:.2} |", used[0] / gibibytes);
    println!("| submission | {followed:.0} | {:.2} |", used[1] / gibibytes);
    println!("\nsubmission / splice: {:.2}", median(ratios));
    largest(&gatepost).await
}

/// The resident memory over idle while the largest message goes through.
async fn largest(gatepost: &Gatepost) -> Outcome<()> {
    let idle = resident(gatepost.pid)?;
    let message = stuffed(&rig::message(LARGEST));
    let mut client = Client::log_in(gatepost, USER).await?;
    let pid = gatepost.pid;
    let sending = tokio::spawn(async move { client.send(&message).await });
    let mut most = idle;
    while !sending.is_finished() {
        most = most.max(resident(pid)?);
        tokio::task::yield_now().await;
    }
    sending.await??;
    println!("\na message of {} MiB: {:.0} KiB over idle", LARGEST >> 20, (most - idle) / 1024.0);
    Ok(())
}

/// MiB a second.
async fn rate(gatepost: &Gatepost, user: &str, message: &[u8]) -> Outcome<f64> {
    let mut client = Client::log_in(gatepost, user).await?;
    let start = Instant::now();
    for _ in 0..MESSAGES {
        client.send(message).await?;
    }
    Ok(((MESSAGES * LARGE) >> 20) as f64 / start.elapsed().as_secs_f64())
}

/// A message with its dots and its end (RFC 5321 section 4.5.2). The rig's has no line with a dot.
fn stuffed(message: &[u8]) -> Vec<u8> {
    [message, b".\r\n"].concat()
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn log_in(gatepost: &Gatepost, user: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(gatepost.smtp).await?;
        stream.set_nodelay(true)?;
        let mut client = Self(BufReader::new(stream));
        client.expect("220").await?;
        client.ask(b"EHLO bench\r\n", "250").await?;
        let login = STANDARD.encode(format!("\0{user}\0{PASSWORD}"));
        client.ask(format!("AUTH PLAIN {login}\r\n").as_bytes(), "235").await?;
        Ok(client)
    }

    /// Sends a message from somebody else: it is taken in and refused, so that it isn't kept.
    async fn send(&mut self, message: &[u8]) -> Outcome<()> {
        self.ask(b"MAIL FROM:<ceo@fabrikam.example>\r\n", "250").await?;
        self.ask(b"RCPT TO:<erp@contoso.example>\r\n", "250").await?;
        self.ask(b"DATA\r\n", "354").await?;
        self.ask(message, "554 5.2.252").await
    }

    async fn ask(&mut self, octets: &[u8], code: &str) -> Outcome<()> {
        self.0.write_all(octets).await?;
        self.0.flush().await?;
        self.expect(code).await
    }

    async fn expect(&mut self, code: &str) -> Outcome<()> {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await?;
            if !line.starts_with(code) {
                return Err(line.into());
            }
            if line.as_bytes().get(3) == Some(&b' ') {
                return Ok(());
            }
        }
    }
}
