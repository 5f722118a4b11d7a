//! Google's sign-in, refresh and service accounts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "clients/http.rs"]
mod http;
#[path = "clients/signer.rs"]
mod signer;
#[path = "clients/tls.rs"]
mod tls;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatepost_standin::{ServiceAccount, Standin};
use http::{Answer, Client, FORM, form};
use serde_json::{Value, json};
use signer::{Signer, now};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

const PUBLIC_APP: &str = "aaaaaaaa-0000-4000-8000-000000000002";
const ALICE: &str = "alice@contoso.example";
const MAIL: &str = "https://mail.google.com/";
const BACK: &str = "http://127.0.0.1:4711";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const SCANNER: &str = "scanner@project.iam.gserviceaccount.example";

async fn rig() -> (Standin, Client) {
    let standin = Standin::start().await.unwrap();
    standin.tenant().mailbox_mut(ALICE).unwrap().password = Some("s3cret".into());
    let client = Client::dial(&standin).await;
    (standin, client)
}

async fn token(client: &mut Client, fields: &[(&str, &str)]) -> Answer {
    client.ask("POST", "/google/token", FORM, &form(fields)).await
}

fn refusal(answer: &Answer) -> (u16, String, String) {
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (answer.status, text("error"), text("error_description"))
}

fn page(access_type: &str, redirect_uri: &str) -> String {
    let query = form(&[
        ("client_id", PUBLIC_APP),
        ("response_type", "code"),
        ("redirect_uri", redirect_uri),
        ("scope", MAIL),
        ("state", "xyz"),
        ("access_type", access_type),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("login_hint", ALICE),
    ]);
    format!("/google/authorize?{query}")
}

async fn code(client: &mut Client, access_type: &str) -> String {
    let body = form(&[("login", ALICE), ("passwd", "s3cret"), ("choice", "sign_in")]);
    let answer = client.ask("POST", &page(access_type, BACK), FORM, &body).await;
    let location = answer.header("location").unwrap();
    let code = location.strip_prefix("http://127.0.0.1:4711/?state=xyz&code=").unwrap();
    code.to_owned()
}

fn redemption<'f>(code: &'f str, verifier: &'f str) -> [(&'f str, &'f str); 5] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", PUBLIC_APP),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", verifier),
    ]
}

#[tokio::test]
async fn a_sign_in_yields_tokens_that_stay_until_revoked() {
    let (standin, mut client) = rig().await;
    let shown = client.ask("GET", &page("offline", BACK), "", "").await.text();
    assert!(shown.contains(&format!("value=\"{ALICE}\"")), "{shown}");
    let code = code(&mut client, "offline").await;
    let wrong = token(&mut client, &redemption(&code, &"x".repeat(43))).await;
    assert_eq!(refusal(&wrong), (400, "invalid_grant".into(), "Invalid code verifier.".into()));
    let answer = token(&mut client, &redemption(&code, VERIFIER)).await;
    assert!(answer.token().starts_with("ya29."));
    assert_eq!(answer.json()["scope"], MAIL);
    assert_eq!(token(&mut client, &redemption(&code, VERIFIER)).await.status, 400);

    let refresh = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    let fields =
        [("grant_type", "refresh_token"), ("client_id", PUBLIC_APP), ("refresh_token", &refresh)];
    let answer = token(&mut client, &fields).await;
    assert!(answer.token().starts_with("ya29."));
    assert!(answer.json().get("refresh_token").is_none());
    standin.revoke_refresh_tokens(ALICE);
    let words = "Token has been expired or revoked.";
    assert_eq!(
        refusal(&token(&mut client, &fields).await),
        (400, "invalid_grant".into(), words.into())
    );
}

#[tokio::test]
async fn without_offline_access_there_is_no_refresh_token() {
    let (_standin, mut client) = rig().await;
    let code = code(&mut client, "online").await;
    let answer = token(&mut client, &redemption(&code, VERIFIER)).await;
    answer.token();
    assert!(answer.json().get("refresh_token").is_none());
}

#[tokio::test]
async fn bad_requests_are_refused_in_googles_words() {
    let (_standin, mut client) = rig().await;
    let elsewhere = client.ask("GET", &page("offline", "https://evil.example/"), "", "").await;
    assert!(elsewhere.text().contains("Error 400: redirect_uri_mismatch"));
    let fields = [("grant_type", "refresh_token"), ("client_id", "nobody")];
    assert_eq!(
        refusal(&token(&mut client, &fields).await),
        (401, "invalid_client".into(), "The OAuth client was not found.".into())
    );
    let fields = [fields[0], ("client_id", PUBLIC_APP), ("client_secret", "wrong")];
    assert_eq!(refusal(&token(&mut client, &fields).await).0, 401);
    let magic = [("grant_type", "magic")];
    assert_eq!(refusal(&token(&mut client, &magic).await).1, "unsupported_grant_type");
    let cancel = form(&[("choice", "cancel")]);
    let answer = client.ask("POST", &page("offline", BACK), FORM, &cancel).await;
    assert_eq!(
        answer.header("location"),
        Some("http://127.0.0.1:4711/?state=xyz&error=access_denied")
    );
    let found = client.ask("GET", "/google/.well-known/openid-configuration", "", "").await.json();
    assert_eq!(found["token_endpoint"], "https://localhost/google/token");
}

fn assertion() -> Value {
    json!({
        "iss": SCANNER,
        "sub": ALICE,
        "scope": MAIL,
        "aud": "https://oauth2.googleapis.com/token",
        "iat": now(),
        "exp": now() + 3600,
    })
}

async fn bear(client: &mut Client, jwt: &str) -> Answer {
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    token(client, &[("grant_type", grant), ("assertion", jwt)]).await
}

#[tokio::test]
async fn a_service_account_opens_the_mailbox_that_it_names() {
    let (standin, mut client) = rig().await;
    let (signer, stranger) = (Signer::new(), Signer::new());
    standin.tenant().service_accounts.push(ServiceAccount {
        email: SCANNER.into(),
        key: signer.public_key_pem.clone().into_bytes(),
        scopes: vec![MAIL.into()],
    });
    let header = json!({ "alg": "RS256", "typ": "JWT" });
    let token = bear(&mut client, &signer.sign(&header, &assertion())).await.token();
    let path = format!("/tokeninfo?access_token={token}");
    assert_eq!(client.ask("GET", &path, "", "").await.json()["username"], ALICE);

    let with = |name: &str, value: Value| {
        let mut claims = assertion();
        claims[name] = value;
        signer.sign(&header, &claims)
    };
    let cases = [
        (stranger.sign(&header, &assertion()), "invalid_grant", "Invalid JWT Signature."),
        (with("iss", json!("x")), "invalid_grant", "Invalid grant: account not found"),
        (with("sub", json!("x@contoso.example")), "invalid_grant", "Invalid email or User ID"),
        (
            with("exp", json!(now() + 7200)),
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived",
        ),
        (
            with("iat", json!(now() - 9000)),
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived",
        ),
        (with("sub", Value::Null), "unauthorized_client", "Client is unauthorized"),
        (
            with("scope", json!("https://www.googleapis.com/auth/gmail.imap_admin")),
            "unauthorized_client",
            "Client is unauthorized",
        ),
        (with("aud", json!("x")), "invalid_scope", "Invalid OAuth scope or ID audience provided."),
    ];
    for (jwt, error, words) in cases {
        let (_, found, text) = refusal(&bear(&mut client, &jwt).await);
        assert_eq!(found, error, "{text}");
        assert!(text.starts_with(words), "{text}");
    }
    assert_eq!(standin.counters().jwt_bearer_requests.count(), 9);
    assert_eq!(standin.counters().tokens_issued.count(), 1);
}

#[tokio::test]
async fn the_token_opens_the_mailbox() {
    let (standin, mut client) = rig().await;
    standin.knobs().google = true;
    let code = code(&mut client, "online").await;
    let token = token(&mut client, &redemption(&code, VERIFIER)).await.token();
    let response = STANDARD.encode(format!("user={ALICE}\x01auth=Bearer {token}\x01\x01"));
    let mut imap = BufReader::new(tls::dial(&standin, standin.imap()).await);
    let command = format!("a AUTHENTICATE XOAUTH2 {response}\r\nb SELECT INBOX\r\n");
    imap.write_all(command.as_bytes()).await.unwrap();
    let mut line = String::new();
    while !line.starts_with("b ") {
        line.clear();
        assert_ne!(imap.read_line(&mut line).await.unwrap(), 0);
    }
    assert!(line.starts_with("b OK "), "{line}");
    assert_eq!(standin.counters().imap_logins.count(), 1);
}
