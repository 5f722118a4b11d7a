//! Submission over real sockets: what every client sees of a healthy Exchange, and each knob.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "clients/smtp.rs"]
mod smtp;
#[path = "clients/tls.rs"]
mod tls;

use std::time::Duration;

use gatepost_standin::{Account, Claims, Service, Side, Standin};
use smtp::{APP, Client, ERP, PUBLIC_APP, SCANNER, app_response, response};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const HELLO: &str = "EHLO gatepost.contoso.example";
const SUCCESS: &str = "235 2.7.0 Authentication successful";
const MESSAGE: &str = "From: <scanner@contoso.example>\r\nSubject: scan\r\n\r\nHello";

/// Checks the bracket that closes a refusal of Exchange, and gives the text before it.
fn without_bracket(reply: &str) -> &str {
    let (text, bracket) =
        reply.rsplit_once(" [").unwrap_or_else(|| panic!("no bracket in {reply}"));
    let words: Vec<_> = bracket.strip_suffix(']').unwrap().split(' ').collect();
    assert_eq!(words.len(), 3, "{reply}");
    assert!(words[1].ends_with('Z') && words[2].len() == 16, "{reply}");
    text
}

async fn authenticate(standin: &Standin, response: &str) -> String {
    let mut client = Client::plain(standin.smtp_plain()).await;
    client.ask(HELLO).await;
    client.ask(&format!("AUTH XOAUTH2 {response}")).await
}

#[tokio::test]
async fn a_message_goes_through_starttls_to_inbox_and_sent_items() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::plain(standin.smtp()).await;
    assert!(client.greeting.starts_with("220 "), "{}", client.greeting);
    assert!(
        client.greeting.contains(" Microsoft ESMTP MAIL Service ready at "),
        "{}",
        client.greeting
    );
    let before = client.ask(HELLO).await;
    assert!(before.contains("\n250-STARTTLS\n") && !before.contains("AUTH"), "{before}");
    let mut client = client.starttls(&standin).await;
    let after = client.ask(HELLO).await;
    let names: Vec<_> = after.lines().skip(1).map(|line| &line[4..]).collect();
    let expected = [
        "SIZE 157286400",
        "PIPELINING",
        "DSN",
        "ENHANCEDSTATUSCODES",
        "AUTH LOGIN XOAUTH2",
        "8BITMIME",
        "BINARYMIME",
        "CHUNKING",
        "SMTPUTF8",
    ];
    assert_eq!(names, expected);
    assert_eq!(client.ask("AUTH XOAUTH2").await, "334 ");
    assert_eq!(client.ask(&app_response(&standin, SCANNER)).await, SUCCESS);
    let accepted = client.submit(SCANNER, ERP, MESSAGE).await;
    assert!(accepted.starts_with("250 2.0.0 OK <"), "{accepted}");
    assert_eq!(client.ask("QUIT").await, "221 2.0.0 Service closing transmission channel");
    assert_eq!(client.rest().await, b"");
    for (mailbox, folder) in [(ERP, "INBOX"), (SCANNER, "Sent Items")] {
        let messages = standin.store().messages(mailbox, folder);
        assert_eq!(messages.len(), 1, "{mailbox}");
        assert_eq!(&*messages[0].raw, format!("{MESSAGE}\r\n").as_bytes());
    }
    assert_eq!(standin.counters().messages_accepted.count(), 1);
    assert_eq!(standin.counters().smtp_logins.count(), 1);
    assert_eq!(standin.counters().smtp_connections.count(), 1);
}

#[tokio::test]
async fn implicit_tls_offers_auth_at_once() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::tls(&standin, standin.smtps()).await;
    let reply = client.ask(HELLO).await;
    assert!(reply.contains("AUTH LOGIN XOAUTH2") && !reply.contains("STARTTLS"), "{reply}");
    assert_eq!(
        client.ask(&format!("auth xoauth2 {}", app_response(&standin, SCANNER))).await,
        SUCCESS
    );
    let again = client.ask("AUTH XOAUTH2").await;
    assert!(again.starts_with("503 "), "{again}");
}

#[tokio::test]
async fn the_end_of_a_connection_is_announced_in_tls() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::tls(&standin, standin.smtps()).await;
    client.ask("QUIT").await;
    assert!(client.ended_properly().await);
    let mut client = Client::plain(standin.smtp()).await;
    client.ask(HELLO).await;
    let mut client = client.starttls(&standin).await;
    client.ask("QUIT").await;
    assert!(client.ended_properly().await);
    let mut client = Client::tls(&standin, standin.smtps()).await;
    standin.drop_connections(Service::Smtps).await;
    assert!(!client.ended_properly().await);
}

#[tokio::test]
async fn names_in_ehlo_are_validated_unless_told_otherwise() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::plain(standin.smtp_plain()).await;
    assert_eq!(
        without_bracket(&client.ask("EHLO MacBook..").await),
        "501 5.5.4 Invalid domain name"
    );
    standin.knobs().smtp_validates_ehlo = false;
    assert!(client.ask("EHLO MacBook..").await.starts_with("250-"));
}

#[tokio::test]
async fn refusals_bear_the_id_of_the_greeting() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::plain(standin.smtp_plain()).await;
    let id = client.greeting.rsplit_once(" [").unwrap().1.to_owned();
    assert!(client.ask("EHLO ..").await.ends_with(&format!(" {id}")));
}

#[tokio::test]
async fn tokens_are_judged() {
    let standin = Standin::start().await.unwrap();
    let refused = "535 5.7.3 Authentication unsuccessful";
    let app = |roles: &[&str]| Claims::app(APP, roles);
    let user = |scopes: &[&str]| Claims::user(PUBLIC_APP, SCANNER, scopes);
    let cases = [
        (app(&["SMTP.SendAsApp"]), SCANNER, true),
        (app(&["SMTP.SendAsApp"]), "Scanner@CONTOSO.example", true),
        (app(&["SMTP.SendAsApp"]), "nobody@contoso.example", false),
        (app(&["IMAP.AccessAsApp"]), SCANNER, false),
        (
            Claims { audience: "https://graph.microsoft.com".into(), ..app(&["SMTP.SendAsApp"]) },
            SCANNER,
            false,
        ),
        (
            Claims { audience: "https://outlook.office.com/".into(), ..app(&["SMTP.SendAsApp"]) },
            SCANNER,
            true,
        ),
        (Claims { lifetime: Duration::ZERO, ..app(&["SMTP.SendAsApp"]) }, SCANNER, false),
        (user(&["SMTP.Send"]), SCANNER, true),
        (user(&["SMTP.Send"]), ERP, false),
        (user(&["IMAP.AccessAsUser.All"]), SCANNER, false),
    ];
    for (claims, mailbox, accepted) in cases {
        let reply =
            authenticate(&standin, &response(mailbox, &standin.issue_token(claims.clone()))).await;
        match accepted {
            true => assert_eq!(reply, SUCCESS, "{claims:?} {mailbox}"),
            false => assert_eq!(without_bracket(&reply), refused, "{claims:?} {mailbox}"),
        }
    }
    assert_eq!(standin.counters().smtp_logins.count(), 4);
    assert_eq!(standin.counters().smtp_refusals.count(), 6);
    for garbage in ["=", "*", "!!!!", "aGVsbG8="] {
        assert_eq!(without_bracket(&authenticate(&standin, garbage).await), refused, "{garbage}");
    }
    let revoked = app_response(&standin, SCANNER);
    standin.revoke_tokens();
    assert_eq!(without_bracket(&authenticate(&standin, &revoked).await), refused);
}

#[tokio::test]
async fn a_client_that_goes_on_without_a_login_hears_why() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::plain(standin.smtp_plain()).await;
    assert!(
        client.ask("MAIL FROM:<a@contoso.example>").await.starts_with("503 5.5.2 Send hello first")
    );
    client.ask(HELLO).await;
    let before = client.ask("MAIL FROM:<a@contoso.example>").await;
    assert_eq!(without_bracket(&before), "530 5.7.57 Client not authenticated to send mail.");
    client.ask("AUTH XOAUTH2 AAAA").await;
    let after = client.ask("MAIL FROM:<a@contoso.example>").await;
    let expected = "530 5.7.57 Client not authenticated to send mail. Error: 535 5.7.3 Authentication unsuccessful";
    assert_eq!(without_bracket(&after), expected);
}

#[tokio::test]
async fn passwords_are_asked_for_and_refused() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::plain(standin.smtp_plain()).await;
    client.ask(HELLO).await;
    assert_eq!(client.ask("AUTH LOGIN").await, "334 VXNlcm5hbWU6");
    assert_eq!(client.ask("c2Nhbm5lcg==").await, "334 UGFzc3dvcmQ6");
    let refused = client.ask("c2VjcmV0").await;
    assert_eq!(
        without_bracket(&refused),
        "535 5.7.139 Authentication unsuccessful, basic authentication is disabled."
    );
    standin.knobs().basic_auth_refusal =
        "550 5.7.30 Basic authentication is not supported for Client Submission.".into();
    assert_eq!(client.ask("AUTH LOGIN c2Nhbm5lcg==").await, "334 UGFzc3dvcmQ6");
    assert!(client.ask("c2VjcmV0").await.starts_with("550 5.7.30 "));
    assert!(client.ask("AUTH PLAIN AAA=").await.starts_with("504 5.7.4 "));
}

#[tokio::test]
async fn switched_off_smtp_auth_says_where() {
    let standin = Standin::start().await.unwrap();
    let disabled = |level| {
        format!(
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the {level}. Visit https://aka.ms/smtp_auth_disabled for more information."
        )
    };
    let ask = async || {
        without_bracket(&authenticate(&standin, &app_response(&standin, SCANNER)).await).to_owned()
    };
    standin.knobs().smtp_auth_disabled_tenant = true;
    assert_eq!(ask().await, disabled("Tenant"));
    standin.knobs().smtp_auth_disabled_tenant = false;
    standin.knobs().smtp_auth_disabled_mailbox = true;
    assert_eq!(ask().await, disabled("Mailbox"));
    standin.knobs().smtp_auth_disabled_mailbox = false;
    standin.tenant().mailbox_mut(SCANNER).unwrap().smtp_enabled = false;
    assert_eq!(ask().await, disabled("Mailbox"));
}

#[tokio::test]
async fn any_verdict_can_be_given() {
    let standin = Standin::start().await.unwrap();
    standin.knobs().smtp_auth_reply = Some("454 4.7.0 Temporary authentication failure".into());
    let reply = authenticate(&standin, &app_response(&standin, SCANNER)).await;
    assert_eq!(reply, "454 4.7.0 Temporary authentication failure");
}

#[tokio::test]
async fn a_mailbox_that_is_not_granted_shows_after_data() {
    let standin = Standin::start().await.unwrap();
    standin.add_mailbox(Account::new("locked@contoso.example", &[]));
    let mut client = Client::logged_in(&standin, "locked@contoso.example").await;
    let reply = client.submit("locked@contoso.example", ERP, "Subject: x\r\n\r\nx").await;
    assert!(reply.starts_with("430 4.2.0 STOREDRV; mailbox logon failure; "), "{reply}");
    standin.knobs().smtp_logon_failed = true;
    let mut client = Client::logged_in(&standin, SCANNER).await;
    assert!(client.submit(SCANNER, ERP, MESSAGE).await.contains("MapiExceptionLogonFailed"));
    assert_eq!(standin.counters().messages_accepted.count(), 0);
    assert!(standin.store().messages(ERP, "INBOX").is_empty());
}

#[tokio::test]
async fn sending_as_somebody_else_needs_a_right() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::logged_in(&standin, SCANNER).await;
    let envelope = client.submit(ERP, ERP, MESSAGE).await;
    let denied = "554 5.2.252 SendAsDenied; scanner@contoso.example not allowed to send as erp@contoso.example; ";
    assert!(envelope.starts_with(denied), "{envelope}");
    let header = client.submit(SCANNER, ERP, "From: ERP <erp@contoso.example>\r\n\r\nx").await;
    assert!(header.starts_with(denied), "{header}");
    standin.tenant().mailbox_mut(SCANNER).unwrap().send_as.push(ERP.into());
    assert!(
        client
            .submit(ERP, ERP, "From: ERP <erp@contoso.example>\r\n\r\nx")
            .await
            .starts_with("250 ")
    );
}

#[tokio::test]
async fn recipients_are_resolved() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::logged_in(&standin, SCANNER).await;
    assert!(client.ask("RCPT TO:<x@y.example>").await.starts_with("503 5.5.2 Need mail command"));
    client.ask(&format!("MAIL FROM:<{SCANNER}> SIZE=1000 BODY=8BITMIME")).await;
    assert!(
        client
            .ask("MAIL FROM:<x@y.example>")
            .await
            .starts_with("503 5.5.2 Sender already specified")
    );
    assert!(client.ask("DATA").await.starts_with("503 5.5.2 Need rcpt command"));
    assert!(client.ask("RCPT TO:<nobody@contoso.example>").await.starts_with("550 5.1.10 "));
    assert!(client.ask("RCPT TO:nobody").await.starts_with("501 "));
    assert_eq!(client.ask("RCPT TO:<x@y.example>").await, "250 2.1.5 Recipient OK");
    client.ask("DATA").await;
    assert!(client.ask(&format!("{MESSAGE}\r\n.")).await.starts_with("250 "));
    assert_eq!(standin.counters().recipients_relayed.count(), 1);
}

#[tokio::test]
async fn commands_without_a_story() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::logged_in(&standin, SCANNER).await;
    assert_eq!(client.ask("NOOP").await, "250 2.0.0 OK");
    assert_eq!(client.ask("VRFY x").await, "252 2.1.5 Cannot VRFY user");
    assert!(client.ask("TURN").await.starts_with("500 5.3.3 Unrecognized command 'TURN'"));
    let too_large = format!("MAIL FROM:<{SCANNER}> SIZE=157286401");
    assert!(client.ask(&too_large).await.starts_with("552 5.3.4 "));
    client.ask(&format!("MAIL FROM:<{SCANNER}>")).await;
    assert_eq!(client.ask("RSET").await, "250 2.0.0 Resetting");
    assert_eq!(client.ask(&format!("MAIL FROM:<{SCANNER}>")).await, "250 2.1.0 Sender OK");
    assert_eq!(client.ask("helo x").await.get(..4), Some("250 "));
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::plain(standin.smtp_plain()).await;
    let auth = format!("AUTH XOAUTH2 {}", app_response(&standin, SCANNER));
    let group = format!(
        "{HELLO}\r\n{auth}\r\nMAIL FROM:<{SCANNER}>\r\nRCPT TO:<{ERP}>\r\nDATA\r\n{MESSAGE}\r\n.\r\nNOOP\r\nQUIT\r\n"
    );
    client.send(group.as_bytes()).await;
    let mut codes = Vec::new();
    for _ in 0..8 {
        codes.push(client.reply().await[..3].to_owned());
    }
    assert_eq!(codes, ["250", "235", "250", "250", "354", "250", "250", "221"]);
    assert_eq!(standin.store().messages(ERP, "INBOX").len(), 1);
}

#[tokio::test]
async fn dots_at_line_starts_survive() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::logged_in(&standin, SCANNER).await;
    client.submit(SCANNER, ERP, "Subject: dots\r\n\r\n..\r\n..x\r\na..b").await;
    assert_eq!(
        &*standin.store().messages(ERP, "INBOX")[0].raw,
        b"Subject: dots\r\n\r\n.\r\n.x\r\na..b\r\n"
    );
}

#[tokio::test]
async fn chunks_make_a_message() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::logged_in(&standin, SCANNER).await;
    client.send(b"BDAT 4\r\nNOOP").await;
    assert!(client.reply().await.starts_with("503 5.5.2 Need mail command"));
    client.ask(&format!("MAIL FROM:<{SCANNER}>")).await;
    client.ask(&format!("RCPT TO:<{ERP}>")).await;
    assert!(client.ask("BDAT many").await.starts_with("501 "));
    client.send(b"BDAT 16\r\nSubject: x\r\n\r\n.\r").await;
    assert_eq!(client.reply().await, "250 2.1.5 16 octets received");
    assert!(client.ask("DATA").await.starts_with("503 "));
    client.send(b"BDAT 1 LAST\r\n\n").await;
    assert!(client.reply().await.starts_with("250 2.0.0 OK "));
    assert_eq!(&*standin.store().messages(ERP, "INBOX")[0].raw, b"Subject: x\r\n\r\n.\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_thirty_megabytes_passes() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::tls(&standin, standin.smtps()).await;
    client.ask(HELLO).await;
    client.ask(&format!("AUTH XOAUTH2 {}", app_response(&standin, SCANNER))).await;
    let body = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(500_000);
    let reply = client.submit(SCANNER, ERP, &format!("Subject: large\r\n\r\n{body}")).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(standin.store().messages(ERP, "INBOX")[0].raw.len(), 32_000_000 + 20);
    let longest = standin.dialogue().iter().map(|line| line.text.len()).max().unwrap();
    assert_eq!(longest, 64 << 10);
}

#[tokio::test]
async fn the_limit_of_the_announced_size_holds() {
    let standin = Standin::start().await.unwrap();
    standin.knobs().google = true;
    let mut client = Client::logged_in(&standin, SCANNER).await;
    let body = "x".repeat(35_882_577);
    assert!(client.submit(SCANNER, ERP, &body).await.starts_with("552 5.3.4 "));
    assert!(client.submit(SCANNER, ERP, "Subject: x\r\n\r\nx").await.starts_with("250 "));
}

#[tokio::test]
async fn a_fourth_submission_at_a_time_is_one_too_many() {
    let standin = Standin::start().await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut client = Client::logged_in(&standin, SCANNER).await;
        client.ask(&format!("MAIL FROM:<{SCANNER}>")).await;
        waiting.push(client);
    }
    let mut fourth = Client::logged_in(&standin, SCANNER).await;
    let reply = fourth.submit(SCANNER, ERP, MESSAGE).await;
    assert_eq!(reply, "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded");
    waiting[0].ask("RSET").await;
    assert!(fourth.submit(SCANNER, ERP, MESSAGE).await.starts_with("250 "));
    let mut other = Client::logged_in(&standin, ERP).await;
    assert!(other.submit(ERP, SCANNER, "Subject: x\r\n\r\nx").await.starts_with("250 "));
}

#[tokio::test]
async fn messages_over_the_rate_wait() {
    let standin = Standin::start().await.unwrap();
    standin.knobs().smtp_rate_per_minute = Some(2);
    let mut client = Client::logged_in(&standin, SCANNER).await;
    for _ in 0..2 {
        client.submit(SCANNER, ERP, MESSAGE).await;
    }
    let third = client.submit(SCANNER, ERP, MESSAGE);
    assert!(timeout(Duration::from_millis(100), third).await.is_err());
    standin.knobs().smtp_rate_per_minute = None;
    let mut other = Client::logged_in(&standin, SCANNER).await;
    assert!(other.submit(SCANNER, ERP, MESSAGE).await.starts_with("250 "));
    assert_eq!(standin.counters().messages_accepted.count(), 3);
}

#[tokio::test]
async fn greetings_can_refuse_or_never_come() {
    let standin = Standin::start().await.unwrap();
    standin.knobs().smtp_greeting = Some("421 4.3.2 Service not active".into());
    let mut client = Client::plain(standin.smtp()).await;
    assert_eq!(client.greeting, "421 4.3.2 Service not active");
    assert_eq!(client.rest().await, b"");
    standin.knobs().smtp_greeting = None;
    standin.knobs().smtp_silent = true;
    let mut silent = TcpStream::connect(standin.smtp()).await.unwrap();
    assert!(timeout(Duration::from_millis(100), silent.read(&mut [0])).await.is_err());
    standin.drop_connections(Service::Smtp).await;
    assert!(matches!(silent.read(&mut [0]).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn starttls_can_be_withheld_or_followed_by_an_attacker() {
    let standin = Standin::start().await.unwrap();
    standin.knobs().smtp_without_starttls = true;
    let mut client = Client::plain(standin.smtp()).await;
    let reply = client.ask(HELLO).await;
    assert!(!reply.contains("STARTTLS") && !reply.contains("AUTH"), "{reply}");
    assert!(client.ask("STARTTLS").await.starts_with("500 5.3.3 "));
    assert!(client.ask("AUTH XOAUTH2").await.starts_with("504 5.7.4 "));
    standin.knobs().smtp_without_starttls = false;
    standin.knobs().smtp_inject_after_starttls = Some(b"250 evil\r\n".to_vec());
    assert_eq!(client.ask("STARTTLS").await, "220 2.0.0 SMTP server ready");
    assert_eq!(client.reply().await, "250 evil");
}

#[tokio::test]
async fn clear_text_behind_starttls_is_forgotten() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::plain(standin.smtp()).await;
    client.ask(HELLO).await;
    let mut client = client.starttls(&standin).await;
    assert!(client.ask("MAIL FROM:<x@y.example>").await.starts_with("503 5.5.2 Send hello first"));
}

#[tokio::test]
async fn extensions_can_be_replaced() {
    let standin = Standin::start().await.unwrap();
    standin.knobs().smtp_extensions = Some(vec!["SIZE 10".into(), "AUTH XOAUTH2".into()]);
    let mut client = Client::plain(standin.smtp_plain()).await;
    let reply = client.ask(HELLO).await;
    assert!(reply.ends_with("\n250-SIZE 10\n250 AUTH XOAUTH2"), "{reply}");
}

#[tokio::test]
async fn gmail_challenges_before_it_refuses() {
    let standin = Standin::start().await.unwrap();
    {
        let mut knobs = standin.knobs();
        knobs.google = true;
        knobs.smtp_auth_line_limit = Some(512);
    }
    let mut client = Client::plain(standin.smtp_plain()).await;
    assert!(client.greeting.contains("smtp.gmail.com ESMTP"), "{}", client.greeting);
    assert!(client.ask(HELLO).await.contains("OAUTHBEARER"));
    let long = client.ask(&format!("AUTH XOAUTH2 {}", app_response(&standin, SCANNER))).await;
    assert!(long.starts_with("555-5.5.2 Syntax error, command line too long"), "{long}");
    client.ask("AUTH XOAUTH2").await;
    let challenge = client.ask(&response(SCANNER, "bad")).await;
    assert!(challenge.starts_with("334 eyJzdGF0dXMiOiI0MDAi"), "{challenge}");
    assert!(client.ask("").await.starts_with("535-5.7.8 Username and Password not accepted."));
    client.ask("AUTH XOAUTH2").await;
    assert!(client.ask(&app_response(&standin, SCANNER)).await.starts_with("235 "));
}

#[tokio::test]
async fn connections_can_be_slow_and_end_after_the_verdict() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::plain(standin.smtp_plain()).await;
    client.ask(HELLO).await;
    standin.knobs().mail_delay = Duration::from_millis(50);
    let asked = Instant::now();
    client.ask("NOOP").await;
    assert!(asked.elapsed() >= Duration::from_millis(50));
    standin.knobs().drop_after_auth = true;
    assert_eq!(
        client.ask(&format!("AUTH XOAUTH2 {}", app_response(&standin, SCANNER))).await,
        SUCCESS
    );
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn the_dialogue_is_written_down() {
    let standin = Standin::start().await.unwrap();
    let mut live = standin.subscribe_dialogue();
    let mut client = Client::plain(standin.smtp_plain()).await;
    client.ask("EHLO ..").await;
    let lines = standin.dialogue();
    let sides: Vec<_> = lines.iter().map(|line| line.side).collect();
    assert_eq!(sides, [Side::Server, Side::Client, Side::Server]);
    assert_eq!((lines[1].text.as_str(), lines[1].protocol), ("EHLO ..", "smtp"));
    assert!(lines.iter().all(|line| line.connection == lines[0].connection));
    assert_eq!(live.recv().await.unwrap().text, lines[0].text);
}

#[tokio::test]
async fn a_line_without_end_ends_the_connection() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::plain(standin.smtp_plain()).await;
    client.send(&vec![b'x'; (64 << 10) + 1]).await;
    assert_eq!(client.reply().await, "500 5.5.2 Line too long");
}

#[tokio::test]
async fn dropping_the_stand_in_closes_its_ports() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::plain(standin.smtp_plain()).await;
    drop(standin);
    assert_eq!(client.rest().await, b"");
}
