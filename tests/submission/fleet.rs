//! Many devices behind one mailbox, which Exchange lets send three messages at once.

use std::sync::{Arc, Mutex};

use gatepost_standin::Standin;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::client::Client;
use super::rig::{ADDRESS, AUTH_PLAIN, Difference, Rig};

const SCANNERS: usize = 50;

/// One scanner's visit; every reply that isn't a yes.
async fn scan(address: std::net::SocketAddr, number: usize) -> Vec<String> {
    let mut client = Client::new(TcpStream::connect(address).await.unwrap());
    let mut replies = vec![client.reply().await];
    let message = format!("Subject: scan {number}\r\nFrom: {ADDRESS}\r\n\r\npage\r\n.");
    for line in [
        "EHLO MFP..local",
        AUTH_PLAIN,
        &format!("MAIL FROM:<{ADDRESS}>"),
        "RCPT TO:<erp@contoso.example>",
        "DATA",
        &message,
        "QUIT",
    ] {
        client.say(line).await;
        replies.push(client.reply().await);
    }
    replies.into_iter().flatten().filter(|reply| !reply.starts_with(['2', '3'])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_scanners_at_once_are_all_served() {
    let mailbox = "smtp_mode = \"submission\"\nmessages_per_minute = 6000".to_owned();
    let standin = Standin::start().await.unwrap();
    standin.knobs().smtp_thread_limit = 3;
    standin.knobs().smtp_rate_per_minute = Some(6000);
    let rig = Rig::with(standin, &Difference { mailbox, ..Difference::default() }).await;
    let address = rig.address("smtp");
    let mut scanners = JoinSet::new();
    for number in 0..SCANNERS {
        scanners.spawn(scan(address, number));
    }
    let complaints: Vec<String> = scanners.join_all().await.into_iter().flatten().collect();
    assert_eq!(complaints, Vec::<String>::new());
    assert_eq!(rig.standin.store().messages("erp@contoso.example", "INBOX").len(), SCANNERS);
    assert_eq!(rig.standin.counters().messages_accepted.count(), SCANNERS as u64);
    assert!(rig.standin.counters().smtp_connections.count() <= 3, "connections are used again");
    rig.stop().await;
}

#[tokio::test]
async fn messages_go_in_the_order_they_came() {
    let mailbox = "submissions = 1\nmessages_per_minute = 0".to_owned();
    let difference = Difference { mailbox, ..Difference::default() };
    let rig = Rig::with(Standin::start().await.unwrap(), &difference).await;
    let (mut first, _) = rig.smtp().await;
    first.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut scanners = JoinSet::new();
    for number in 0..6 {
        let (mut client, _) = rig.smtp().await;
        client.say(&format!("MAIL FROM:<{ADDRESS}>")).await;
        // Known to be in the line: this answer comes from beside it.
        while rig.journal.text().matches("waits for its turn").count() <= number {
            tokio::task::yield_now().await;
        }
        let order = Arc::clone(&order);
        scanners.spawn(async move {
            client.until("250 ").await;
            order.lock().unwrap().push(number);
            client.ask("RSET", "250 ").await;
        });
    }
    first.ask("RSET", "250 ").await;
    scanners.join_all().await;
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    rig.stop().await;
}

#[tokio::test]
async fn who_leaves_the_line_is_no_hindrance() {
    let mailbox = "submissions = 1".to_owned();
    let difference = Difference { mailbox, ..Difference::default() };
    let rig = Rig::with(Standin::start().await.unwrap(), &difference).await;
    let (mut first, _) = rig.smtp().await;
    first.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
    let (mut second, _) = rig.smtp().await;
    second.say(&format!("MAIL FROM:<{ADDRESS}>")).await;
    drop(second);
    while !rig.journal.text().contains("the client left before its message was sent") {
        tokio::task::yield_now().await;
    }
    let (mut third, _) = rig.smtp().await;
    third.say(&format!("MAIL FROM:<{ADDRESS}>")).await;
    first.ask("RSET", "250 ").await;
    third.until("250 ").await;
    rig.stop().await;
}
