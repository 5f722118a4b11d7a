//! High Volume Email: what differs from the submission of mailboxes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "clients/smtp.rs"]
#[allow(dead_code, reason = "smtp.rs uses the rest")]
mod smtp;
#[path = "clients/tls.rs"]
mod tls;

use std::time::Duration;

use gatepost_standin::{Claims, Standin};
use smtp::{APP, Client, ERP, PUBLIC_APP, SCANNER, response};

const HELLO: &str = "EHLO gatepost.contoso.example";
const REFUSED: &str = "535 5.7.3 Authentication unsuccessful [";

async fn client(standin: &Standin) -> Client {
    let mut client = Client::plain(standin.hve()).await;
    let hello = client.ask(HELLO).await;
    assert!(hello.contains("250-STARTTLS") && !hello.contains("AUTH"), "{hello}");
    let mut client = client.starttls(standin).await;
    let hello = client.ask(HELLO).await;
    assert!(
        hello.contains("250-SIZE 10485760\n") && hello.contains("AUTH LOGIN XOAUTH2"),
        "{hello}"
    );
    client
}

async fn log_in(client: &mut Client, user: &str, token: &str) -> String {
    client.ask("AUTH XOAUTH2").await;
    client.ask(&response(user, token)).await
}

async fn logged_in(standin: &Standin) -> Client {
    let mut client = client(standin).await;
    let token = standin.issue_token(Claims::app(APP, &["Mail.Send"]));
    assert!(log_in(&mut client, SCANNER, &token).await.starts_with("235 "));
    client
}

#[tokio::test]
async fn a_message_goes_to_recipients_inside_and_leaves_no_copy() {
    let standin = Standin::start().await.unwrap();
    let mut client = logged_in(&standin).await;
    assert!(client.submit(SCANNER, ERP, "Subject: x\r\n\r\nx").await.starts_with("250 2.0.0 OK"));
    assert_eq!(standin.store().messages(ERP, "INBOX").len(), 1);
    assert!(standin.store().messages(SCANNER, "Sent Items").is_empty());
    client.ask(&format!("MAIL FROM:<{SCANNER}>")).await;
    let outside = client.ask("RCPT TO:<joe@fabrikam.example>").await;
    assert!(outside.starts_with("550 5.7.1 "), "{outside}");
}

#[tokio::test]
async fn who_may_not_log_in() {
    let standin = Standin::start().await.unwrap();
    let mut client = client(&standin).await;
    for (user, claims) in [
        (SCANNER, Claims::app(APP, &["SMTP.SendAsApp"])),
        (SCANNER, Claims::app(PUBLIC_APP, &["Mail.Send"])),
        (SCANNER, Claims::user(PUBLIC_APP, ERP, &["Mail.Send"])),
        ("nobody@contoso.example", Claims::app(APP, &["Mail.Send"])),
        (
            SCANNER,
            Claims {
                audience: "https://graph.microsoft.com".into(),
                ..Claims::app(APP, &["Mail.Send"])
            },
        ),
    ] {
        let token = standin.issue_token(claims);
        let reply = log_in(&mut client, user, &token).await;
        assert!(reply.starts_with(REFUSED), "{reply}");
    }
    standin.tenant().hve_apps.clear();
    let token = standin.issue_token(Claims::app(APP, &["Mail.Send"]));
    assert!(log_in(&mut client, SCANNER, &token).await.starts_with(REFUSED));
    let own = standin.issue_token(Claims::user(PUBLIC_APP, SCANNER, &["Mail.Send"]));
    assert!(log_in(&mut client, SCANNER, &own).await.starts_with("235 "));
}

#[tokio::test]
async fn a_token_needs_ten_minutes() {
    let standin = Standin::start().await.unwrap();
    let mut client = client(&standin).await;
    let alias = "https://outlook.office.com".to_owned();
    let claims = Claims { audience: alias, ..Claims::app(APP, &["Mail.Send"]) };
    let short = Claims { lifetime: Duration::from_secs(599), ..claims.clone() };
    let reply = log_in(&mut client, SCANNER, &standin.issue_token(short)).await;
    assert_eq!(reply, "501 5.5.127 Invalid XOAUTH2 auth data - Token will expire soon error");
    let enough = Claims { lifetime: Duration::from_secs(610), ..claims };
    assert!(log_in(&mut client, SCANNER, &standin.issue_token(enough)).await.starts_with("235 "));
}

#[tokio::test]
async fn fifty_recipients_and_ten_megabytes_are_enough() {
    let standin = Standin::start().await.unwrap();
    let mut client = logged_in(&standin).await;
    let large = client.ask(&format!("MAIL FROM:<{SCANNER}> SIZE=10485761")).await;
    assert!(large.starts_with("552 5.3.4 "), "{large}");
    client.ask(&format!("MAIL FROM:<{SCANNER}> SIZE=10485760")).await;
    for _ in 0..50 {
        assert_eq!(client.ask(&format!("RCPT TO:<{ERP}>")).await, "250 2.1.5 Recipient OK");
    }
    let more = client.ask(&format!("RCPT TO:<{ERP}>")).await;
    assert!(more.starts_with("452 4.5.3 Too many recipients"), "{more}");
}

#[tokio::test]
async fn the_limits_and_switches_of_mailboxes_do_not_hold() {
    let standin = Standin::start().await.unwrap();
    {
        let mut knobs = standin.knobs();
        knobs.smtp_auth_disabled_tenant = true;
        knobs.smtp_thread_limit = 0;
        knobs.smtp_rate_per_minute = Some(1);
    }
    standin.tenant().mailbox_mut(SCANNER).unwrap().smtp_enabled = false;
    let mut client = logged_in(&standin).await;
    for _ in 0..3 {
        assert!(client.submit(SCANNER, ERP, "Subject: x\r\n\r\nx").await.starts_with("250 "));
    }
    let foreign = client.submit(ERP, ERP, "Subject: x\r\n\r\nx").await;
    assert!(foreign.starts_with("554 5.2.252 SendAsDenied"), "{foreign}");
}
