//! Messages too large for one request: a draft, and files uploaded to it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatepost::graph::{LARGE, Outcome, extensions, size};
use gatepost_standin::AuthorityFailure;

use super::rig::{ERP, Played, Rig, SCANNER, answer, request};
use super::{failure, is};

const MIB: usize = 1024 * 1024;

/// Octets that differ from their neighbours.
fn pages(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at % 251) as u8).collect()
}

fn lines(octets: &[u8]) -> String {
    let encoded = STANDARD.encode(octets).into_bytes();
    let lines = encoded.chunks(76).map(|line| std::str::from_utf8(line).unwrap());
    lines.flat_map(|line| [line, "\r\n"]).collect()
}

fn file(name: &str, octets: &[u8]) -> String {
    format!(
        "--b 1\r\nContent-Type: application/pdf;\r\n name=\"{name}\"\r\nContent-Transfer-Encoding: BASE64\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n{}",
        lines(octets)
    )
}

const TEXT: &str = "--b 1\r\nContent-Type: text/plain\r\n\r\nSeite 1\r\n--b 12\r\n";

fn message(kind: &str, parts: &[String]) -> Vec<u8> {
    format!(
        "From: <scanner@contoso.example>\r\nTo: ERP <erp@contoso.example>\r\nSubject: scan\r\n\
         Message-ID: <1@contoso.example>\r\nMIME-Version: 1.0\r\nContent-Type: {kind};\r\n boundary=\"b 1\"\r\n\r\n\
         Preamble\r\n{}--b 1--\r\n",
        parts.concat()
    )
    .into_bytes()
}

/// A message too large for one request.
pub(crate) fn scan() -> Vec<u8> {
    message("multipart/mixed", &[TEXT.to_owned(), file("scan.pdf", &pages(4 * MIB))])
}

/// Whether a message holds a file of these octets, by its name.
fn holds(message: &[u8], name: &str, octets: &[u8]) -> bool {
    let text = String::from_utf8_lossy(message);
    let Some((_, rest)) = text.split_once(&format!("filename=\"{name}\"")) else {
        return false;
    };
    let content = rest.split_once("\r\n\r\n").unwrap().1;
    let content = content.split("\r\n--").next().unwrap().replace("\r\n", "");
    STANDARD.decode(content).unwrap() == octets
}

/// The request that comes after so many is answered with `failure`.
fn fail_at(rig: &Rig, step: u32, failure: AuthorityFailure) {
    let mut knobs = rig.standin.knobs();
    knobs.graph_failure_after = step;
    knobs.graph_failure = Some(failure);
}

#[tokio::test]
async fn files_of_all_sizes_arrive() {
    let rig = Rig::large().await;
    let (large, medium, small) = (pages(9 * MIB + 1), pages(2 * MIB), pages(1000));
    let parts =
        [TEXT.to_owned(), file("s.pdf", &small), file("l.pdf", &large), file("m.pdf", &medium)];
    let message = message("multipart/mixed", &parts);
    is(&rig.send(&[ERP], &message, 100_003).await, "250 2.0.0 ", Outcome::Sent);
    let received = rig.messages(ERP, "INBOX");
    assert_eq!((received.len(), rig.standin.drafts()), (1, 0));
    for (name, octets) in [("s.pdf", &small), ("m.pdf", &medium), ("l.pdf", &large)] {
        assert!(holds(&received[0], name, octets), "{name}");
    }
    let kept = String::from_utf8_lossy(&received[0]);
    assert!(kept.contains("Message-ID: <1@contoso.example>\r\n") && kept.contains("Seite 1\r\n"));
    // Two of the files would fit beside the text: the draft, the session, three pieces, the word.
    assert_eq!(rig.requests(), 6);
    assert_eq!(rig.messages(SCANNER, "Sent Items").len(), 1);
}

#[tokio::test]
async fn many_files_of_less_than_an_uploads_size_arrive() {
    let rig = Rig::large().await;
    let page = pages(2 * MIB);
    let parts: Vec<String> = (0..4).map(|at| file(&format!("{at}.pdf"), &page)).collect();
    let message = message("multipart/mixed", &parts);
    is(&rig.send(&[ERP], &message, 100_003).await, "250 2.0.0 ", Outcome::Sent);
    let received = rig.messages(ERP, "INBOX");
    assert!((0..4).all(|at| holds(&received[0], &format!("{at}.pdf"), &page)));
}

#[tokio::test]
async fn a_message_of_nothing_but_a_file_arrives() {
    let rig = Rig::large().await;
    let scan = pages(4 * MIB);
    let message = message("multipart/mixed", &[file("scan.pdf", &scan)]);
    is(&rig.send(&[ERP], &message, 100_003).await, "250 2.0.0 ", Outcome::Sent);
    assert!(holds(&rig.messages(ERP, "INBOX")[0], "scan.pdf", &scan));
}

#[tokio::test]
async fn a_name_in_utf_8_stays() {
    let rig = Rig::large().await;
    let scan = pages(4 * MIB);
    let plain = file("x.pdf", &scan);
    for coded in ["filename=\"=?utf-8?B?QsO8cm8ucGRm?=\"", "filename*=UTF-8''B%C3%BCro.pdf"] {
        let part = plain.replace("filename=\"x.pdf\"", coded);
        let verdict = rig.send(&[ERP], &message("multipart/mixed", &[part]), 100_003).await;
        is(&verdict, "250 2.0.0 ", Outcome::Sent);
        let received = rig.messages(ERP, "INBOX");
        assert!(holds(received.last().unwrap(), "B\u{fc}ro.pdf", &scan), "{coded}");
    }
}

#[tokio::test]
async fn what_fits_into_one_request_still_goes_as_it_is() {
    let rig = Rig::large().await;
    let message = message("multipart/mixed", &[TEXT.to_owned(), file("s.pdf", &pages(2 * MIB))]);
    is(&rig.send(&[ERP], &message, 100_003).await, "250 2.0.0 ", Outcome::Sent);
    assert!(rig.messages(ERP, "INBOX") == [message]);
    assert_eq!(rig.requests(), 1);
}

/// Nothing is taken apart that wouldn't be the same afterwards, and nothing asked of Graph for it.
#[tokio::test]
async fn what_would_suffer_is_refused() {
    let rig = Rig::large().await;
    let scan = file("scan.pdf", &pages(4 * MIB));
    let mixed = |part: String| message("multipart/mixed", &[TEXT.to_owned(), part]);
    let plain = [super::MESSAGE.as_bytes(), &vec![b'x'; 4 * MIB]].concat();
    let shown =
        scan.replace("attachment; ", "inline; ").replace("BASE64", "base64\r\nContent-ID: <1>");
    let mut cut = mixed(scan.clone());
    cut.truncate(cut.len() - "--b 1--\r\n".len());
    for (why, message) in [
        ("signed", message("multipart/signed", &[TEXT.to_owned(), scan.clone()])),
        ("no parts", plain),
        ("a text", mixed(scan.replace("application/pdf", "text/csv"))),
        ("a message", mixed(scan.replace("application/pdf", "message/rfc822"))),
        ("no base64", mixed(scan.replace("BASE64", "8bit"))),
        ("broken base64", mixed(scan.replace("\r\n\r\n", "\r\n\r\n=A"))),
        ("no name", mixed(scan.replace("name=", "x="))),
        ("an encoded name", mixed(scan.replace("\"scan", "\"=?iso-8859-1?Q?scan?="))),
        ("shown in the text", mixed(shown)),
        ("no end", cut),
    ] {
        let verdict = rig.send(&[ERP], &message, 100_003).await;
        is(&verdict, "552 5.3.4 ", Outcome::Refused);
        assert_eq!(rig.standin.drafts(), 0, "{why}");
    }
    assert!(rig.messages(ERP, "INBOX").is_empty());
}

#[tokio::test]
async fn the_size_is_announced_as_far_as_it_goes() {
    let rig = Rig::large().await;
    assert_eq!(size(rig.mailbox.provider.graph.as_ref().unwrap()), LARGE);
    assert!(extensions(LARGE).contains(&"SIZE 150000000".to_owned()));
}

/// Whatever goes wrong at whichever step, the client gets no 250, nobody the message, and the draft
/// is gone.
#[tokio::test]
async fn a_no_at_any_step_leaves_nothing() {
    let rig = Rig::large().await;
    let message = message("multipart/mixed", &[file("l.pdf", &pages(3_276_801))]);
    for step in 0..5 {
        for (status, code, reply, outcome) in [
            (403, "ErrorAccessDenied", "550 5.7.1 ", Outcome::Refused),
            (413, "RequestEntityTooLarge", "552 5.3.4 ", Outcome::Refused),
            (503, "ServiceUnavailable", "451 4.3.2 ", Outcome::Refused),
            (404, "ErrorItemNotFound", "451 4.3.0 ", Outcome::Refused),
            (400, "ErrorMessageSizeExceeded", "552 5.3.4 ", Outcome::Refused),
            (204, "", "554 5.3.0 ", Outcome::Refused),
            (500, "", "451 4.3.0 ", if step == 4 { Outcome::Unknown } else { Outcome::Refused }),
        ] {
            fail_at(&rig, step, failure(status, code, None));
            let verdict = rig.send(&[ERP], &message, 100_003).await;
            is(&verdict, reply, outcome);
            assert_eq!(rig.standin.drafts(), 0, "{status} at step {step}");
        }
    }
    assert!(rig.messages(ERP, "INBOX").is_empty());
}

#[tokio::test]
async fn throttled_pieces_are_sent_again() {
    let rig = Rig::large().await;
    let scan = pages(3_276_801);
    let message = message("multipart/mixed", &[file("l.pdf", &scan)]);
    for step in 0..5 {
        fail_at(&rig, step, failure(429, "TooManyRequests", Some("0.01")));
        is(&rig.send(&[ERP], &message, 100_003).await, "250 ", Outcome::Sent);
    }
    let received = rig.messages(ERP, "INBOX");
    assert!(received.len() == 5 && received.iter().all(|one| holds(one, "l.pdf", &scan)));
}

#[tokio::test]
async fn without_the_permission_the_operator_hears_of_it() {
    let rig = Rig::large().await;
    for app in &mut rig.standin.tenant().apps {
        app.roles.retain(|role| role != "Mail.ReadWrite");
    }
    let message = message("multipart/mixed", &[file("l.pdf", &pages(4 * MIB))]);
    let verdict = rig.send(&[ERP], &message, 100_003).await;
    is(&verdict, "550 5.7.1 ", Outcome::Refused);
    assert!(verdict.explanation.contains("Mail.ReadWrite"), "{verdict:?}");
}

#[tokio::test]
async fn a_client_that_leaves_leaves_no_draft() {
    let rig = Rig::large().await;
    let to = [ERP.to_owned()];
    let mut letter = rig.graph.begin(Arc::clone(&rig.mailbox), &to).await.unwrap();
    letter.write(&message("multipart/mixed", &[file("l.pdf", &pages(8 * MIB))])).await;
    drop(letter);
    assert_eq!(rig.requests(), 0);
}

/// Where the upload is given up halfway, the draft is deleted all the same.
#[tokio::test]
async fn an_upload_that_is_given_up_is_cleared_away() {
    let (server, endpoint) = Played::start().await;
    let rig = Rig::towards(&format!("{endpoint}\"\nlarge = true #")).await;
    let message = message("multipart/mixed", &[file("l.pdf", &pages(4 * MIB))]);
    let begun = async {
        let mut stream = server.accept().await;
        let (head, _) = request(&mut stream).await;
        assert!(head.starts_with("post /v1.0/users/scanner@contoso.example/messages http"));
        answer(&mut stream, 201, "Connection: close\r\n", r#"{"@odata.etag":"x","id" : "AA="}"#)
            .await;
        drop(stream);
        let mut stream = server.accept().await;
        request(&mut stream).await.0
    };
    let head = tokio::select! {
        verdict = rig.send(&[ERP], &message, 100_003) => panic!("{verdict:?}"),
        head = begun => head,
    };
    assert!(head.contains("/messages/aa=/attachments/createuploadsession http"), "{head}");
    let mut stream = server.accept().await;
    let (head, _) = super::head(&mut stream).await;
    assert!(head.starts_with("delete /v1.0/users/scanner@contoso.example/messages/aa= http"));
    assert!(head.contains("authorization: bearer "));
}
