//! People at the pages of the authority: authorization codes and device codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "clients/http.rs"]
mod http;
#[path = "clients/tls.rs"]
mod tls;

use std::collections::HashMap;
use std::time::Duration;

use gatepost_standin::Standin;
use http::{Answer, Client, FORM, claims, form};

const APP: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const SECRET: &str = "standin-secret-value";
const PUBLIC_APP: &str = "aaaaaaaa-0000-4000-8000-000000000002";
const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const ALICE: &str = "alice@contoso.example";
const PASSWORD: &str = "correct horse";
const SCOPE: &str =
    "https://outlook.office365.com/IMAP.AccessAsUser.All openid profile offline_access";
const BACK: &str = "http://localhost:53682";
/// The verifier and the challenge of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn rig() -> (Standin, Client) {
    let standin = Standin::start().await.unwrap();
    standin.tenant().mailbox_mut(ALICE).unwrap().password = Some(PASSWORD.into());
    let client = Client::dial(&standin).await;
    (standin, client)
}

type Fields = Vec<(&'static str, String)>;

fn with(mut fields: Fields, changes: &[(&'static str, &str)]) -> Fields {
    for (name, value) in changes {
        fields.retain(|(found, _)| found != name);
        if !value.is_empty() {
            fields.push((name, (*value).to_owned()));
        }
    }
    fields
}

fn encoded(fields: &Fields) -> String {
    form(&fields.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
}

fn request() -> Fields {
    [
        ("client_id", PUBLIC_APP),
        ("response_type", "code"),
        ("redirect_uri", BACK),
        ("response_mode", "query"),
        ("scope", SCOPE),
        ("state", "a state"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("login_hint", ALICE),
        ("nonce", "n-0S6"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

fn page(fields: &Fields) -> String {
    format!("/{TENANT}/oauth2/v2.0/authorize?{}", encoded(fields))
}

async fn press(client: &mut Client, fields: &Fields, password: &str, choice: &str) -> Answer {
    let body = form(&[("login", ALICE), ("passwd", password), ("choice", choice)]);
    client.ask("POST", &page(fields), FORM, &body).await
}

/// Where the browser is sent, and with which parameters.
fn landing(answer: &Answer) -> (String, HashMap<String, String>) {
    assert_eq!(answer.status, 302, "{}", answer.text());
    let location = answer.header("location").unwrap();
    let (address, query) = location.split_once('?').unwrap();
    let parameters = query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), decoded(value))
    });
    (address.to_owned(), parameters.collect())
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut octets = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        octets.push(u8::from_str_radix(&part[..2], 16).unwrap());
        octets.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(octets).unwrap()
}

async fn code(client: &mut Client, fields: &Fields) -> String {
    landing(&press(client, fields, PASSWORD, "sign_in").await).1["code"].clone()
}

fn redemption(code: &str) -> Fields {
    [
        ("grant_type", "authorization_code"),
        ("client_id", PUBLIC_APP),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
        ("scope", SCOPE),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

async fn redeem(client: &mut Client, fields: &Fields) -> Answer {
    client.ask("POST", &format!("/{TENANT}/oauth2/v2.0/token"), FORM, &encoded(fields)).await
}

#[tokio::test]
async fn the_page_is_a_form_that_names_the_application_and_the_account() {
    let (standin, mut client) = rig().await;
    let answer = client.ask("GET", &page(&request()), "", "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("text/html"));
    let page = answer.text();
    for part in [
        "<form method=\"post\">",
        PUBLIC_APP,
        &format!("name=\"login\" type=\"email\" value=\"{ALICE}\""),
        "name=\"passwd\" type=\"password\"",
        "name=\"choice\" value=\"sign_in\"",
        "name=\"choice\" value=\"cancel\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("<script"));
    assert_eq!(standin.counters().authorize_requests.count(), 1);
}

#[tokio::test]
async fn a_sign_in_leads_back_with_a_code_that_is_good_once() {
    let (standin, mut client) = rig().await;
    let (address, found) = landing(&press(&mut client, &request(), PASSWORD, "sign_in").await);
    assert_eq!((address.as_str(), found["state"].as_str()), ("http://localhost:53682/", "a state"));
    let fields = redemption(&found["code"]);
    let answer = redeem(&mut client, &fields).await;
    assert_eq!(claims(&answer.token())["upn"], ALICE);
    let body = answer.json();
    assert_eq!(body["scope"], "https://outlook.office365.com/IMAP.AccessAsUser.All");
    let person = claims(body["id_token"].as_str().unwrap());
    assert_eq!((&person["preferred_username"], &person["nonce"]), (&ALICE.into(), &"n-0S6".into()));
    assert_eq!(person["aud"], PUBLIC_APP);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", PUBLIC_APP),
        ("refresh_token", body["refresh_token"].as_str().unwrap()),
    ];
    client.post(TENANT, &refresh).await.token();

    let again = redeem(&mut client, &fields).await;
    assert_eq!(again.refusal(), (400, "invalid_grant".into(), 54_005));
    let counters = standin.counters();
    assert_eq!((counters.sign_ins.count(), counters.authorization_code_requests.count()), (1, 2));
}

#[tokio::test]
async fn a_wrong_password_stays_on_the_page() {
    let (standin, mut client) = rig().await;
    let answer = press(&mut client, &request(), "wrong", "sign_in").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("Your account or password is incorrect."));
    standin.tenant().mailbox_mut(ALICE).unwrap().password = None;
    assert_eq!(press(&mut client, &request(), "", "sign_in").await.status, 200);
    assert_eq!(standin.counters().sign_ins.count(), 0);
}

#[tokio::test]
async fn an_account_of_another_kind_is_told_so() {
    let (standin, mut client) = rig().await;
    let body = form(&[("login", ALICE), ("passwd", PASSWORD), ("choice", "sign_in")]);
    let consumers = page(&request()).replace(TENANT, "consumers");
    let shown = client.ask("POST", &consumers, FORM, &body).await.text();
    assert!(shown.contains("AADSTS50020: "), "{shown}");
    standin.tenant().mailbox_mut(ALICE).unwrap().personal = true;
    assert_eq!(client.ask("POST", &consumers, FORM, &body).await.status, 302);
    let shown = client.ask("POST", &page(&request()), FORM, &body).await.text();
    assert!(shown.contains("AADSTS50020: "), "{shown}");
}

#[tokio::test]
async fn a_person_may_decline() {
    let (_standin, mut client) = rig().await;
    let (_, found) = landing(&press(&mut client, &request(), "", "cancel").await);
    assert_eq!((found["error"].as_str(), found["state"].as_str()), ("access_denied", "a state"));
    assert!(found["error_description"].starts_with("AADSTS65004: "));
}

#[tokio::test]
async fn mistakes_that_could_lead_astray_stay_on_a_page() {
    let (_standin, mut client) = rig().await;
    let cases = [
        ("client_id", "nobody", "AADSTS700016"),
        ("redirect_uri", "http://localhost:53682/elsewhere", "AADSTS50011"),
        ("redirect_uri", "http://[::1]:53682", "AADSTS50011"),
        ("redirect_uri", "https://evil.example/", "AADSTS50011"),
        ("redirect_uri", "", "AADSTS900144"),
    ];
    for (name, value, code) in cases {
        let answer = client.ask("GET", &page(&with(request(), &[(name, value)])), "", "").await;
        assert_eq!((answer.status, answer.header("location")), (400, None), "{name}={value}");
        assert!(answer.text().contains(code), "{code} in {}", answer.text());
    }
    let path = page(&request()).replace(TENANT, "fabrikam.example");
    assert!(client.ask("GET", &path, "", "").await.text().contains("AADSTS90002"));
    let script = with(request(), &[("login_hint", "\"><script>")]);
    assert!(!client.ask("GET", &page(&script), "", "").await.text().contains("<script>"));
}

#[tokio::test]
async fn the_application_is_told_of_its_other_mistakes() {
    let (_standin, mut client) = rig().await;
    let cases = [
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "form_post", "unsupported_response_mode"),
        ("scope", "", "invalid_request"),
        ("scope", "https://outlook.example/IMAP.AccessAsUser.All", "invalid_resource"),
        ("code_challenge", "short", "invalid_grant"),
        ("code_challenge_method", "S512", "invalid_request"),
        ("prompt", "none", "login_required"),
    ];
    for (name, value, error) in cases {
        let answer = client.ask("GET", &page(&with(request(), &[(name, value)])), "", "").await;
        let (_, found) = landing(&answer);
        assert_eq!(
            (found["error"].as_str(), found["state"].as_str()),
            (error, "a state"),
            "{name}"
        );
    }
    let tolerated = with(request(), &[("prompt", "select_account")]);
    assert_eq!(client.ask("GET", &page(&tolerated), "", "").await.status, 200);
}

#[tokio::test]
async fn redemption_is_refused_without_burning_the_code() {
    let (_standin, mut client) = rig().await;
    let code = code(&mut client, &request()).await;
    let other = "x".repeat(43);
    let two = "https://outlook.office365.com/SMTP.Send https://graph.microsoft.com/Mail.Send";
    let cases: [(&[(&'static str, &str)], _); 9] = [
        (&[("code_verifier", &other)], (400, "invalid_grant", 501_481)),
        (&[("code_verifier", "")], (400, "invalid_grant", 501_481)),
        (&[("code_verifier", "short")], (400, "invalid_grant", 501_491)),
        (&[("redirect_uri", "http://localhost:53682/")], (401, "invalid_client", 500_112)),
        (&[("scope", two)], (400, "invalid_request", 28_000)),
        (&[("client_secret", "x")], (401, "invalid_client", 700_025)),
        (&[("client_id", APP)], (401, "invalid_client", 7_000_218)),
        (&[("client_id", APP), ("client_secret", SECRET)], (400, "invalid_grant", 700_005)),
        (&[("code", "made-up")], (400, "invalid_grant", 70_000)),
    ];
    for (changes, (status, error, number)) in cases {
        let answer = redeem(&mut client, &with(redemption(&code), changes)).await;
        assert_eq!(answer.refusal(), (status, error.to_owned(), number), "{changes:?}");
    }
    redeem(&mut client, &redemption(&code)).await.token();
}

#[tokio::test]
async fn one_consent_serves_several_resources_a_token_at_a_time() {
    let (_standin, mut client) = rig().await;
    let both =
        "https://outlook.office.com/SMTP.Send https://graph.microsoft.com/Mail.Send offline_access";
    let code = code(&mut client, &with(request(), &[("scope", both)])).await;
    let mail = "https://outlook.office.com/SMTP.Send offline_access";
    let answer = redeem(&mut client, &with(redemption(&code), &[("scope", mail)])).await;
    assert_eq!(claims(&answer.token())["aud"], "https://outlook.office.com");
    let body = answer.json();
    assert!(body.get("id_token").is_none());
    let graph = [
        ("grant_type", "refresh_token"),
        ("client_id", PUBLIC_APP),
        ("refresh_token", body["refresh_token"].as_str().unwrap()),
        ("scope", "https://graph.microsoft.com/Mail.Send"),
    ];
    let token = client.post(TENANT, &graph).await.token();
    assert_eq!(claims(&token)["aud"], "https://graph.microsoft.com");
}

#[tokio::test]
async fn a_confidential_application_proves_itself_at_redemption() {
    let (_standin, mut client) = rig().await;
    let asked = with(request(), &[("client_id", APP), ("code_challenge", "")]);
    let code = code(&mut client, &asked).await;
    let changes =
        [("client_id", APP), ("client_secret", SECRET), ("code_verifier", ""), ("scope", "")];
    redeem(&mut client, &with(redemption(&code), &changes)).await.token();
}

#[tokio::test]
async fn codes_expire() {
    let (standin, mut client) = rig().await;
    standin.knobs().authorization_code_lifetime = Duration::ZERO;
    let code = code(&mut client, &request()).await;
    let answer = redeem(&mut client, &redemption(&code)).await;
    assert_eq!(answer.refusal(), (400, "invalid_grant".into(), 70_008));
}

async fn device(client: &mut Client) -> serde_json::Value {
    let body = form(&[("client_id", PUBLIC_APP), ("scope", SCOPE)]);
    let path = format!("/{TENANT}/oauth2/v2.0/devicecode");
    let answer = client.ask("POST", &path, FORM, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn poll(client: &mut Client, device: &serde_json::Value) -> Answer {
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", PUBLIC_APP),
        ("device_code", device["device_code"].as_str().unwrap()),
    ];
    client.post(TENANT, &fields).await
}

#[tokio::test]
async fn a_device_waits_until_somebody_signs_in_on_the_page() {
    let (standin, mut client) = rig().await;
    let device = device(&mut client).await;
    assert_eq!(device["verification_uri"], "https://localhost/device");
    assert_eq!((&device["interval"], &device["expires_in"]), (&5.into(), &900.into()));
    let user_code = device["user_code"].as_str().unwrap();
    assert!(device["message"].as_str().unwrap().contains(user_code));
    let pending = poll(&mut client, &device).await.refusal();
    assert_eq!(pending, (400, "authorization_pending".into(), 70_016));

    let shown = client.ask("GET", &format!("/device?user_code={user_code}"), "", "").await.text();
    assert!(shown.contains(&format!("name=\"user_code\" value=\"{user_code}\"")), "{shown}");
    let typed = user_code.to_lowercase();
    let attempt = |code, password| {
        form(&[("user_code", code), ("login", ALICE), ("passwd", password), ("choice", "approve")])
    };
    for (body, words) in [
        (attempt("WRONG", PASSWORD), "That code didn’t work."),
        (attempt(&typed, "wrong"), "Your account or password is incorrect."),
        (attempt(&typed, PASSWORD), "You have signed in"),
    ] {
        let page = client.ask("POST", "/device", FORM, &body).await.text();
        assert!(page.contains(words), "{words} in {page}");
    }
    let answer = poll(&mut client, &device).await;
    assert_eq!(claims(&answer.token())["upn"], ALICE);
    assert!(answer.json()["refresh_token"].is_string());
    assert_eq!(poll(&mut client, &device).await.refusal().2, 54_005);
    assert_eq!(standin.counters().device_code_requests.count(), 3);
    assert_eq!(standin.counters().device_codes_issued.count(), 1);
}

#[tokio::test]
async fn a_declined_device_is_told_in_either_spelling() {
    let (standin, mut client) = rig().await;
    let first = device(&mut client).await;
    let body = form(&[("user_code", first["user_code"].as_str().unwrap()), ("choice", "decline")]);
    assert!(client.ask("POST", "/device", FORM, &body).await.text().contains("You have declined"));
    assert_eq!(poll(&mut client, &first).await.refusal().1, "authorization_declined");
    standin.knobs().device_code_rfc_errors = true;
    let second = device(&mut client).await;
    assert!(standin.decline_device(second["user_code"].as_str().unwrap()));
    assert_eq!(poll(&mut client, &second).await.refusal().1, "access_denied");
}

#[tokio::test]
async fn a_device_may_be_slowed_down_and_runs_out_of_time() {
    let (standin, mut client) = rig().await;
    standin.knobs().device_code_slow_downs = 1;
    standin.knobs().device_code_interval = Duration::from_secs(1);
    let device_1 = device(&mut client).await;
    assert_eq!(device_1["interval"], 1);
    assert_eq!(poll(&mut client, &device_1).await.refusal().1, "slow_down");
    assert_eq!(poll(&mut client, &device_1).await.refusal().1, "authorization_pending");
    assert!(standin.approve_device(device_1["user_code"].as_str().unwrap(), ALICE));
    poll(&mut client, &device_1).await.token();

    standin.knobs().device_code_lifetime = Duration::ZERO;
    let device_2 = device(&mut client).await;
    assert!(!standin.approve_device(device_2["user_code"].as_str().unwrap(), ALICE));
    assert_eq!(poll(&mut client, &device_2).await.refusal(), (400, "expired_token".into(), 70_019));
    let made_up = serde_json::json!({ "device_code": "made-up" });
    assert_eq!(poll(&mut client, &made_up).await.refusal().1, "bad_verification_code");
}
