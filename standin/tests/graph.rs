//! Microsoft Graph: sending mail over HTTPS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "clients/http.rs"]
mod http;
#[path = "clients/tls.rs"]
mod tls;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatepost_standin::{AuthorityFailure, Claims, Service, Standin};
use http::{Answer, Client};
use mail_parser::{MessageParser, MimeHeaders};
use serde_json::{Value, json};
use tokio::io::BufReader;

const APP: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const PUBLIC_APP: &str = "aaaaaaaa-0000-4000-8000-000000000002";
const SCANNER: &str = "scanner@contoso.example";
const ERP: &str = "erp@contoso.example";
const ALICE: &str = "alice@contoso.example";
const MIME: &str = "text/plain";

/// A client with a token.
struct Graph {
    client: Client,
    token: String,
}

impl Graph {
    async fn with(standin: &Standin, claims: Claims) -> Self {
        let stream = tls::dial(standin, standin.address(Service::Graph)).await;
        Self { client: Client(BufReader::new(stream)), token: standin.issue_token(claims) }
    }

    async fn app(standin: &Standin) -> Self {
        Self::with(standin, graph(Claims::app(APP, &["Mail.Send", "Mail.ReadWrite"]))).await
    }

    async fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let headers = format!("Authorization: Bearer {}\r\n{headers}", self.token);
        self.client.ask(method, path, &headers, body).await
    }

    async fn post(&mut self, path: &str, content_type: &str, body: &str) -> Answer {
        self.ask("POST", path, &format!("Content-Type: {content_type}\r\n"), body).await
    }

    async fn send(&mut self, user: &str, message: &str) -> Answer {
        let body = STANDARD.encode(message);
        self.post(&format!("/v1.0/users/{user}/sendMail"), MIME, &body).await
    }
}

fn graph(claims: Claims) -> Claims {
    Claims { audience: "https://graph.microsoft.com".into(), ..claims }
}

/// Status and code of a refusal.
fn refusal(answer: &Answer) -> (u16, String) {
    let error = &answer.json()["error"];
    assert!(
        error["message"].is_string() && error["innerError"]["request-id"].is_string(),
        "{error}"
    );
    (answer.status, error["code"].as_str().unwrap().to_owned())
}

fn no(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

const MESSAGE: &str = "From: <scanner@contoso.example>\r\nTo: <erp@contoso.example>, x@fabrikam.example\r\n\
    Bcc: Alice\r\n <alice@contoso.example>\r\nSubject: scan\r\n\r\npage\r\n";

#[tokio::test]
async fn a_message_goes_to_its_header_and_not_to_the_eyes_of_all() {
    let standin = Standin::start().await.unwrap();
    let mut graph = Graph::app(&standin).await;
    let answer = graph.send(SCANNER, MESSAGE).await;
    assert_eq!((answer.status, answer.body.len()), (202, 0));
    let stripped = MESSAGE.replace("Bcc: Alice\r\n <alice@contoso.example>\r\n", "");
    for mailbox in [ERP, ALICE] {
        let messages = standin.store().messages(mailbox, "INBOX");
        assert_eq!(messages.len(), 1, "{mailbox}");
        assert_eq!(&*messages[0].raw, stripped.as_bytes());
    }
    let copies = standin.store().messages(SCANNER, "Sent Items");
    assert_eq!(&*copies[0].raw, MESSAGE.as_bytes());
    assert_eq!(standin.counters().recipients_relayed.count(), 1);
    assert_eq!(standin.counters().graph_messages_accepted.count(), 1);
}

#[tokio::test]
async fn a_person_sends_through_me() {
    let standin = Standin::start().await.unwrap();
    let mut person =
        Graph::with(&standin, graph(Claims::user(PUBLIC_APP, SCANNER, &["Mail.Send"]))).await;
    let message = "To: <erp@contoso.example>\r\nSubject: x\r\n\r\nx\r\n";
    let answer = person.post("/v1.0/me/sendMail", MIME, &STANDARD.encode(message)).await;
    assert_eq!(answer.status, 202);
    let delivered = standin.store().messages(ERP, "INBOX");
    assert!(delivered[0].raw.starts_with(b"From: <scanner@contoso.example>\r\nTo: "));
    assert_eq!(refusal(&person.send(ERP, MESSAGE).await), no(403, "ErrorAccessDenied"));
    let answer = Graph::app(&standin).await.post("/v1.0/me/sendMail", MIME, "").await;
    assert_eq!(refusal(&answer), no(400, "BadRequest"));
}

#[tokio::test]
async fn tokens_that_are_refused() {
    let standin = Standin::start().await.unwrap();
    for claims in [Claims::app(APP, &["Mail.Send"]), Claims::app(APP, &[])] {
        let answer = Graph::with(&standin, claims).await.send(SCANNER, MESSAGE).await;
        assert_eq!(refusal(&answer), no(401, "InvalidAuthenticationToken"));
    }
    let other = graph(Claims::app(APP, &["User.Read.All"]));
    let answer = Graph::with(&standin, other).await.send(SCANNER, MESSAGE).await;
    assert_eq!(refusal(&answer), no(403, "ErrorAccessDenied"));
    let mut unlucky = Graph::app(&standin).await;
    standin.revoke_tokens();
    assert_eq!(unlucky.send(SCANNER, MESSAGE).await.status, 401);
}

#[tokio::test]
async fn messages_that_are_refused() {
    let standin = Standin::start().await.unwrap();
    let mut graph = Graph::app(&standin).await;
    let path = format!("/v1.0/users/{SCANNER}/sendMail");
    let answer = graph.post(&path, MIME, "not base64!").await;
    assert_eq!(refusal(&answer), no(400, "ErrorMimeContentInvalidBase64String"));
    let nobody = graph.send("nobody@contoso.example", MESSAGE).await;
    assert_eq!(refusal(&nobody), no(404, "ErrorInvalidUser"));
    let unaddressed = graph.send(SCANNER, "Subject: x\r\n\r\nx").await;
    assert_eq!(refusal(&unaddressed), no(400, "ErrorInvalidRecipients"));
    let foreign = MESSAGE.replace("From: <scanner@", "From: <alice@");
    assert_eq!(refusal(&graph.send(SCANNER, &foreign).await), no(403, "ErrorSendAsDenied"));
    standin.tenant().mailbox_mut(SCANNER).unwrap().send_as.push(ALICE.into());
    assert_eq!(graph.send(SCANNER, &foreign).await.status, 202);
    standin.knobs().graph_access_disabled = true;
    let answer = graph.send(SCANNER, MESSAGE).await;
    assert_eq!(answer.json()["error"]["message"], "Access to OData is disabled.");
    assert_eq!(graph.post("/v1.0/me/sendmoney", MIME, "").await.status, 400);
}

#[tokio::test]
async fn a_request_has_four_megabytes() {
    let standin = Standin::start().await.unwrap();
    let mut graph = Graph::app(&standin).await;
    let message = |length: usize| format!("{MESSAGE}{}", "x".repeat(length - MESSAGE.len()));
    assert_eq!(graph.send(SCANNER, &message(3 << 20)).await.status, 202);
    let answer = graph.send(SCANNER, &message((3 << 20) + 1)).await;
    assert_eq!(refusal(&answer), no(413, "RequestEntityTooLarge"));
    assert!(answer.text().contains("The maximum request length supported is 4MB."));
}

#[tokio::test]
async fn graph_can_be_busy() {
    let standin = Standin::start().await.unwrap();
    let mut graph = Graph::app(&standin).await;
    standin.knobs().graph_failure = Some(AuthorityFailure {
        status: 429,
        body: json!({ "error": { "code": "TooManyRequests" } }).to_string(),
        retry_after: Some("2.128".into()),
        times: Some(1),
    });
    let answer = graph.send(SCANNER, MESSAGE).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("2.128")));
    assert_eq!(graph.send(SCANNER, MESSAGE).await.status, 202);
    assert_eq!(standin.counters().graph_requests.count(), 2);
}

#[tokio::test]
async fn json_makes_a_message_too() {
    let standin = Standin::start().await.unwrap();
    let mut graph = Graph::app(&standin).await;
    let request = json!({ "message": json_message(), "saveToSentItems": false }).to_string();
    let path = format!("/v1.0/users/{SCANNER}/sendMail");
    assert_eq!(graph.post(&path, "application/json", &request).await.status, 202);
    let delivered = standin.store().messages(ERP, "INBOX");
    let message = MessageParser::default().parse(&*delivered[0].raw).unwrap();
    assert_eq!(message.subject(), Some("Größe"));
    assert_eq!(message.body_text(0).unwrap().trim_end(), "Seite 1");
    assert_eq!(message.attachment(0).unwrap().contents(), b"small");
    assert!(standin.store().messages(SCANNER, "Sent Items").is_empty());
}

fn json_message() -> Value {
    json!({
        "subject": "Größe",
        "body": { "contentType": "text", "content": "Seite 1" },
        "toRecipients": [{ "emailAddress": { "address": ERP } }],
        "attachments": [{
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": "a.txt",
            "contentType": "text/plain",
            "contentBytes": STANDARD.encode("small"),
        }],
    })
}

#[tokio::test]
async fn a_large_attachment_goes_by_a_draft_and_an_upload_session() {
    let standin = Standin::start().await.unwrap();
    let mut graph = Graph::app(&standin).await;
    let messages = format!("/v1.0/users/{SCANNER}/messages");
    let created = graph.post(&messages, MIME, &STANDARD.encode(MESSAGE)).await;
    assert_eq!(created.status, 201);
    let draft = format!("{messages}/{}", created.json()["id"].as_str().unwrap());
    let octets: String = ('a'..='z').cycle().take(10 << 20).collect();
    let session = graph
        .post(
            &format!("{draft}/attachments/createUploadSession"),
            "application/json",
            &item(octets.len()),
        )
        .await;
    assert_eq!(session.status, 201);
    let url = session.json()["uploadUrl"].as_str().unwrap().to_owned();
    let path = url.strip_prefix("https://localhost").unwrap().to_owned();
    let piece = 3_932_160;
    for first in (0..octets.len()).step_by(piece) {
        let chunk = &octets[first..octets.len().min(first + piece)];
        let last = first + chunk.len() - 1;
        let range = format!("Content-Range: bytes {first}-{last}/{}\r\n", octets.len());
        let answer = graph.client.ask("PUT", &path, &range, chunk).await;
        if last + 1 < octets.len() {
            assert_eq!(answer.json()["nextExpectedRanges"], json!([(last + 1).to_string()]));
            let again = graph.client.ask("PUT", &path, &range, chunk).await;
            assert_eq!(refusal(&again), no(400, "ErrorInvalidRange"), "a piece comes once");
        } else {
            assert_eq!(answer.status, 201);
        }
    }
    assert!(standin.store().messages(ERP, "INBOX").is_empty(), "a draft goes nowhere");
    assert_eq!(graph.post(&format!("{draft}/send"), MIME, "").await.status, 202);
    let delivered = standin.store().messages(ERP, "INBOX");
    let message = MessageParser::default().parse(&*delivered[0].raw).unwrap();
    assert_eq!(message.subject(), Some("scan"));
    assert_eq!(message.body_text(0).unwrap().trim_end(), "page");
    let attachment = message.attachment(0).unwrap();
    assert_eq!(attachment.attachment_name(), Some("scan.pdf"));
    assert!(attachment.contents() == octets.as_bytes());
    assert!(message.bcc().is_none());
    let again = graph.post(&format!("{draft}/send"), MIME, "").await;
    assert_eq!(refusal(&again), no(404, "ErrorItemNotFound"), "a draft is sent once");
}

#[tokio::test]
async fn upload_sessions_that_are_refused() {
    let standin = Standin::start().await.unwrap();
    let mut graph = Graph::app(&standin).await;
    let messages = format!("/v1.0/users/{SCANNER}/messages");
    let created = graph.post(&messages, "application/json", &json_message().to_string()).await;
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let session = |mailbox: &str| {
        format!("/v1.0/users/{mailbox}/messages/{id}/attachments/createUploadSession")
    };
    for (size, code) in [
        ((3 << 20) - 1, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"),
        ((150 << 20) + 1, "ErrorAttachmentSizeLimitExceeded"),
    ] {
        let answer = graph.post(&session(SCANNER), "application/json", &item(size)).await;
        assert_eq!(refusal(&answer), no(400, code));
    }
    let other = graph.post(&session(ERP), "application/json", &item(4 << 20)).await;
    assert_eq!(refusal(&other), no(404, "ErrorItemNotFound"), "somebody else's draft");
    let draft = format!("{messages}/{id}");
    assert_eq!(graph.ask("GET", &draft, "", "").await.status, 405);
    standin.knobs().graph_access_disabled = true;
    assert_eq!(graph.post(&session(SCANNER), "application/json", "{}").await.status, 403);
    standin.knobs().graph_access_disabled = false;
    let opened = graph.post(&session(SCANNER), "application/json", &item(4 << 20)).await;
    let url = opened.json()["uploadUrl"].as_str().unwrap().to_owned();
    let path = url.strip_prefix("https://localhost").unwrap();
    let answer = graph.client.ask("PUT", path, "", "x").await;
    assert_eq!(refusal(&answer), no(400, "ErrorInvalidRange"));
}

fn item(size: usize) -> String {
    json!({ "AttachmentItem": { "attachmentType": "file", "name": "scan.pdf", "size": size } })
        .to_string()
}
