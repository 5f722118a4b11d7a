//! Logins that lead somewhere, and those that are ours to refuse.

use super::client::Client;
use super::rig::{ADDRESS, AUTH_PLAIN, Difference, PASSWORD, Rig, USER, mailbox};
use gatepost_standin::Standin;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

#[tokio::test]
async fn a_password_opens_an_imap_mailbox() {
    let rig = Rig::start().await;
    rig.standin.store().deliver(ADDRESS, "INBOX", &b"Subject: hello\r\n\r\nbody\r\n"[..]);
    let mut client = rig.client("imap").await;
    client.until("* OK [CAPABILITY IMAP4rev1").await;
    client.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a OK").await;
    let selected = client.ask("b SELECT INBOX", "b OK").await;
    assert!(selected.iter().any(|line| line == "* 1 EXISTS"), "{selected:?}");
    client.ask("c LOGOUT", "c OK").await;
    assert_eq!(client.rest().await, b"");
    assert_eq!(rig.standin.counters().token_requests.count(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_password_sends_a_message() {
    let rig = Rig::start().await;
    let (mut client, answer) = rig.smtp().await;
    assert_eq!(answer, ["235 2.7.0 Authentication successful"]);
    client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "250 ").await;
    client.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
    client.ask("DATA", "354 ").await;
    client.ask("Subject: scan\r\n\r\npage\r\n.", "250 ").await;
    client.ask("QUIT", "221 ").await;
    assert_eq!(client.rest().await, b"");
    let delivered = rig.standin.store().messages("erp@contoso.example", "INBOX");
    assert_eq!(delivered.len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn each_way_to_log_in_works() {
    let rig = Rig::start().await;
    for (protocol, greeting, steps) in [
        ("imap", "* OK", vec![("a AUTHENTICATE PLAIN AHNjYW5uZXIAY29ycmVjdCBob3JzZQ==", "a OK")]),
        (
            "imap",
            "* OK",
            vec![("a AUTHENTICATE PLAIN", "+"), ("AHNjYW5uZXIAY29ycmVjdCBob3JzZQ==", "a OK")],
        ),
        (
            "imap",
            "* OK",
            vec![
                ("a authenticate login", "+"),
                ("c2Nhbm5lcg==", "+"),
                ("Y29ycmVjdCBob3JzZQ==", "a OK"),
            ],
        ),
        (
            "imap",
            "* OK",
            vec![("a LOGIN {7}", "+"), ("scanner {13}", "+"), ("correct horse", "a OK")],
        ),
        ("imap", "* OK", vec![("a LOGIN {7+}\r\nSCANNER {13+}\r\ncorrect horse", "a OK")]),
        (
            "smtp",
            "220 ",
            vec![
                ("EHLO x", "250 "),
                ("AUTH PLAIN", "334 "),
                ("AHNjYW5uZXIAY29ycmVjdCBob3JzZQ==", "235 "),
            ],
        ),
        (
            "smtp",
            "220 ",
            vec![
                ("EHLO x", "250 "),
                ("AUTH LOGIN", "334 "),
                ("c2Nhbm5lcg==", "334 "),
                ("Y29ycmVjdCBob3JzZQ==", "235 "),
            ],
        ),
        (
            "smtp",
            "220 ",
            vec![
                ("HELO x", "250 "),
                ("auth login c2Nhbm5lcg==", "334 "),
                ("Y29ycmVjdCBob3JzZQ==", "235 "),
            ],
        ),
    ] {
        let mut client = rig.client(protocol).await;
        client.until(greeting).await;
        for (line, answer) in steps {
            client.ask(line, answer).await;
        }
    }
    assert_eq!(rig.standin.counters().token_requests.count(), 1);
    rig.stop().await;
}

/// A stranger's login costs no connection, no token request, and the answer doesn't tell whether the
/// user exists.
#[tokio::test]
async fn nothing_upstream_happens_for_a_stranger() {
    let rig = Rig::start().await;
    let mut answers = Vec::new();
    for user in [USER, "nobody"] {
        let mut client = rig.client("imap").await;
        client.until("* OK").await;
        answers.push(client.ask(&format!("a LOGIN {user} \"wrong\""), "a ").await);
        client.ask("b SELECT INBOX", "b BAD").await;
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], ["a NO [AUTHENTICATIONFAILED] Authentication failed"]);
    let mut client = rig.client("smtp").await;
    client.until("220 ").await;
    client.ask("EHLO scanner", "250 ").await;
    client.ask("AUTH PLAIN AHNjYW5uZXIAd3Jvbmc=", "535 5.7.8 ").await;
    let told = client.ask(&format!("MAIL FROM:<{ADDRESS}>"), "530 5.7.0 ").await;
    assert!(told[0].contains("535 5.7.8"), "a client that goes on hears why: {told:?}");
    let counters = rig.standin.counters();
    assert_eq!((counters.connections.count(), counters.token_requests.count()), (0, 0));
    let rejected = rig.journal.lines().into_iter().filter(|line| line.contains("login failed"));
    assert_eq!(rejected.count(), 3);
    rig.stop().await;
}

#[tokio::test]
async fn a_login_on_behalf_of_somebody_else_is_not_authorized() {
    let rig = Rig::start().await;
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    // erp NUL scanner NUL correct horse
    client
        .ask(
            "a AUTHENTICATE PLAIN ZXJwAHNjYW5uZXIAY29ycmVjdCBob3JzZQ==",
            "a NO [AUTHORIZATIONFAILED]",
        )
        .await;
    assert_eq!(rig.standin.counters().connections.count(), 0);
    rig.stop().await;
}

#[tokio::test]
async fn failed_logins_end_the_connection() {
    let rig = Rig::tables("[limits]\nfailed_logins = 2\n").await;
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    client.ask("a LOGIN scanner one", "a NO [AUTHENTICATIONFAILED]").await;
    client.ask("b LOGIN scanner two", "b NO [AUTHENTICATIONFAILED]").await;
    assert_eq!(client.rest().await, b"* BYE Too many failed logins\r\n");
    let mut client = rig.client("smtp").await;
    client.until("220 ").await;
    client.ask("EHLO scanner", "250 ").await;
    client.ask("AUTH PLAIN AHNjYW5uZXIAb25l", "535 ").await;
    client.ask("AUTH PLAIN AHNjYW5uZXIAdHdv", "535 ").await;
    assert_eq!(client.rest().await, b"421 4.7.0 Too many failed logins\r\n");
    rig.journal.tells("`failed_logins` under [limits] is reached");
    rig.stop().await;
}

/// The last word arrives even where the client has sent more than anybody will read.
#[tokio::test]
async fn a_client_that_talks_on_hears_the_last_word() {
    let rig = Rig::tables("[limits]\nfailed_logins = 1\n").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(16 * 1024).unwrap();
    let mut client = Client::new(socket.connect(rig.address("imap")).await.unwrap());
    client.until("* OK").await;
    client.say("a LOGIN scanner wrong").await;
    // More than the buffers on the way hold: it has to be taken for the client to get to reading.
    client.send("b NOOP\r\n".repeat(1 << 17).as_bytes()).await;
    client.until("a NO").await;
    assert_eq!(client.rest().await, b"* BYE Too many failed logins\r\n");
    rig.stop().await;
}

#[tokio::test]
async fn a_right_password_after_a_wrong_one_gets_in() {
    let rig = Rig::start().await;
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    client.ask("a LOGIN scanner one", "a NO [AUTHENTICATIONFAILED]").await;
    client.ask(&format!("b LOGIN {USER} \"{PASSWORD}\""), "b OK").await;
    client.ask("c SELECT INBOX", "c OK").await;
    rig.stop().await;
}

#[tokio::test]
async fn a_stampede_makes_one_token_request() {
    let rig = Rig::start().await;
    rig.standin.knobs().authority_delay = std::time::Duration::from_millis(200);
    let address = rig.address("imap");
    let mut logins = JoinSet::new();
    for _ in 0..100 {
        logins.spawn(async move {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut client = Client::new(stream);
            client.until("* OK").await;
            client.ask(&format!("a LOGIN {USER} \"{PASSWORD}\""), "a ").await.pop().unwrap()
        });
    }
    for answer in logins.join_all().await {
        assert!(answer.starts_with("a OK"), "{answer}");
    }
    assert_eq!(rig.standin.counters().token_requests.count(), 1);
    assert_eq!(rig.standin.counters().imap_logins.count(), 100);
    rig.stop().await;
}

#[tokio::test]
async fn two_mailboxes_and_two_protocols_of_one_application_share_a_token() {
    let second = mailbox("erp@contoso.example", "erp", "");
    let rig = Rig::tables(&second).await;
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    client.ask(&format!("a LOGIN erp \"{PASSWORD}\""), "a OK").await;
    assert!(rig.smtp().await.1[0].starts_with("235 "));
    assert_eq!(rig.standin.counters().token_requests.count(), 1);
    rig.stop().await;
}

/// The name in EHLO is Exchange's to judge, and a second AUTH holds a local password.
#[tokio::test]
async fn what_is_between_client_and_gatepost_stays_there() {
    let rig = Rig::start().await;
    let (mut client, _) = rig.smtp().await;
    client.ask(AUTH_PLAIN, "503 5.5.1").await;
    let extensions = client.ask("EHLO scanner..local", "250 ").await;
    assert!(
        !extensions.iter().any(|line| line.contains("AUTH") || line.contains("STARTTLS")),
        "{extensions:?}"
    );
    client.ask(AUTH_PLAIN, "503 5.5.1").await;
    client.ask("HELO scanner..local", "250 ").await;
    client.ask("NOOP", "250 ").await;
    client.ask("QUIT", "221 ").await;
    let said = rig.said_upstream();
    let payload = AUTH_PLAIN.rsplit(' ').next().unwrap();
    assert!(
        !said.iter().any(|line| line.contains("scanner..local") || line.contains(payload)),
        "{said:?}"
    );
    let greetings: Vec<_> = said.iter().filter(|line| line.starts_with("EHLO")).collect();
    assert_eq!(greetings, ["EHLO gatepost.contoso.example"; 2]);
    rig.stop().await;
}

#[tokio::test]
async fn a_mailbox_whose_provider_lacks_the_protocol_is_explained() {
    let standin = Standin::start().await.unwrap();
    let tables = format!(
        "[provider.mailonly]\npreset = \"custom\"\ntoken_endpoint = \"{}\"\nclient_id = \"x\"\ngrant = \"client_credentials\"\n\
         client_secret = \"y\"\nscope = \"z\"\n[provider.mailonly.smtp]\nhost = \"localhost\"\n\
         [[mailbox]]\naddress = \"alice@contoso.example\"\nprovider = \"mailonly\"\nuser = \"alice\"\npassword = \"{PASSWORD}\"\n",
        standin.token_endpoint()
    );
    let difference = Difference { tables: &tables, ..Difference::default() };
    let rig = Rig::with(standin, &difference).await;
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    client.ask(&format!("a LOGIN alice \"{PASSWORD}\""), "a NO [CONTACTADMIN]").await;
    rig.journal.tells("has no [provider.mailonly.imap]");
    rig.stop().await;
}
