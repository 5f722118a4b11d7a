//! What can go wrong at the mail servers before there is a mailbox: the client's answer and the
//! operator's explanation for each.

use super::rig::{Difference, Rig};
use gatepost_standin::{Knobs, Service, Standin};

const QUICK: &str = "[timeouts]\nupstream_reply = \"1s\"\ndrain = \"1s\"\n";

/// A trouble, what the client hears, and a piece of what the operator reads.
struct Case(fn(&mut Knobs), &'static str, &'static str);

async fn fails_on_imap(Case(turn, answer, explanation): Case) {
    let rig = Rig::tables(QUICK).await;
    turn(&mut rig.standin.knobs());
    let (mut client, said) = rig.imap().await;
    let last = said.last().unwrap();
    assert!(last.starts_with(answer), "{explanation}: {last}");
    assert!(last.ends_with("(scanner@contoso.example)"), "the client hears which mailbox: {last}");
    rig.journal.tells(explanation);
    // The trouble over, the same connection gets in.
    *rig.standin.knobs() = Knobs::default();
    client.ask("b LOGIN scanner \"correct horse\"", "b OK").await;
    assert_eq!(rig.standin.counters().token_requests.count(), 1);
    rig.stop().await;
}

async fn fails_on_smtp(Case(turn, answer, explanation): Case) {
    let rig = Rig::tables(QUICK).await;
    turn(&mut rig.standin.knobs());
    let (mut client, said) = rig.smtp().await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with(answer), "{explanation}: {said:?}");
    rig.journal.tells(explanation);
    if answer.starts_with("421") {
        assert_eq!(client.rest().await, b"", "421 says that the connection ends");
        return rig.stop().await;
    }
    client.ask("MAIL FROM:<scanner@contoso.example>", "530 5.7.0 ").await;
    *rig.standin.knobs() = Knobs::default();
    client.ask(super::rig::AUTH_PLAIN, "235 ").await;
    assert_eq!(rig.standin.counters().token_requests.count(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn imap_troubles() {
    for case in [
        Case(
            |k| k.imap_not_connected = true,
            "a NO [AUTHORIZATIONFAILED] ",
            "Add-MailboxPermission -Identity <mailbox>",
        ),
        Case(
            |k| k.imap_throttled = Some(92_415),
            "a NO [UNAVAILABLE] ",
            "Let fewer programs poll it, less often. It said: g2 BAD Request is throttled. Suggested Backoff Time: 92415",
        ),
        Case(|k| k.imap_unavailable = true, "a NO [UNAVAILABLE] ", "see the service health page"),
        Case(
            |k| k.imap_bye = Some("Too many connections".into()),
            "a NO [UNAVAILABLE] ",
            "as many connections as the service allows",
        ),
        Case(
            |k| k.imap_bye = Some("Server shutting down.".into()),
            "a NO [UNAVAILABLE] ",
            "It said: * BYE Server shutting down.",
        ),
        Case(
            |k| k.imap_greeting = Some("HTTP/1.1 400 Bad Request".into()),
            "a NO [UNAVAILABLE] ",
            "Check that host, port and security belong to an IMAP service",
        ),
        Case(
            |k| k.imap_greeting = Some("* PREAUTH ready".into()),
            "a NO [UNAVAILABLE] ",
            "PREAUTH",
        ),
        Case(
            |k| k.imap_greeting = Some("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi".into()),
            "a NO [CONTACTADMIN] ",
            "offers neither XOAUTH2 nor OAUTHBEARER",
        ),
        Case(
            |k| k.imap_greeting = Some("x".repeat(100_000)),
            "a NO [UNAVAILABLE] ",
            "a line longer than its limit",
        ),
        Case(
            |k| k.imap_silent = true,
            "a NO [UNAVAILABLE] ",
            "raise `upstream_reply` under [timeouts]",
        ),
        Case(
            |k| k.drop_after_auth = true,
            "a NO [UNAVAILABLE] ",
            "closed the connection during the login",
        ),
    ] {
        fails_on_imap(case).await;
    }
}

#[tokio::test]
async fn smtp_troubles() {
    for case in [
        Case(
            |k| k.smtp_auth_disabled_tenant = true,
            "454 4.7.0 ",
            "Set-CASMailbox <mailbox> -SmtpClientAuthenticationDisabled $false",
        ),
        Case(
            |k| k.smtp_auth_disabled_mailbox = true,
            "454 4.7.0 ",
            "SMTP AUTH is off for this mailbox",
        ),
        Case(
            |k| k.smtp_greeting = Some("421 4.3.2 Service not active".into()),
            "421 4.3.2 Service not active",
            "421 4.3.2 Service not active",
        ),
        Case(
            |k| k.smtp_greeting = Some("554 5.7.1 Go away".into()),
            "454 4.7.0 ",
            "554 5.7.1 Go away",
        ),
        Case(
            |k| k.smtp_greeting = Some("* OK IMAP4 ready".into()),
            "454 4.7.0 ",
            "belong to an SMTP submission service",
        ),
        Case(
            |k| k.smtp_without_starttls = true,
            "454 4.7.0 ",
            "offers no STARTTLS, and a token doesn't go out in clear",
        ),
        Case(
            |k| k.smtp_inject_after_starttls = Some(b"250 hello\r\n".to_vec()),
            "454 4.7.0 ",
            "only an attacker on the way has use for",
        ),
        Case(|k| k.smtp_silent = true, "454 4.7.0 ", "raise `upstream_reply` under [timeouts]"),
        Case(
            |k| k.smtp_extensions = Some(vec!["STARTTLS".into(), "AUTH PLAIN LOGIN".into()]),
            "454 4.7.0 ",
            "offers neither XOAUTH2 nor OAUTHBEARER",
        ),
    ] {
        fails_on_smtp(case).await;
    }
}

/// Exchange's own lines. What is temporary goes on as it is; what isn't, becomes temporary, so that the
/// client keeps the mail and doesn't ask for another password.
#[tokio::test]
async fn exchanges_verdicts_on_smtp() {
    for (line, answer, explanation) in [
        (
            "535 5.7.3 Authentication unsuccessful [HOST]",
            "454 4.7.0 ",
            "isn't registered in Exchange",
        ),
        (
            "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [HOST]",
            "454 4.7.0 ",
            "is the one meant for OAuth",
        ),
        (
            "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator. [HOST]",
            "454 4.7.0 ",
            "Conditional Access",
        ),
        (
            "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator. [HOST]",
            "454 4.7.0 ",
            "Security Defaults",
        ),
        (
            "535 5.7.139 Authentication unsuccessful, account locked. Contact your administrator. [HOST]",
            "454 4.7.0 ",
            "Entra sign-in log",
        ),
        (
            "535 5.7.139 Authentication unsuccessful, federated STS service was unreachable. [HOST]",
            "454 4.7.0 ",
            "federation server",
        ),
        (
            "550 5.7.30 Basic authentication is not supported for Client Submission.",
            "454 4.7.0 ",
            "is the one meant for OAuth",
        ),
        (
            "501 5.5.127 Invalid XOAUTH2 auth data - Token will expire soon error",
            "454 4.7.0 ",
            "less than ten minutes",
        ),
        (
            "451 4.7.0 Temporary server error. Please try again later. PRX2",
            "451 4.7.0 Temporary server error. Please try again later. PRX2",
            "451 4.7.0",
        ),
        (
            "454 4.7.0 Temporary authentication failure",
            "454 4.7.0 Temporary authentication failure",
            "454 4.7.0",
        ),
        ("550 5.1.8 Access denied, bad outbound sender", "454 4.7.0 ", "Restricted entities"),
        (
            "550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP.",
            "454 4.7.0 ",
            "Microsoft's support",
        ),
    ] {
        let rig = Rig::start().await;
        rig.standin.knobs().smtp_auth_reply = Some(line.to_owned());
        let (_client, said) = rig.smtp().await;
        assert!(said.len() == 1 && said[0].starts_with(answer), "{line}: {said:?}");
        rig.journal.tells(explanation);
        rig.journal.tells(line.split(" [HOST]").next().unwrap());
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_mailbox_that_the_application_may_not_open() {
    let rig = Rig::start().await;
    rig.standin.tenant().mailbox_mut("scanner@contoso.example").unwrap().granted_to.clear();
    assert!(rig.imap().await.1[0].starts_with("a NO [AUTHORIZATIONFAILED] "));
    rig.journal.tells("Add-MailboxPermission");
    // SMTP shows it only behind DATA, and that reply is the upstream's.
    let (mut client, answer) = rig.smtp().await;
    assert_eq!(answer, ["235 2.7.0 Authentication successful"]);
    client.ask("MAIL FROM:<scanner@contoso.example>", "250 ").await;
    client.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
    client.ask("DATA", "354 ").await;
    client.ask("Subject: x\r\n\r\nx\r\n.", "430 4.2.0 STOREDRV; mailbox logon failure").await;
    assert_eq!(rig.standin.counters().messages_accepted.count(), 0);
    rig.stop().await;
}

#[tokio::test]
async fn a_token_without_the_permission_is_refused_once() {
    let rig = Rig::start().await;
    rig.standin.tenant().apps[0].roles.clear();
    let (_client, said) = rig.imap().await;
    assert!(said[0].starts_with("a NO [CONTACTADMIN] "), "{said:?}");
    rig.journal.tells("IMAP.AccessAsApp or its admin consent is missing");
    let (_client, said) = rig.smtp().await;
    assert!(said[0].starts_with("454 4.7.0 "), "{said:?}");
    assert_eq!(
        rig.standin.counters().token_requests.count(),
        1,
        "a young token is not asked for again"
    );
    rig.stop().await;
}

#[tokio::test]
async fn googles_challenge_is_answered_and_its_complaint_told() {
    let rig = Rig::start().await;
    rig.standin.knobs().google = true;
    let (mut client, said) = rig.imap().await;
    assert!(said[0].starts_with("a OK [CAPABILITY IMAP4rev1 UNSELECT"), "{said:?}");
    client.ask("b SELECT INBOX", "b OK").await;
    assert!(rig.smtp().await.1[0].starts_with("235 "));
    rig.standin.revoke_tokens();
    let (_client, said) = rig.imap().await;
    assert!(said[0].starts_with("a NO [CONTACTADMIN] "), "{said:?}");
    let (_client, said) = rig.smtp().await;
    assert!(said.len() == 1 && said[0].starts_with("454 4.7.0 "), "{said:?}");
    rig.journal.tells("Check that the sign-in was made by this account");
    rig.journal.tells("https://mail.google.com/");
    rig.stop().await;
}

#[tokio::test]
async fn a_mail_host_that_cannot_be_reached() {
    let rig = Rig::start().await;
    rig.standin.stop(Service::Imap).await;
    rig.standin.stop(Service::Smtp).await;
    assert!(rig.imap().await.1[0].starts_with("a NO [UNAVAILABLE] "));
    assert!(rig.smtp().await.1[0].starts_with("454 4.7.0 "));
    rig.journal.tells("check the port and the firewall");
    rig.standin.restart(Service::Imap).await.unwrap();
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    rig.stop().await;
}

#[tokio::test]
async fn a_mail_host_behind_the_wrong_port_or_name() {
    for (imap, explanation) in [
        ("host = \"localhost\"\nport = SMTP", "fails"),
        ("host = \"localhost\"\nport = SMTP\nsecurity = \"plain\"", "belong to an IMAP service"),
        (
            "host = \"localhost\"\nport = IMAP\nsecurity = \"plain\"",
            "check that port and security fit",
        ),
        ("host = \"host.invalid\"", "can't be resolved"),
    ] {
        let standin = Standin::start().await.unwrap();
        let port = |service: std::net::SocketAddr| service.port().to_string();
        let imap =
            imap.replace("SMTP", &port(standin.smtp())).replace("IMAP", &port(standin.imap()));
        let smtp = format!("host = \"localhost\"\nport = {}", standin.smtp().port());
        let difference =
            Difference { services: Some([imap, smtp]), tables: QUICK, ..Difference::default() };
        let rig = Rig::with(standin, &difference).await;
        let (_client, said) = rig.imap().await;
        assert!(said[0].starts_with("a NO [UNAVAILABLE] "), "{said:?}");
        rig.journal.tells(explanation);
        rig.stop().await;
    }
}

/// Only one address of `localhost` takes connections, be it the first or the second.
#[tokio::test]
async fn any_address_of_the_host_will_do() {
    for address in tokio::net::lookup_host("localhost:0").await.unwrap() {
        let door = tokio::net::TcpListener::bind(address).await.unwrap();
        let port = door.local_addr().unwrap().port();
        let standin = Standin::start().await.unwrap();
        let imap = format!("host = \"localhost\"\nport = {port}\nsecurity = \"plain\"");
        let smtp = format!("host = \"localhost\"\nport = {}", standin.smtp().port());
        let inner = standin.imap_plain();
        tokio::spawn(async move {
            let (mut outer, _) = door.accept().await.unwrap();
            let mut inner = tokio::net::TcpStream::connect(inner).await.unwrap();
            tokio::io::copy_bidirectional(&mut outer, &mut inner).await
        });
        let difference = Difference { services: Some([imap, smtp]), ..Difference::default() };
        let rig = Rig::with(standin, &difference).await;
        let (_client, said) = rig.imap().await;
        assert!(said[0].starts_with("a OK"), "{address}: {said:?}");
        rig.stop().await;
    }
}
