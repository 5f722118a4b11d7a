//! How applications prove themselves, and where: certificates, tokens of other issuers, clouds, account types, versions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "clients/http.rs"]
mod http;
#[path = "clients/signer.rs"]
mod signer;
#[path = "clients/tls.rs"]
mod tls;

use gatepost_standin::{Federated, NationalCloud, Standin};
use http::{Answer, Client, FORM, claims, form};
use serde_json::{Value, json};
use signer::{Signer, now};

const APP: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const SECRET: &str = "standin-secret-value";
const PUBLIC_APP: &str = "aaaaaaaa-0000-4000-8000-000000000002";
const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const ALICE: &str = "alice@contoso.example";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const ISSUER: &str = "https://token.actions.example";
const SUBJECT: &str = "repo:contoso/scanner:ref:refs/heads/main";
const EXCHANGE: &str = "api://AzureADTokenExchange";

fn assertion() -> Value {
    json!({
        "aud": format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"),
        "iss": APP,
        "sub": APP,
        "jti": "5f0a3c4e",
        "iat": now(),
        "nbf": now(),
        "exp": now() + 300,
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

async fn assert_with(client: &mut Client, app: &str, assertion: &str) -> Answer {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", app),
        ("scope", "https://outlook.office365.com/.default"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ];
    client.post(TENANT, &fields).await
}

async fn rig() -> (Standin, Client) {
    let standin = Standin::start().await.unwrap();
    let client = Client::dial(&standin).await;
    (standin, client)
}

#[tokio::test]
async fn a_certificate_signs_in_both_algorithms_under_both_thumbprints() {
    let (standin, mut client) = rig().await;
    let signer = Signer::new();
    for registered in [signer.certificate_pem.clone().into_bytes(), signer.certificate_der()] {
        standin.tenant().apps[0].certificates = vec![registered];
        for header in [signer.header("PS256"), signer.header("RS256"), signer.old_header("RS256")] {
            let jwt = signer.sign(&header, &assertion());
            let token = assert_with(&mut client, APP, &jwt).await.token();
            assert_eq!(claims(&token)["appid"], APP, "{header}");
        }
    }
    standin.tenant().apps[0].secrets.clear();
    let here =
        with(assertion(), "aud", json!(format!("https://localhost/{TENANT}/oauth2/v2.0/token")));
    let jwt = signer.sign(&signer.header("PS256"), &here);
    assert_eq!(claims(&assert_with(&mut client, APP, &jwt).await.token())["appidacr"], "2");
}

#[tokio::test]
async fn assertions_are_refused_with_entras_numbers() {
    let (standin, mut client) = rig().await;
    let (signer, stranger) = (Signer::new(), Signer::new());
    standin.tenant().apps[0].certificates = vec![signer.certificate_der()];
    let header = signer.header("PS256");
    let long_ago = with(assertion(), "exp", json!(now() - 3600));
    let not_yet = with(assertion(), "nbf", json!(now() + 3600));
    let without_jti = with(assertion(), "jti", Value::Null);
    let cases = [
        (stranger.sign(&stranger.header("PS256"), &assertion()), 700_027),
        (stranger.sign(&header, &assertion()), 700_027),
        (signer.sign(&json!({ "alg": "PS256" }), &assertion()), 700_027),
        (signer.sign(&with(header.clone(), "alg", json!("none")), &assertion()), 700_027),
        (signer.sign(&header, &long_ago), 700_024),
        (signer.sign(&header, &not_yet), 700_024),
        (signer.sign(&header, &with(assertion(), "exp", Value::Null)), 50_027),
        (signer.sign(&header, &without_jti), 50_027),
        (signer.sign(&header, &with(assertion(), "sub", json!(PUBLIC_APP))), 700_021),
        (signer.sign(&header, &with(assertion(), "iss", Value::Null)), 700_021),
        (signer.sign(&header, &with(assertion(), "aud", json!("https://elsewhere"))), 50_012),
        ("not a JWT".to_owned(), 50_027),
    ];
    for (jwt, number) in cases {
        let refusal = assert_with(&mut client, APP, &jwt).await.refusal();
        assert_eq!(refusal, (401, "invalid_client".into(), number), "{jwt}");
    }
    let jwt = signer.sign(&header, &assertion());
    assert_eq!(assert_with(&mut client, PUBLIC_APP, &jwt).await.refusal().2, 700_025);
    assert_eq!(standin.counters().tokens_issued.count(), 0);
}

#[tokio::test]
async fn the_authoritys_clock_decides_and_shows() {
    let (standin, mut client) = rig().await;
    let signer = Signer::new();
    standin.tenant().apps[0].certificates = vec![signer.certificate_der()];
    standin.knobs().authority_clock_skew = 7200;
    let jwt = signer.sign(&signer.header("PS256"), &assertion());
    let answer = assert_with(&mut client, APP, &jwt).await;
    assert_eq!(answer.refusal().2, 700_024);
    assert_eq!(answer.head.matches("date: ").count(), 1, "{}", answer.head);
    let skewed = answer.header("date").unwrap().to_owned();
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("scope", "https://outlook.office365.com/.default"),
    ];
    let issued = claims(&client.post(TENANT, &fields).await.token())["iat"].as_u64().unwrap();
    assert!(issued.abs_diff(now() + 7200) < 60, "{issued}");
    standin.knobs().authority_clock_skew = 0;
    assert_ne!(client.post(TENANT, &fields).await.header("date").unwrap(), skewed);
}

fn foreign() -> Value {
    json!({ "iss": ISSUER, "sub": SUBJECT, "aud": EXCHANGE, "exp": now() + 300, "iat": now() })
}

#[tokio::test]
async fn a_federated_token_matches_to_the_letter() {
    let (standin, mut client) = rig().await;
    let (issuer, stranger) = (Signer::new(), Signer::new());
    standin.tenant().apps[0].federated = vec![Federated {
        issuer: ISSUER.into(),
        subject: SUBJECT.into(),
        audience: EXCHANGE.into(),
        key: issuer.public_key_pem.clone().into_bytes(),
    }];
    let header = json!({ "alg": "RS256", "kid": "1" });
    let jwt = issuer.sign(&header, &foreign());
    assert_eq!(claims(&assert_with(&mut client, APP, &jwt).await.token())["appid"], APP);
    let slash = format!("{ISSUER}/");
    let cases = [
        (with(foreign(), "iss", json!(slash)), 700_211, "issuer", slash.as_str()),
        (with(foreign(), "aud", json!("other")), 700_212, "audience", "other"),
        (with(foreign(), "sub", json!("repo:x")), 700_213, "subject", "repo:x"),
    ];
    for (claims, number, what, presented) in cases {
        let answer = assert_with(&mut client, APP, &issuer.sign(&header, &claims)).await;
        assert_eq!(answer.refusal(), (401, "invalid_client".into(), number));
        let words = format!(
            "No matching federated identity record found for presented assertion {what} '{presented}'."
        );
        assert!(answer.json()["error_description"].as_str().unwrap().contains(&words));
    }
    let old = with(foreign(), "exp", json!(now() - 3600));
    let answer = assert_with(&mut client, APP, &issuer.sign(&header, &old)).await;
    assert_eq!(answer.refusal().2, 700_024);
    let forged = stranger.sign(&header, &foreign());
    assert_eq!(assert_with(&mut client, APP, &forged).await.refusal().2, 50_013);
    standin.knobs().federated_unsigned = true;
    assert_with(&mut client, APP, &forged).await.token();
}

fn ropc<'f>(username: &'f str, scope: &'f str) -> [(&'f str, &'f str); 5] {
    [
        ("grant_type", "password"),
        ("client_id", PUBLIC_APP),
        ("username", username),
        ("password", "s3cret"),
        ("scope", scope),
    ]
}

async fn version_1(client: &mut Client, fields: &[(&str, &str)]) -> Answer {
    client.ask("POST", &format!("/{TENANT}/oauth2/token"), FORM, &form(fields)).await
}

#[tokio::test]
async fn version_1_wants_a_resource_and_answers_in_strings() {
    let (standin, mut client) = rig().await;
    standin.tenant().mailbox_mut(ALICE).unwrap().password = Some("s3cret".into());
    let mut fields = ropc(ALICE, "");
    fields[4] = ("resource", "https://outlook.office365.com/");
    let answer = version_1(&mut client, &fields).await;
    assert_eq!(claims(&answer.token())["upn"], ALICE);
    let body = answer.json();
    assert_eq!(body["scope"], "IMAP.AccessAsUser.All POP.AccessAsUser.All SMTP.Send");
    for field in ["expires_in", "ext_expires_in", "expires_on", "not_before", "refresh_token"] {
        assert!(body[field].is_string(), "{field} in {body}");
    }
    assert_eq!(version_1(&mut client, &ropc(ALICE, "")).await.refusal().2, 900_144);
    assert_eq!(client.post(TENANT, &fields).await.refusal().2, 901_002);
    let app = [
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("resource", "https://outlook.office365.com"),
    ];
    assert_eq!(claims(&version_1(&mut client, &app).await.token())["idtyp"], "app");
}

#[tokio::test]
async fn a_tenant_answers_in_its_own_cloud_alone() {
    let (standin, mut client) = rig().await;
    standin.tenant().cloud = NationalCloud::China;
    standin.tenant().mailbox_mut(ALICE).unwrap().password = Some("s3cret".into());
    let china = form(&ropc(ALICE, "https://partner.outlook.cn/IMAP.AccessAsUser.All"));
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    let token = client.ask("POST", &format!("/china{path}"), FORM, &china).await.token();
    assert_eq!(claims(&token)["aud"], "https://partner.outlook.cn");
    for prefix in ["", "/us"] {
        let answer = client.ask("POST", &format!("{prefix}{path}"), FORM, &china).await;
        assert_eq!(answer.refusal().2, 90_038, "{prefix}");
    }
    let secret = form(&[
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("scope", "https://outlook.office365.com/.default"),
    ]);
    assert_eq!(client.ask("POST", &path, FORM, &secret).await.refusal().2, 900_382);
    let answer = client.ask("POST", &format!("/china{path}"), FORM, &secret).await;
    assert_eq!(answer.refusal().2, 500_011);
    let unknown = "/china/fabrikam.example/oauth2/v2.0/token";
    assert_eq!(client.ask("POST", unknown, FORM, &china).await.refusal().2, 90_002);
    let found = client
        .ask("GET", &format!("/china/{TENANT}/v2.0/.well-known/openid-configuration"), "", "")
        .await;
    let endpoint = format!("https://localhost/china{path}");
    assert_eq!(found.json()["token_endpoint"], endpoint);
    assert!(standin.authority_of(NationalCloud::China).ends_with("/china"));
}

#[tokio::test]
async fn personal_accounts_have_opaque_tokens_and_people_only() {
    let (standin, mut client) = rig().await;
    {
        let mut tenant = standin.tenant();
        let alice = tenant.mailbox_mut(ALICE).unwrap();
        alice.password = Some("s3cret".into());
        alice.personal = true;
    }
    let scope = "https://outlook.office.com/IMAP.AccessAsUser.All openid offline_access";
    let refresh = standin.mint_refresh_token(PUBLIC_APP, ALICE);
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", PUBLIC_APP),
        ("refresh_token", refresh.as_str()),
        ("scope", scope),
    ];
    for tenant in ["consumers", "common"] {
        let answer = client.post(tenant, &fields).await;
        assert!(answer.token().starts_with("EwB"), "{tenant}");
        let person = claims(answer.json()["id_token"].as_str().unwrap());
        assert_eq!(person["tid"], "9188040d-6c67-4c5b-b112-36a304b66dad");
        assert!(person.get("preferred_username").is_none());
    }
    for tenant in [TENANT, "organizations"] {
        assert_eq!(client.post(tenant, &fields).await.refusal().2, 50_020, "{tenant}");
    }
    let bob = standin.mint_refresh_token(PUBLIC_APP, "bob@contoso.example");
    let fields = [fields[0], fields[1], ("refresh_token", bob.as_str()), fields[3]];
    assert_eq!(client.post("consumers", &fields).await.refusal().2, 50_020);
    assert_eq!(client.post("consumers", &ropc(ALICE, scope)).await.refusal().2, 9_001_023);
    let app = [
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("scope", "https://outlook.office365.com/.default"),
    ];
    assert_eq!(client.post("consumers", &app).await.refusal().2, 50_059);
}

#[tokio::test]
async fn every_number_of_the_tables_comes_with_its_error() {
    let (standin, mut client) = rig().await;
    let cases = [
        (70_019, 400, "expired_token"),
        (50_072, 400, "interaction_required"),
        (90_006, 503, "temporarily_unavailable"),
        (50_088, 429, "temporarily_unavailable"),
        (700_030, 401, "invalid_client"),
        (50_055, 400, "invalid_grant"),
        (650_052, 400, "invalid_resource"),
        (1_002_012, 400, "invalid_scope"),
        (50_194, 400, "invalid_request"),
        (70_001, 400, "unauthorized_client"),
    ];
    for (number, status, error) in cases {
        standin.knobs().authority_aadsts = Some(number);
        let refusal = client.post(TENANT, &ropc(ALICE, "")).await.refusal();
        assert_eq!(refusal, (status, error.to_owned(), u64::from(number)));
    }
}
