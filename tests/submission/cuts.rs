//! The service breaks the connection at each point of the dialogue, and gatepost tries again or says
//! so; no message arrives twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatepost_standin::Standin;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::rig::{ADDRESS, Difference, Rig};

/// Where a connection through the go-between ends: before the client's line that starts so is passed
/// on, or after it was, without its answer.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Before(&'static str),
    After(&'static str),
}

/// A go-between in front of the stand-in that cuts its first `times` connections.
async fn go_between(standin: &Standin, cut: Cut, times: usize) -> u16 {
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, inner) = (door.local_addr().unwrap().port(), standin.smtp_plain());
    let left = Arc::new(AtomicUsize::new(times));
    tokio::spawn(async move {
        loop {
            let (outer, _) = door.accept().await.unwrap();
            let left = Arc::clone(&left);
            tokio::spawn(async move {
                pass(outer, TcpStream::connect(inner).await.unwrap(), cut, &left).await
            });
        }
    });
    port
}

async fn pass(outer: TcpStream, inner: TcpStream, cut: Cut, left: &AtomicUsize) -> Option<()> {
    let (outer_read, mut outer_write) = outer.into_split();
    let (mut inner_read, mut inner_write) = inner.into_split();
    let (cut_off, mut is_cut) = tokio::sync::oneshot::channel::<()>();
    let answers = tokio::spawn(async move {
        let mut bytes = [0; 4096];
        loop {
            tokio::select! {
                biased;
                _ = &mut is_cut => {
                    // The service has taken what came before: its answer shows that, and is kept back.
                    let _ = inner_read.read(&mut bytes).await;
                    return;
                }
                count = inner_read.read(&mut bytes) => match count {
                    Ok(count) if count > 0 => outer_write.write_all(&bytes[..count]).await.unwrap_or(()),
                    _ => return,
                },
            }
        }
    });
    let mut lines = BufReader::new(outer_read);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await.ok()? > 0 {
        let hit = |start: &str| line.starts_with(start.as_bytes());
        let cuts = || {
            left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok()
        };
        match cut {
            Cut::Before(start) if hit(start) && cuts() => {
                answers.abort();
                return None;
            }
            Cut::After(start) if hit(start) && cuts() => {
                let _ = cut_off.send(());
                tokio::task::yield_now().await;
                inner_write.write_all(&line).await.ok()?;
                answers.await.ok()?;
                return None;
            }
            _ => inner_write.write_all(&line).await.ok()?,
        }
        line.clear();
    }
    answers.abort();
    Some(())
}

/// The replies to a whole message, and how often it arrived.
async fn send(cut: Cut, times: usize) -> (Vec<String>, u64, Rig) {
    let standin = Standin::start().await.unwrap();
    let port = go_between(&standin, cut, times).await;
    let imap = format!("host = \"localhost\"\nport = {}", standin.imap().port());
    let smtp = format!("host = \"127.0.0.1\"\nport = {port}\nsecurity = \"plain\"");
    let difference = Difference { services: Some([imap, smtp]), ..Difference::default() };
    let rig = Rig::with(standin, &difference).await;
    let (mut client, _) = rig.smtp().await;
    let mut replies = Vec::new();
    for line in [
        format!("MAIL FROM:<{ADDRESS}>"),
        "RCPT TO:<erp@contoso.example>".to_owned(),
        "DATA".to_owned(),
        format!("From: {ADDRESS}\r\n\r\nbody\r\n."),
    ] {
        client.say(&line).await;
        replies.push(client.reply().await[0].clone());
        if !replies.last().unwrap().starts_with(['2', '3']) {
            break;
        }
    }
    let accepted = rig.standin.counters().messages_accepted.count();
    (replies, accepted, rig)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_before_the_message_is_mended() {
    for command in ["RSET", "MAIL", "RCPT", "DATA"] {
        for cut in [Cut::Before(command), Cut::After(command)] {
            for times in [1, 2] {
                let (replies, accepted, rig) = send(cut, times).await;
                let good = replies.len() == 4 && replies[3].starts_with("250");
                assert!(good && accepted == 1, "{cut:?} {times}: {replies:?} {accepted}");
                rig.stop().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_within_the_message_is_told_and_delivers_nothing() {
    for piece in ["From:", "body"] {
        let (replies, accepted, rig) = send(Cut::Before(piece), 1).await;
        assert!(replies[3].starts_with("451 4.4.2"), "{piece}: {replies:?}");
        assert_eq!(accepted, 0, "{piece}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_cut_behind_the_message_is_an_unknown_outcome_and_never_a_second_message() {
    let (replies, accepted, rig) = send(Cut::After(".\r\n"), 1).await;
    assert!(replies[3].starts_with("451 4.4.2"), "{replies:?}");
    assert!(replies[3].ends_with("unknown whether the message was sent"), "{replies:?}");
    assert_eq!(accepted, 1, "the service has it, and once");
    rig.journal.tells("outcome unknown");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_keeps_breaking_is_told_to_the_client() {
    let (replies, accepted, rig) = send(Cut::Before("RCPT"), usize::MAX).await;
    assert!(replies[1].starts_with("451 4.4.2"), "{replies:?}");
    assert_eq!(accepted, 0);
    rig.stop().await;
}

/// Whatever the client has sent of its message when it leaves, nothing is delivered.
#[tokio::test]
async fn a_client_that_leaves_in_its_message_leaves_nothing() {
    let rig = super::transactions::rig("messages_per_minute = 0").await;
    let message = format!("From: {ADDRESS}\r\n\r\nbody\r\n.\r\n");
    for cut in 0..message.len() {
        let (mut client, _) = rig.smtp().await;
        client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
        client.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
        client.ask("DATA", "354 ").await;
        client.send(&message.as_bytes()[..cut]).await;
        drop(client);
        while rig.journal.text().matches("nothing is delivered").count() <= cut {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(rig.standin.counters().messages_accepted.count(), 0);
    rig.stop().await;
}
