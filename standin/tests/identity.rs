//! The endpoints of managed identities, over plain HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "clients/http.rs"]
mod http;
#[path = "clients/tls.rs"]
mod tls;

use gatepost_standin::{AuthorityFailure, Service, Standin};
use http::{Answer, Client, claims, form};
use tokio::io::BufReader;
use tokio::net::TcpStream;

const IDENTITY: &str = "aaaaaaaa-0000-4000-8000-000000000003";
const RESOURCE: &str = "https://outlook.office365.com";
const METADATA: &str = "Metadata: true\r\n";

/// Asks an endpoint with these parameters beside version and resource.
async fn ask(
    standin: &Standin,
    endpoint: &str,
    headers: &str,
    parameters: &[(&str, &str)],
) -> Answer {
    let address = standin.address(Service::Imds);
    let stream = TcpStream::connect(address).await.unwrap();
    let path = endpoint.strip_prefix(&format!("http://{address}")).unwrap();
    let query = form(&[&[("api-version", "2018-02-01")], parameters].concat());
    Client(BufReader::new(stream)).ask("GET", &format!("{path}?{query}"), headers, "").await
}

#[tokio::test]
async fn imds_answers_with_every_number_as_a_string() {
    let standin = Standin::start().await.unwrap();
    let answer = ask(&standin, &standin.imds(), METADATA, &[("resource", RESOURCE)]).await;
    let claims = claims(&answer.token());
    assert_eq!((&claims["appid"], &claims["aud"]), (&IDENTITY.into(), &RESOURCE.into()));
    let body = answer.json();
    for field in ["expires_in", "ext_expires_in", "expires_on", "not_before"] {
        assert!(body[field].as_str().unwrap().parse::<u64>().is_ok(), "{field} in {body}");
    }
    assert_eq!((&body["refresh_token"], &body["client_id"]), (&"".into(), &IDENTITY.into()));
    assert_eq!(standin.counters().identity_requests.count(), 1);
}

#[tokio::test]
async fn an_identity_is_selected_by_any_of_its_names() {
    let standin = Standin::start().await.unwrap();
    let (object_id, resource_id) = {
        let tenant = standin.tenant();
        let app = tenant.app(IDENTITY).unwrap();
        (app.object_id.clone(), app.managed_identity.clone().unwrap())
    };
    let resource = ("resource", RESOURCE);
    for selection in [
        ("client_id", IDENTITY),
        ("object_id", &object_id),
        ("msi_res_id", &resource_id),
        ("mi_res_id", &resource_id),
    ] {
        ask(&standin, &standin.imds(), METADATA, &[resource, selection]).await.token();
        let other = (selection.0, "other");
        let answer = ask(&standin, &standin.imds(), METADATA, &[resource, other]).await;
        assert_eq!(
            (answer.status, &answer.json()["error_description"]),
            (400, &"Identity not found".into())
        );
    }
}

#[tokio::test]
async fn imds_refuses_what_could_come_from_outside() {
    let standin = Standin::start().await.unwrap();
    let resource = [("resource", RESOURCE)];
    let forwarded = format!("{METADATA}X-Forwarded-For: 10.0.0.1\r\n");
    for headers in ["", "Metadata: false\r\n", &forwarded] {
        let answer = ask(&standin, &standin.imds(), headers, &resource).await;
        assert_eq!((answer.status, &answer.json()["error"]), (400, &"bad_request_102".into()));
    }
    let answer = ask(&standin, &standin.imds(), METADATA, &[]).await;
    assert_eq!((answer.status, &answer.json()["error"]), (400, &"invalid_request".into()));
    let elsewhere = [("resource", "https://outlook.example")];
    let answer = ask(&standin, &standin.imds(), METADATA, &elsewhere).await;
    assert_eq!((answer.status, &answer.json()["error"]), (400, &"invalid_resource".into()));
    assert_eq!(standin.counters().tokens_issued.count(), 0);
}

#[tokio::test]
async fn failures_strike_as_often_as_told() {
    let standin = Standin::start().await.unwrap();
    for status in [404, 410, 429, 500] {
        standin.knobs().identity_failure = Some(AuthorityFailure {
            status,
            body: "{}".into(),
            retry_after: Some("1".into()),
            times: Some(1),
        });
        let resource = [("resource", RESOURCE)];
        let answer = ask(&standin, &standin.imds(), METADATA, &resource).await;
        assert_eq!((answer.status, answer.header("retry-after")), (status, Some("1")));
        ask(&standin, &standin.imds(), METADATA, &resource).await.token();
    }
}

#[tokio::test]
async fn app_service_wants_its_own_header() {
    let standin = Standin::start().await.unwrap();
    let (endpoint, secret) = standin.app_service();
    let resource = [("resource", RESOURCE)];
    for headers in [METADATA, "X-IDENTITY-HEADER: wrong\r\n"] {
        assert_eq!(ask(&standin, &endpoint, headers, &resource).await.status, 401);
    }
    let headers = format!("X-IDENTITY-HEADER: {secret}\r\n");
    ask(&standin, &endpoint, &headers, &resource).await.token();
}

#[tokio::test]
async fn arc_wants_the_content_of_a_file() {
    let standin = Standin::start().await.unwrap();
    let resource = [("resource", RESOURCE)];
    assert_eq!(ask(&standin, &standin.arc(), METADATA, &resource).await.status, 404);
    let file = std::env::temp_dir().join(format!("standin-{}.key", std::process::id()));
    standin.knobs().arc_key_file = Some(file.clone());

    let challenge = ask(&standin, &standin.arc(), METADATA, &resource).await;
    let realm = format!("Basic realm={}", file.display());
    assert_eq!((challenge.status, challenge.header("www-authenticate")), (401, Some(&*realm)));
    let key = std::fs::read_to_string(&file).unwrap();
    let headers = format!("{METADATA}Authorization: Basic {key}\r\n");
    ask(&standin, &standin.arc(), &headers, &resource).await.token();
    let headers = format!("{METADATA}Authorization: Basic wrong\r\n");
    assert_eq!(ask(&standin, &standin.arc(), &headers, &resource).await.status, 401);
    std::fs::remove_file(file).unwrap();
}
