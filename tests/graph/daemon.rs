//! A whole gatepost whose mailbox sends through Graph: what its SMTP clients see.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use gatepost::daemon::Daemon;
use gatepost_standin::AuthorityFailure;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::journal::Journal;
use super::rig::{ALICE, ERP, SCANNER, app, configure, grant, tenant};
use super::scan;

/// With all that gatepost would add.
const MESSAGE: &str = concat!(
    "Date: Sun, 22 Nov 2026 11:37:11 +0000\r\nMessage-ID: <1@contoso.example>\r\n",
    "From: <scanner@contoso.example>\r\nTo: ERP <erp@contoso.example>\r\nSubject: scan\r\n\r\n",
    "Seite 1\r\n.\r\n..\r\n"
);

/// `AUTH PLAIN` of the scanner with the password of [`configure`].
const AUTH: &str = "AUTH PLAIN AHNjYW5uZXJAY29udG9zby5leGFtcGxlAHg=";

struct House {
    standin: gatepost_standin::Standin,
    address: SocketAddr,
    stop: CancellationToken,
    _folder: TempDir,
}

impl House {
    async fn start(keys: &str) -> Self {
        let standin = tenant().await;
        let endpoint = standin.graph();
        Self::of(standin, &endpoint, keys).await
    }

    /// The same, by drafts where a message is large.
    async fn large() -> Self {
        let standin = tenant().await;
        grant(&standin, "Mail.ReadWrite");
        let endpoint = format!("{}\"\nlarge = true #", standin.graph());
        Self::of(standin, &endpoint, "smtp_via = \"graph\"").await
    }

    async fn of(standin: gatepost_standin::Standin, endpoint: &str, keys: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let provider = super::rig::provider(folder.path(), &standin, endpoint, &app());
        let config = configure(folder.path(), &provider, keys).unwrap();
        let daemon = Daemon::bind(config).await.unwrap();
        let (_, address) = daemon.addresses().next().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(daemon.run(stop.clone()));
        Self { standin, address, stop, _folder: folder }
    }

    async fn client(&self) -> Client {
        let mut client = Client(BufReader::new(TcpStream::connect(self.address).await.unwrap()));
        assert!(client.reply().await.starts_with("220 "));
        client
    }

    async fn logged_in(&self) -> Client {
        let mut client = self.client().await;
        client.ask("EHLO scanner..local").await;
        assert!(client.ask(AUTH).await.starts_with("235 "));
        client
    }

    fn received(&self, mailbox: &str) -> Vec<Vec<u8>> {
        let messages = self.standin.store().messages(mailbox, "INBOX");
        messages.iter().map(|message| message.raw.to_vec()).collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn ask(&mut self, line: &str) -> String {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.reply().await
    }

    /// All lines of a reply.
    async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            assert_ne!(self.0.read_line(&mut reply).await.unwrap(), 0, "{reply}");
            if reply.as_bytes()[start + 3] == b' ' {
                return reply;
            }
        }
    }

    /// The envelope, DATA and the message with its dots.
    async fn send(&mut self, to: &[&str], message: &[u8]) -> String {
        assert!(self.ask(&format!("MAIL FROM:<{SCANNER}>")).await.starts_with("250 "));
        for recipient in to {
            assert!(self.ask(&format!("RCPT TO:<{recipient}>")).await.starts_with("250 "));
        }
        assert!(self.ask("DATA").await.starts_with("354 "));
        let mut stuffed = Vec::new();
        for line in message.split_inclusive(|octet| *octet == b'\n') {
            stuffed.extend(line.first().filter(|octet| **octet == b'.'));
            stuffed.extend(line);
        }
        self.0.write_all(&stuffed).await.unwrap();
        self.ask(".").await
    }
}

#[tokio::test]
async fn mail_from_a_scanner_arrives_through_graph() {
    let house = House::start("smtp_via = \"graph\"").await;
    let mut client = house.client().await;
    let greeting = client.ask("EHLO scanner").await;
    assert!(greeting.contains("SIZE 3000000\r\n"), "{greeting}");
    assert!(client.ask(AUTH).await.starts_with("235 "));
    let greeting = client.ask("EHLO scanner").await;
    assert!(greeting.contains("SIZE 3000000\r\n") && !greeting.contains("UTF8"), "{greeting}");
    let reply = client.send(&[ERP, ALICE], MESSAGE.as_bytes()).await;
    assert!(reply.starts_with("250 2.0.0 Accepted by Graph"), "{reply}");
    for mailbox in [ERP, ALICE] {
        assert_eq!(house.received(mailbox), [MESSAGE.as_bytes()]);
    }
    let large = [MESSAGE.as_bytes(), &scan(2_900_000), b"\r\n"].concat();
    assert!(client.send(&[ERP], &large).await.starts_with("250 "));
    assert!(house.received(ERP)[1] == large);
    assert!(client.ask("QUIT").await.starts_with("221 "));
    assert_eq!(house.standin.counters().smtp_logins.count(), 0, "nothing went by SMTP");
}

#[tokio::test]
async fn the_same_by_chunks() {
    let house = House::start("smtp_via = \"graph\"").await;
    let mut client = house.logged_in().await;
    client.ask(&format!("MAIL FROM:<{SCANNER}>")).await;
    client.ask(&format!("RCPT TO:<{ERP}>")).await;
    let (one, two) = MESSAGE.split_at(20);
    client.0.write_all(format!("BDAT {}\r\n{one}", one.len()).as_bytes()).await.unwrap();
    assert!(client.reply().await.starts_with("250 "));
    client.0.write_all(format!("BDAT {} LAST\r\n{two}", two.len()).as_bytes()).await.unwrap();
    assert!(client.reply().await.starts_with("250 2.0.0 Accepted"));
    assert_eq!(house.received(ERP), [MESSAGE.as_bytes()]);
}

#[tokio::test]
async fn what_is_too_much_is_refused_where_it_shows() {
    let house = House::start("smtp_via = \"graph\"").await;
    let mut client = house.logged_in().await;
    let reply = client.ask(&format!("MAIL FROM:<{SCANNER}> SIZE=3000001")).await;
    assert!(reply.starts_with("552 5.3.4 "), "{reply}");
    assert!(client.ask(&format!("MAIL FROM:<{SCANNER}> SIZE=3000000")).await.starts_with("250 "));
    assert!(client.ask("RCPT TO:<b\u{fc}ro@contoso.example>").await.starts_with("553 5.1.3 "));
    assert!(client.ask("RSET").await.starts_with("250 "));
    let reply = client.send(&[ERP], &[&scan(3_100_000)[..], b"\r\n"].concat()).await;
    assert!(reply.starts_with("552 5.3.4 "), "{reply}");
    let reply = client.send(&[ALICE], MESSAGE.as_bytes()).await;
    assert!(reply.starts_with("554 5.6.0 To names erp@contoso.example"), "{reply}");
    assert!(client.send(&[ERP], MESSAGE.as_bytes()).await.starts_with("250 "), "it goes on");
    assert_eq!(house.standin.counters().graph_requests.count(), 1);
}

#[tokio::test]
async fn what_only_smtp_could_honour_is_refused_before_the_message() {
    let house = House::start("smtp_via = \"graph\"").await;
    let mut client = house.logged_in().await;
    for (parameters, reply) in [
        ("SMTPUTF8", "555 5.5.4 "),
        ("BODY=BINARYMIME", "504 5.5.4 "),
        ("RET=HDRS", "555 5.5.4 "),
        ("SIZE=10 ENVID=7", "555 5.5.4 "),
        ("SIZE=ten", "501 5.5.4 "),
        ("SIZE=99999999999999999999999", "552 5.3.4 "),
        ("body=8bitmime AUTH=<> size=10", "250 "),
    ] {
        let answer = client.ask(&format!("MAIL FROM:<{SCANNER}> {parameters}")).await;
        assert!(answer.starts_with(reply), "{parameters}: {answer}");
    }
    let answer = client.ask(&format!("RCPT TO:<{ERP}> NOTIFY=NEVER")).await;
    assert!(answer.starts_with("555 5.5.4 "), "{answer}");
    // The refused one counts too.
    for number in 1..gatepost::graph::RECIPIENTS {
        assert!(client.ask(&format!("RCPT TO:<r{number}@c.example>")).await.starts_with("250 "));
    }
    assert!(client.ask("RCPT TO:<one.more@c.example>").await.starts_with("452 4.5.3 "));
}

/// Before the login as after it, for few clients ask twice; and what it can't hold is refused.
#[tokio::test]
async fn a_large_size_is_announced_and_holds() {
    let house = House::large().await;
    let mut client = house.client().await;
    assert!(client.ask("EHLO scanner").await.contains("250-SIZE 150000000\r\n"));
    let mut client = house.logged_in().await;
    let refused = client.ask(&format!("MAIL FROM:<{SCANNER}> SIZE=150000001")).await;
    assert!(refused.starts_with("552 5.3.4 "), "{refused}");
    let scan = super::large::scan();
    let reply = client.send(&[ERP], &scan).await;
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!((house.received(ERP).len(), house.standin.drafts()), (1, 0));
}

/// Each message's own line, by which it is found at Microsoft too.
#[tokio::test]
async fn the_journal_tells_of_each_message() {
    let (journal, _guard) = Journal::here();
    let house = House::start("smtp_via = \"graph\"\nmessages_per_minute = 0").await;
    let mut client = house.logged_in().await;
    let reply = client.send(&[ERP], MESSAGE.as_bytes()).await;
    let id = reply.trim_end().rsplit_once("queued as ").unwrap().1.to_owned();
    assert_eq!(id.len(), 36, "{reply}");
    journal.tells(&format!(
        "message sent mail_from=\"{SCANNER}\" recipients=\"1\" octets={}",
        MESSAGE.len()
    ));
    journal.tells(&format!("queue_id=\"{id}\" changed=\"\" milliseconds="));

    house.standin.knobs().graph_failure = Some(AuthorityFailure {
        status: 504,
        body: "<html>upstream timed out</html>".to_owned(),
        retry_after: None,
        times: Some(1),
    });
    let reply = client.send(&[ERP], MESSAGE.as_bytes()).await;
    let expected =
        "451 4.4.2 Mail server failed (HTTP 504); it is unknown whether the message was sent\r\n";
    assert_eq!(reply, expected);
    journal.tells("It said: 504: <html>upstream timed out</html> (request ");
    journal.tells("outcome unknown: the mail host had the whole message");
    journal.tells("why=\"failed (HTTP 504)\"");
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_leaves_nothing() {
    let house = House::start("smtp_via = \"graph\"\nsubmissions = 1").await;
    let mut client = house.logged_in().await;
    client.ask(&format!("MAIL FROM:<{SCANNER}>")).await;
    client.ask(&format!("RCPT TO:<{ERP}>")).await;
    client.ask("DATA").await;
    client.0.write_all(&b"Seite 1\r\n".repeat(40_000)).await.unwrap();
    drop(client);
    // Its place in the mailbox's line is free again only once gatepost has given the message up.
    let mut next = house.logged_in().await;
    assert!(next.send(&[ERP], MESSAGE.as_bytes()).await.starts_with("250 "));
    assert_eq!(house.received(ERP), [MESSAGE.as_bytes()]);
    assert_eq!(house.standin.counters().graph_requests.count(), 1);
}

#[tokio::test]
async fn a_login_without_a_way_out_is_told_so() {
    let house = House::start("smtp_via = \"graph\"").await;
    house.standin.knobs().authority_aadsts = Some(7_000_215);
    let mut client = house.client().await;
    client.ask("EHLO scanner").await;
    let reply = client.ask(AUTH).await;
    assert!(reply.starts_with("454 4.7.0 "), "{reply}");
}

/// Fifty devices at once, and a Graph that wants to be left alone at first, and again and again.
#[tokio::test]
async fn a_fleet_that_graph_throttles_gets_its_mail_out() {
    let house = House::start("smtp_via = \"graph\"\nmessages_per_minute = 0").await;
    house.standin.knobs().graph_rate = Some((4, Duration::from_millis(200)));
    house.standin.knobs().graph_failure = Some(AuthorityFailure {
        status: 429,
        body: r#"{"error":{"code":"TooManyRequests"}}"#.to_owned(),
        retry_after: Some("0.05".to_owned()),
        times: Some(3),
    });
    let mut fleet = JoinSet::new();
    for number in 0..50 {
        let mut client = house.logged_in().await;
        fleet.spawn(async move {
            let message = MESSAGE.replace("Seite", &format!("Seite {number} von"));
            client.send(&[ERP], message.as_bytes()).await
        });
    }
    for reply in fleet.join_all().await {
        assert!(reply.starts_with("250 "), "{reply}");
    }
    let received = house.received(ERP);
    let different: HashSet<&Vec<u8>> = received.iter().collect();
    assert_eq!((received.len(), different.len()), (50, 50));
    assert!(house.standin.counters().graph_requests.count() >= 53, "some were told to wait");
}
