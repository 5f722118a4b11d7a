//! The authority over real TLS and HTTP/1.1.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "clients/http.rs"]
mod http;
#[path = "clients/tls.rs"]
mod tls;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatepost_standin::{AuthorityFailure, Claims, Service, Standin};
use http::{Answer, Client, FORM, claims, form};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const APP: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const SECRET: &str = "standin-secret-value";
const PUBLIC_APP: &str = "aaaaaaaa-0000-4000-8000-000000000002";
const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const OUTLOOK_DEFAULT: &str = "https://outlook.office365.com/.default";
const OUTLOOK_IMAP: &str = "https://outlook.office365.com/IMAP.AccessAsUser.All offline_access";
const ALICE: &str = "alice@contoso.example";

async fn post(standin: &Standin, fields: &[(&str, &str)]) -> Answer {
    Client::dial(standin).await.post(TENANT, fields).await
}

fn app_only() -> [(&'static str, &'static str); 4] {
    [
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("scope", OUTLOOK_DEFAULT),
    ]
}

async fn refresh(standin: &Standin, token: &str, scope: &str) -> Answer {
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", PUBLIC_APP),
        ("refresh_token", token),
        ("scope", scope),
    ];
    post(standin, &fields).await
}

#[tokio::test]
async fn client_credentials_yield_an_app_only_token() {
    let standin = Standin::start().await.unwrap();
    let answer = post(&standin, &app_only()).await;
    let claims = claims(&answer.token());
    assert_eq!(claims["aud"], "https://outlook.office365.com");
    assert_eq!(claims["appid"], APP);
    assert_eq!(claims["roles"], json!(["IMAP.AccessAsApp", "POP.AccessAsApp", "SMTP.SendAsApp"]));
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert!((3599..=5399).contains(&body["expires_in"].as_u64().unwrap()), "{body}");
    assert!(body.get("refresh_token").is_none());
    assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
    assert_eq!(standin.counters().client_credentials_requests.count(), 1);
    assert_eq!(standin.counters().tokens_issued.count(), 1);
}

#[tokio::test]
async fn the_secret_may_come_by_basic_and_the_connection_is_kept() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::dial(&standin).await;
    let headers = format!(
        "{FORM}Authorization: Basic {}\r\n",
        STANDARD.encode(format!("{APP}:standin%2Dsecret-value"))
    );
    let path = "/contoso.example/oauth2/v2.0/token";
    let body = form(&[("grant_type", "client_credentials"), ("scope", OUTLOOK_DEFAULT)]);
    for _ in 0..3 {
        client.ask("POST", path, &headers, &body).await.token();
    }
    assert_eq!(standin.counters().token_requests.count(), 3);
}

#[tokio::test]
async fn refusals_have_entras_numbers() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::dial(&standin).await;
    let with = |name: &'static str, value: &'static str| {
        app_only().map(|(key, old)| if key == name { (key, value) } else { (key, old) })
    };
    let cases = [
        (TENANT, with("client_secret", "wrong"), (401, "invalid_client", 7_000_215)),
        (TENANT, with("client_secret", ""), (401, "invalid_client", 7_000_216)),
        (TENANT, with("client_id", PUBLIC_APP), (401, "invalid_client", 700_025)),
        (TENANT, with("client_id", "nobody"), (400, "unauthorized_client", 700_016)),
        (TENANT, with("client_id", ""), (400, "invalid_request", 900_144)),
        (TENANT, with("grant_type", "magic"), (400, "unsupported_grant_type", 70_003)),
        (TENANT, with("grant_type", ""), (400, "invalid_request", 900_144)),
        (
            TENANT,
            with("scope", "https://outlook.office365.com/IMAP.AccessAsApp"),
            (400, "invalid_scope", 70_011),
        ),
        (
            TENANT,
            with("scope", "https://outlook.example/.default"),
            (400, "invalid_resource", 500_011),
        ),
        ("fabrikam.example", app_only(), (400, "invalid_request", 90_002)),
        ("common", app_only(), (400, "invalid_request", 50_059)),
    ];
    for (tenant, fields, (status, error, code)) in cases {
        let refusal = client.post(tenant, &fields).await.refusal();
        assert_eq!(refusal, (status, error.to_owned(), code), "{fields:?}");
    }
    assert_eq!(standin.counters().tokens_issued.count(), 0);
    let get = client.ask("GET", &format!("/{TENANT}/oauth2/v2.0/token"), "", "").await;
    assert_eq!(get.refusal(), (400, "invalid_request".into(), 900_561));
    let not_a_form = client
        .ask("POST", &format!("/{TENANT}/oauth2/v2.0/token"), "Content-Type: text/plain\r\n", "x")
        .await;
    assert_eq!(not_a_form.refusal().2, 900_144);
}

#[tokio::test]
async fn refresh_tokens_rotate_and_the_old_one_stays_valid() {
    let standin = Standin::start().await.unwrap();
    let first = standin.mint_refresh_token(PUBLIC_APP, ALICE);
    let answer = refresh(&standin, &first, OUTLOOK_IMAP).await;
    let claims = claims(&answer.token());
    assert_eq!((&claims["upn"], &claims["scp"]), (&json!(ALICE), &json!("IMAP.AccessAsUser.All")));
    let body = answer.json();
    assert_eq!(body["scope"], "https://outlook.office365.com/IMAP.AccessAsUser.All");
    let second = body["refresh_token"].as_str().unwrap();
    assert_ne!(second, first);
    for token in [&first, second] {
        refresh(&standin, token, OUTLOOK_IMAP).await.token();
    }
}

#[tokio::test]
async fn refresh_tokens_can_be_kept_or_left_out() {
    let standin = Standin::start().await.unwrap();
    let token = standin.mint_refresh_token(PUBLIC_APP, ALICE);
    let without_offline =
        refresh(&standin, &token, "https://outlook.office365.com/SMTP.Send").await;
    assert!(without_offline.json().get("refresh_token").is_none());
    standin.knobs().rotate_refresh_tokens = false;
    assert_eq!(
        refresh(&standin, &token, OUTLOOK_IMAP).await.json()["refresh_token"],
        token.as_str()
    );
    standin.knobs().include_refresh_token = false;
    assert!(refresh(&standin, &token, OUTLOOK_IMAP).await.json().get("refresh_token").is_none());
}

#[tokio::test]
async fn bad_refresh_tokens_are_invalid_grants() {
    let standin = Standin::start().await.unwrap();
    let token = standin.mint_refresh_token(PUBLIC_APP, ALICE);
    assert_eq!(
        refresh(&standin, "made-up", OUTLOOK_IMAP).await.refusal(),
        (400, "invalid_grant".into(), 70_000)
    );
    let others = [
        ("grant_type", "refresh_token"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("refresh_token", token.as_str()),
    ];
    assert_eq!(post(&standin, &others).await.refusal().2, 70_000);
    standin.revoke_refresh_tokens("ALICE@contoso.example");
    assert_eq!(
        refresh(&standin, &token, OUTLOOK_IMAP).await.refusal(),
        (400, "invalid_grant".into(), 50_173)
    );
    let signed_in_again = standin.mint_refresh_token(PUBLIC_APP, ALICE);
    refresh(&standin, &signed_in_again, OUTLOOK_IMAP).await.token();
}

#[tokio::test]
async fn the_password_grant_wants_the_password_of_the_mailbox() {
    let standin = Standin::start().await.unwrap();
    standin.tenant().mailbox_mut(ALICE).unwrap().password = Some("s3cret".into());
    let ask = async |password| {
        let fields = [
            ("grant_type", "password"),
            ("client_id", PUBLIC_APP),
            ("username", ALICE),
            ("password", password),
            ("scope", OUTLOOK_IMAP),
        ];
        post(&standin, &fields).await
    };
    assert_eq!(claims(&ask("s3cret").await.token())["upn"], ALICE);
    assert_eq!(ask("wrong").await.refusal(), (400, "invalid_grant".into(), 50_126));
}

#[tokio::test]
async fn the_look_of_a_token_can_be_turned() {
    let standin = Standin::start().await.unwrap();
    standin.knobs().token_padding = 4000;
    assert!(post(&standin, &app_only()).await.token().len() > 5000);
    {
        let mut knobs = standin.knobs();
        knobs.opaque_tokens = true;
        knobs.string_expires_in = true;
        knobs.token_lifetime = Some(Duration::from_secs(90));
    }
    let answer = post(&standin, &app_only()).await;
    assert!(!answer.token().contains('.'));
    assert_eq!(answer.json()["expires_in"], "90");
}

#[tokio::test]
async fn failures_strike_as_often_as_told() {
    let standin = Standin::start().await.unwrap();
    standin.knobs().authority_failure = Some(AuthorityFailure {
        status: 429,
        body: r#"{"error":"temporarily_unavailable"}"#.into(),
        retry_after: Some("7".into()),
        times: Some(2),
    });
    let mut client = Client::dial(&standin).await;
    for _ in 0..2 {
        let answer = client.post(TENANT, &app_only()).await;
        assert_eq!(answer.status, 429);
        assert!(answer.head.contains("retry-after: 7\r\n"), "{}", answer.head);
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
    }
    client.post(TENANT, &app_only()).await.token();
    standin.knobs().authority_aadsts = Some(50_076);
    assert_eq!(
        client.post(TENANT, &app_only()).await.refusal(),
        (400, "invalid_grant".into(), 50_076)
    );
    standin.knobs().authority_aadsts = Some(123_456);
    assert_eq!(client.post(TENANT, &app_only()).await.refusal().2, 123_456);
    standin.knobs().authority_aadsts = None;
    standin.knobs().authority_oversize = true;
    assert!(client.post(TENANT, &app_only()).await.body.len() > 256 << 10);
}

#[tokio::test]
async fn the_answer_can_be_late_or_never_come() {
    let standin = Standin::start().await.unwrap();
    let mut client = Client::dial(&standin).await;
    standin.knobs().authority_delay = Duration::from_millis(50);
    let asked = Instant::now();
    client.post(TENANT, &app_only()).await.token();
    assert!(asked.elapsed() >= Duration::from_millis(50));
    standin.knobs().authority_silent = true;
    let request = app_only();
    assert!(timeout(Duration::from_millis(100), client.post(TENANT, &request)).await.is_err());
    assert_eq!(standin.counters().token_requests.count(), 2);
}

#[tokio::test]
async fn tokens_can_be_looked_up() {
    let standin = Standin::start().await.unwrap();
    let person = standin.issue_token(Claims::user(PUBLIC_APP, ALICE, &["IMAP.AccessAsUser.All"]));
    let app = standin.issue_token(Claims::app(APP, &["IMAP.AccessAsApp"]));
    let mut client = Client::dial(&standin).await;

    let found = client.ask("POST", "/introspect", FORM, &form(&[("token", &person)])).await.json();
    assert_eq!((&found["active"], &found["username"]), (&json!(true), &json!(ALICE)));
    assert_eq!(found["scope"], "IMAP.AccessAsUser.All");
    assert!(found["exp"].is_u64());

    let path = format!("/tokeninfo?access_token={app}");
    assert!(client.ask("GET", &path, "", "").await.json().get("username").is_none());
    let named = client.ask("GET", &format!("{path}&user=bob@contoso.example"), "", "").await.json();
    assert_eq!(named["email"], "bob@contoso.example");

    standin.revoke_tokens();
    assert_eq!(client.ask("GET", &path, "", "").await.json(), json!({ "active": false }));
}

#[tokio::test]
async fn the_discovery_document_leads_to_the_token_endpoint() {
    let standin = Standin::start().await.unwrap();
    let path = format!("/{TENANT}/v2.0/.well-known/openid-configuration");
    let found = Client::dial(&standin).await.ask("GET", &path, "", "").await.json();
    assert_eq!(found["token_endpoint"], format!("https://localhost/{TENANT}/oauth2/v2.0/token"));
}

#[tokio::test]
async fn a_stopped_authority_comes_back_on_its_port() {
    let standin = Standin::start().await.unwrap();
    let address = standin.address(Service::Authority);
    let mut client = Client::dial(&standin).await;
    client.post(TENANT, &app_only()).await.token();

    standin.stop(Service::Authority).await;
    assert!(TcpStream::connect(address).await.is_err());
    assert!(matches!(client.0.read(&mut [0]).await, Ok(0) | Err(_)));

    standin.restart(Service::Authority).await.unwrap();
    post(&standin, &app_only()).await.token();
    assert_eq!(standin.address(Service::Authority), address);
}

#[tokio::test]
async fn the_certificate_names_the_real_hosts_too() {
    let standin = Standin::start().await.unwrap();
    for name in [
        "outlook.office365.com",
        "smtp.office365.com",
        "login.microsoftonline.com",
        "127.0.0.1",
        "::1",
    ] {
        let stream = TcpStream::connect(standin.imap()).await.unwrap();
        tls::wrap(&standin, name, stream).await;
    }
}
