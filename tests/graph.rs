//! Mail that goes out through Microsoft Graph: against the stand-in, and against servers that break off
//! or answer what no Graph should.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "graph/daemon.rs"]
mod daemon;
#[path = "relay/journal.rs"]
mod journal;
#[path = "graph/large.rs"]
mod large;
#[path = "graph/rig.rs"]
mod rig;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatepost::graph::{Outcome, SIZE, Verdict, extensions};
use gatepost::mailbox::Via;
use gatepost_standin::AuthorityFailure;
use rig::{ALICE, ERP, Played, Rig, SCANNER, answer, configure, head, mailbox_of, request};
use tempfile::TempDir;

const MESSAGE: &str = "From: <scanner@contoso.example>\r\nTo: ERP <erp@contoso.example>\r\nSubject: scan\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\r\nSeite 1 \u{df}\r\n.\r\n..\r\n";

/// A message of exactly that many octets, each different from its neighbours.
fn scan(octets: usize) -> Vec<u8> {
    let mut message = MESSAGE.as_bytes().to_vec();
    message.extend((0..octets - message.len()).map(|at| b'a' + (at % 25) as u8));
    message
}

#[track_caller]
fn is(verdict: &Verdict, reply: &str, outcome: Outcome) {
    assert!(verdict.line().starts_with(reply), "{verdict:?}");
    assert_eq!(verdict.outcome, outcome, "{verdict:?}");
}

#[tokio::test]
async fn a_message_arrives_as_it_was_sent() {
    let rig = Rig::start().await;
    rig.graph.reach(&rig.mailbox).await.unwrap();
    is(&rig.send(&[ERP], MESSAGE.as_bytes(), 4096).await, "250 2.0.0 ", Outcome::Sent);
    assert_eq!(rig.messages(ERP, "INBOX"), [MESSAGE.as_bytes()]);
    assert_eq!(rig.messages(SCANNER, "Sent Items").len(), 1);
    assert_eq!(rig.requests(), 1);
}

#[tokio::test]
async fn pieces_make_no_difference() {
    let rig = Rig::start().await;
    for piece in [1, 2, 7, 64, 1000] {
        is(&rig.send(&[ERP, ALICE], MESSAGE.as_bytes(), piece).await, "250 ", Outcome::Sent);
    }
    let received = rig.messages(ERP, "INBOX");
    assert!(received.len() == 5 && received.iter().all(|message| message == MESSAGE.as_bytes()));
}

#[tokio::test]
async fn who_is_only_in_the_envelope_gets_it_unseen() {
    let rig = Rig::start().await;
    let message = format!("Bcc: nobody@contoso.example,\r\n alice@contoso.example\r\n{MESSAGE}");
    let verdict = rig.send(&[ALICE, "ERP@contoso.example"], message.as_bytes(), 4096).await;
    is(&verdict, "250 ", Outcome::Sent);
    assert_eq!(rig.messages(ALICE, "INBOX"), [MESSAGE.as_bytes()]);
    assert_eq!(rig.messages(ERP, "INBOX"), [MESSAGE.as_bytes()]);
    let copies = rig.messages(SCANNER, "Sent Items");
    assert!(copies[0].starts_with(b"Bcc: <alice@contoso.example>\r\nFrom: "));
}

#[tokio::test]
async fn a_message_without_header_or_end_of_it_arrives_too() {
    let rig = Rig::start().await;
    for (message, expected) in [
        ("Seite 1\r\nSeite 2\r\n", "From: <scanner@contoso.example>\r\n\r\nSeite 1\r\nSeite 2\r\n"),
        ("Subject: x", "From: <scanner@contoso.example>\r\nSubject: x\r\n\r\n"),
        ("", "From: <scanner@contoso.example>\r\n\r\n"),
    ] {
        is(&rig.send(&[ERP], message.as_bytes(), 3).await, "250 ", Outcome::Sent);
        let received = rig.messages(ERP, "INBOX");
        assert_eq!(String::from_utf8_lossy(received.last().unwrap()), expected);
    }
}

#[tokio::test]
async fn what_envelope_and_header_cant_agree_on_goes_nowhere() {
    let rig = Rig::start().await;
    let refused = |verdict: Verdict, reply: &str| is(&verdict, reply, Outcome::Refused);
    let verdict = rig.send(&[ALICE], MESSAGE.as_bytes(), 4096).await;
    assert!(verdict.explanation.contains(ERP), "{verdict:?}");
    refused(verdict, "554 5.6.0 To names erp@contoso.example, who is no recipient");
    refused(
        rig.send(&[ERP], b"To: root\r\n\r\nx", 1).await,
        "554 5.6.0 To holds no address in: root",
    );
    refused(rig.send(&["b\u{fc}ro@contoso.example"], b"", 1).await, "553 5.1.3 ");
    refused(rig.send(&["a@b.example>, <c@d.example"], b"", 1).await, "553 5.1.3 ");
    let endless = "X-Trace: hop\r\n".repeat(20_000);
    refused(rig.send(&[ERP], endless.as_bytes(), 4096).await, "552 5.3.4 ");
    assert_eq!(rig.requests(), 0);
}

/// Whatever the header tries, nobody gets the message whom the envelope doesn't name.
#[tokio::test]
async fn no_header_smuggles_a_recipient() {
    let rig = Rig::start().await;
    for header in [
        " , alice@contoso.example\r\nTo: erp@contoso.example\r\n",
        "\t<alice@contoso.example>\r\nSubject: x\r\n",
        "To: erp@contoso.example\r\n \r\nBcc: alice@contoso.example\r\nSubject: x\r\n",
        "Subject: x\r\n \t\r\n , alice@contoso.example\r\n",
        "Bcc : alice@contoso.example\r\nResent-Bcc: alice@contoso.example\r\n",
        "Subject: x\nbcc:\n alice@contoso.example\n",
        "From alice@contoso.example Mon Nov 23 10:00:00 2026\r\n , alice@contoso.example\r\n",
    ] {
        let verdict = rig.send(&[ERP], format!("{header}\r\nx\r\n").as_bytes(), 4096).await;
        is(&verdict, "250 ", Outcome::Sent);
    }
    assert_eq!((rig.messages(ERP, "INBOX").len(), rig.messages(ALICE, "INBOX").len()), (7, 0));
    let kept = rig.messages(ERP, "INBOX");
    let kept = String::from_utf8_lossy(&kept[2]);
    assert!(kept.contains("Subject: x\r\n\r\nx"), "a line of blanks ends no header: {kept}");
    for header in [
        "Subject: x\rBcc: alice@contoso.example\r\n",
        "Subject: x\0\r\n",
        "Resent-To: alice@contoso.example\r\n",
        "To: erp@contoso.example, alice@contoso.example (of\r\n",
        "To: erp@contoso.example\r\nTo: alice@contoso.example\r\n",
        "To: x: erp@contoso.example, alice@contoso.example;\r\n",
        "Cc: =?utf-8?Q?alice?=@contoso.example\r\n",
    ] {
        let verdict = rig.send(&[ERP], format!("{header}\r\nx\r\n").as_bytes(), 4096).await;
        is(&verdict, "554 5.6.0 ", Outcome::Refused);
    }
    assert_eq!(rig.requests(), 7);
}

#[tokio::test]
async fn several_to_fields_become_one() {
    let rig = Rig::start().await;
    let header =
        "To: ERP <erp@contoso.example>,\r\nTo: alice@contoso.example\r\nSubject: x\r\n\r\n";
    is(&rig.send(&[ERP, ALICE], header.as_bytes(), 5).await, "250 ", Outcome::Sent);
    let received = rig.messages(ALICE, "INBOX");
    assert_eq!(received, rig.messages(ERP, "INBOX"));
    let received = String::from_utf8_lossy(&received[0]);
    assert!(
        received.ends_with(
            "To: ERP <erp@contoso.example>,\r\n alice@contoso.example\r\nSubject: x\r\n\r\n"
        ),
        "{received}"
    );
}

#[tokio::test]
async fn a_thousand_recipients_take_no_time() {
    let rig = Rig::start().await;
    let to: Vec<String> = (0..1000).map(|number| format!("r{number}@fabrikam.example")).collect();
    let list: Vec<&str> = to.iter().map(String::as_str).collect();
    let message = format!("To: {}\r\nSubject: x\r\n\r\nx", list.join(",\r\n "));
    is(&rig.send(&list, message.as_bytes(), 4096).await, "250 ", Outcome::Sent);
    assert_eq!(rig.standin.counters().recipients_relayed.count(), 1000);
}

#[tokio::test]
async fn the_header_is_judged_where_the_policy_asks() {
    let rig =
        Rig::with_keys("sender = \"require\"\npermitted_senders = [\"copier-*@contoso.example\"]")
            .await;
    rig.standin
        .tenant()
        .mailbox_mut(SCANNER)
        .unwrap()
        .send_as
        .extend([ALICE, "copier-1@contoso.example"].map(str::to_owned));
    is(&rig.send(&[ERP], MESSAGE.as_bytes(), 4096).await, "250 ", Outcome::Sent);
    let copier = MESSAGE.replace("<scanner@", "<copier-1@");
    is(&rig.send(&[ERP], copier.as_bytes(), 4096).await, "250 ", Outcome::Sent);
    let foreign = MESSAGE.replace("<scanner@", "<alice@");
    let refused = rig.send(&[ERP], foreign.as_bytes(), 4096).await;
    is(&refused, "550 5.7.1 Author alice@contoso.example not allowed", Outcome::Refused);
    let on_behalf = format!("Sender: alice@contoso.example\r\n{MESSAGE}");
    is(&rig.send(&[ERP], on_behalf.as_bytes(), 4096).await, "550 5.7.1 ", Outcome::Refused);
    assert_eq!(rig.requests(), 2);
}

#[tokio::test]
async fn a_person_sends_as_themselves() {
    let rig = Rig::person().await;
    is(&rig.send(&[ERP], MESSAGE.as_bytes(), 4096).await, "250 ", Outcome::Sent);
    assert_eq!(rig.messages(SCANNER, "Sent Items").len(), 1);
}

#[tokio::test]
async fn the_size_that_is_announced_is_the_size_that_goes() {
    assert!(extensions(SIZE).contains(&format!("SIZE {SIZE}")));
    let rig = Rig::start().await;
    let largest = scan(SIZE);
    is(&rig.send(&[ERP], &largest, 10_007).await, "250 ", Outcome::Sent);
    assert!(rig.messages(ERP, "INBOX") == [largest], "every octet is in its place");
    let verdict = rig.send(&[ERP], &scan(SIZE + 1), 10_007).await;
    is(&verdict, "552 5.3.4 Message too large", Outcome::Refused);
    assert_eq!(rig.requests(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_leaves_nothing() {
    let rig = Rig::start().await;
    let to = [ERP.to_owned()];
    let mut letter = rig.graph.begin(Arc::clone(&rig.mailbox), &to).await.unwrap();
    letter.write(&scan(500_000)).await;
    drop(letter);
    assert_eq!(rig.requests(), 0);
}

fn failure(status: u16, code: &str, retry_after: Option<&str>) -> AuthorityFailure {
    let body = format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#);
    AuthorityFailure { status, body, retry_after: retry_after.map(Into::into), times: Some(1) }
}

#[tokio::test]
async fn graph_is_left_alone_as_long_as_it_asks_and_asked_once_more() {
    let rig = Rig::start().await;
    rig.standin.knobs().graph_failure = Some(failure(429, "TooManyRequests", Some("0.128")));
    let (message, start) = (scan(300_000), Instant::now());
    is(&rig.send(&[ERP], &message, 4096).await, "250 ", Outcome::Sent);
    assert!(start.elapsed() >= Duration::from_millis(128));
    assert_eq!(rig.requests(), 2);
    assert!(rig.messages(ERP, "INBOX") == [message]);
}

#[tokio::test]
async fn a_wait_beyond_the_clients_patience_is_the_clients() {
    let rig = Rig::start().await;
    rig.standin.knobs().graph_failure = Some(failure(429, "TooManyRequests", Some("600.5")));
    let verdict = rig.send(&[ERP], MESSAGE.as_bytes(), 4096).await;
    is(&verdict, "451 4.3.2 ", Outcome::Refused);
    let verdict = rig.send(&[ERP], MESSAGE.as_bytes(), 4096).await;
    is(&verdict, "451 4.3.2 ", Outcome::Refused);
    assert_eq!(rig.requests(), 1, "Graph was promised to be left alone");
}

#[tokio::test]
async fn who_is_throttled_without_end_is_told_so() {
    let rig = Rig::start().await;
    let busy = AuthorityFailure { times: None, ..failure(429, "TooManyRequests", Some("0.01")) };
    rig.standin.knobs().graph_failure = Some(busy);
    let verdict = rig.send(&[ERP], MESSAGE.as_bytes(), 4096).await;
    is(&verdict, "451 4.3.2 ", Outcome::Refused);
    assert_eq!(rig.requests(), 11);
}

#[tokio::test]
async fn each_no_of_graphs_is_a_no() {
    let rig = Rig::start().await;
    for (status, code, reply, outcome) in [
        (403, "ErrorSendAsDenied", "550 5.7.60 ", Outcome::Refused),
        (403, "ErrorAccessDenied", "550 5.7.1 ", Outcome::Refused),
        (404, "MailboxNotEnabledForRESTAPI", "550 5.7.1 ", Outcome::Refused),
        (404, "ErrorInvalidUser", "550 5.1.0 ", Outcome::Refused),
        (400, "ErrorMimeContentInvalidBase64String", "554 5.6.0 ", Outcome::Refused),
        (413, "RequestEntityTooLarge", "552 5.3.4 ", Outcome::Refused),
        (503, "ServiceUnavailable", "451 4.3.2 ", Outcome::Refused),
        (504, "GatewayTimeout", "451 4.3.2 ", Outcome::Unknown),
        (500, "InternalServerError", "451 4.3.0 ", Outcome::Unknown),
        (408, "RequestTimeout", "451 4.3.0 ", Outcome::Refused),
        (409, "Conflict", "451 4.3.0 ", Outcome::Refused),
        (423, "Locked", "451 4.3.0 ", Outcome::Refused),
        (425, "TooEarly", "451 4.3.0 ", Outcome::Refused),
        (200, "", "554 5.3.0 ", Outcome::Refused),
        (307, "", "451 4.3.5 ", Outcome::Refused),
    ] {
        let before = rig.requests();
        rig.standin.knobs().graph_failure = Some(failure(status, code, None));
        let verdict = rig.send(&[ERP], MESSAGE.as_bytes(), 4096).await;
        is(&verdict, reply, outcome);
        assert!(verdict.explanation.contains(code), "{verdict:?}");
        assert_eq!(rig.requests(), before + 1, "{status} isn't tried again");
    }
    assert!(rig.messages(ERP, "INBOX").is_empty());
}

#[tokio::test]
async fn a_sender_that_isnt_permitted_is_refused_as_such() {
    let rig = Rig::start().await;
    let foreign = MESSAGE.replace("<scanner@", "<alice@");
    is(&rig.send(&[ERP], foreign.as_bytes(), 4096).await, "550 5.7.60 ", Outcome::Refused);
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_once() {
    let rig = Rig::start().await;
    is(&rig.send(&[ERP], MESSAGE.as_bytes(), 4096).await, "250 ", Outcome::Sent);
    // Beyond the minute in which a refused token is kept.
    rig.ahead.store(90, Ordering::SeqCst);
    rig.standin.revoke_tokens();
    is(&rig.send(&[ERP], MESSAGE.as_bytes(), 4096).await, "250 ", Outcome::Sent);
    assert_eq!((rig.standin.counters().token_requests.count(), rig.requests()), (2, 3));
    assert_eq!(rig.messages(ERP, "INBOX").len(), 2);

    rig.standin.revoke_tokens();
    let verdict = rig.send(&[ERP], MESSAGE.as_bytes(), 4096).await;
    is(&verdict, "454 4.7.0 ", Outcome::Refused);
    assert_eq!((rig.standin.counters().token_requests.count(), rig.requests()), (2, 4));
}

#[tokio::test]
async fn without_a_token_nothing_is_asked_of_graph() {
    let rig = Rig::start().await;
    rig.standin.knobs().authority_aadsts = Some(7_000_215);
    assert!(rig.graph.reach(&rig.mailbox).await.is_err());
    let verdict = rig.send(&[ERP], MESSAGE.as_bytes(), 4096).await;
    is(&verdict, "454 4.7.0 ", Outcome::Refused);
    assert_eq!(rig.requests(), 0);
}

#[tokio::test]
async fn the_request_is_what_graph_documents() {
    let (server, endpoint) = Played::start().await;
    let rig = Rig::towards(&format!("{endpoint}/mirror/")).await;
    let message = scan(200_000);
    let (verdict, (head, body)) = tokio::join!(rig.send(&[ERP], &message, 4096), async {
        let mut stream = server.accept().await;
        let request = request(&mut stream).await;
        answer(&mut stream, 202, "request-id: 7-7-7\r\n", "").await;
        request
    });
    assert_eq!(verdict.line(), "250 2.0.0 Accepted by Graph, queued as 7-7-7");
    assert!(
        head.starts_with("post /mirror/v1.0/users/scanner@contoso.example/sendmail http/1.1\r\n")
    );
    assert!(head.contains("\r\ncontent-type: text/plain\r\n"), "{head}");
    assert!(head.contains("\r\nauthorization: bearer ey"), "{head}");
    assert!(STANDARD.decode(body).unwrap() == message);
}

#[tokio::test]
async fn an_answer_before_the_end_spoils_no_second_try() {
    let (server, endpoint) = Played::start().await;
    let rig = Rig::towards(&endpoint).await;
    let message = scan(2_000_000);
    let (verdict, body) = tokio::join!(rig.send(&[ERP], &message, 4096), async {
        let mut early = server.accept().await;
        head(&mut early).await;
        answer(&mut early, 429, "Retry-After: 0.01\r\nConnection: close\r\n", "").await;
        let mut stream = server.accept().await;
        let (_, body) = request(&mut stream).await;
        answer(&mut stream, 202, "", "").await;
        body
    });
    is(&verdict, "250 ", Outcome::Sent);
    assert!(STANDARD.decode(body).unwrap() == message);
}

#[tokio::test]
async fn a_server_that_breaks_off_is_tried_no_second_time() {
    let (server, endpoint) = Played::start().await;
    let rig = Rig::towards(&endpoint).await;
    let message = scan(2_000_000);
    let (verdict, ()) = tokio::join!(rig.send(&[ERP], &message, 4096), async {
        let mut stream = server.accept().await;
        head(&mut stream).await;
    });
    is(&verdict, "451 4.4.1 ", Outcome::Refused);

    let (verdict, ()) = tokio::join!(rig.send(&[ERP], &message, 4096), async {
        let mut stream = server.accept().await;
        request(&mut stream).await;
    });
    is(&verdict, "451 4.4.2 ", Outcome::Unknown);
    assert!(verdict.explanation.contains("unknown"), "{verdict:?}");

    drop(server);
    let verdict = rig.send(&[ERP], MESSAGE.as_bytes(), 4096).await;
    is(&verdict, "451 4.4.1 ", Outcome::Refused);
}

#[test]
fn each_cloud_has_its_graph() {
    let folder = TempDir::new().unwrap();
    let app = "client_id = \"a\"\ngrant = \"client_credentials\"\nclient_secret = \"x\"";
    let person = "client_id = \"a\"\ngrant = \"refresh_token\"";
    for (cloud, grant, endpoint, scope) in [
        ("global", app, "https://graph.microsoft.com/", "https://graph.microsoft.com/.default"),
        ("gcc-high", app, "https://graph.microsoft.us/", "https://graph.microsoft.us/.default"),
        ("dod", app, "https://dod-graph.microsoft.us/", "https://dod-graph.microsoft.us/.default"),
        (
            "china",
            person,
            "https://microsoftgraph.chinacloudapi.cn/",
            "https://microsoftgraph.chinacloudapi.cn/Mail.Send offline_access",
        ),
    ] {
        let provider = format!(
            "preset = \"microsoft\"\ntenant = \"contoso.example\"\ncloud = \"{cloud}\"\n{grant}"
        );
        let config = configure(folder.path(), &provider, "smtp_via = \"graph\"").unwrap();
        let mailbox = mailbox_of(&config);
        let graph = mailbox.provider.graph.clone().unwrap();
        assert_eq!((graph.endpoint.as_str(), &*graph.scope), (endpoint, scope));
        assert_eq!(mailbox.smtp_via, Via::Graph);
    }
}

#[test]
fn a_provider_without_a_graph_says_so() {
    let folder = TempDir::new().unwrap();
    let google = "preset = \"google\"\nclient_id = \"a\"\ngrant = \"refresh_token\"\nclient_secret = \"x\"\n";
    let refused =
        |provider: &str, mailbox: &str| configure(folder.path(), provider, mailbox).err().unwrap();
    let problem = refused(google, "smtp_via = \"graph\"");
    assert!(problem.contains("needs endpoint in [provider.contoso.graph]"), "{problem}");
    let problem = refused(google, "smtp_via = \"carrier pigeon\"");
    assert!(problem.contains("smtp_via is one of smtp, graph"), "{problem}");
    let clear = format!("{google}[provider.contoso.graph]\nendpoint = \"http://graph.example\"");
    let problem = refused(&clear, "smtp_via = \"graph\"");
    assert!(problem.contains("in clear"), "{problem}");
    let config = configure(folder.path(), google, "").unwrap();
    assert_eq!(mailbox_of(&config).smtp_via, Via::Smtp);
}
