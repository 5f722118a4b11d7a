use std::time::Duration;

use super::*;
use crate::oauth::{Credential, Request, Response};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const REDIRECT: &str = "http://localhost:53682";

fn application() -> Application {
    Application {
        token_endpoint: "https://login.example/token".to_owned(),
        client_id: "app".to_owned(),
        credential: Credential::None,
        authorization_endpoint: Some("https://login.example/authorize?brand=1".to_owned()),
        authorize: vec![("prompt".to_owned(), "consent".to_owned())],
        ..Application::default()
    }
}

fn begin() -> Box<dyn Exchange> {
    let asked = SignIn {
        scope: "one offline_access".to_owned(),
        consent: "one two offline_access".to_owned(),
        mailbox: "alice@contoso.example".to_owned(),
        redirect_uri: REDIRECT.to_owned(),
        entropy: Secret::new(std::array::from_fn(|at| at as u8)),
    };
    sign_in(&Arc::new(application()), &asked).unwrap()
}

fn shown(wish: Wish) -> Url {
    match wish {
        Wish::Show(Prompt::Browser { url }) => Url::parse(&url).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn posted(wish: Wish) -> Request {
    match wish {
        Wish::Post(request) => request,
        other => panic!("{other:?}"),
    }
}

fn field(url: &Url, name: &str) -> String {
    let mut values = url.query_pairs().filter(|(key, _)| key == name);
    let value = values.next().map(|(_, value)| value.into_owned()).unwrap_or_default();
    assert!(values.next().is_none(), "two {name}");
    value
}

fn redirected(place: &str) -> Option<Reply> {
    Some(Reply::Redirected(Secret::from(place)))
}

fn form(request: &Request, name: &str) -> String {
    let found = request.form.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.reveal().clone()).unwrap_or_default()
}

#[test]
fn the_person_is_sent_to_the_authority_with_all_that_it_wants() {
    let url = shown(begin().advance(NOW, None).unwrap());
    assert_eq!(url.host_str(), Some("login.example"));
    for (name, value) in [
        ("brand", "1"),
        ("client_id", "app"),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", "one two offline_access"),
        ("code_challenge_method", "S256"),
        ("login_hint", "alice@contoso.example"),
        ("prompt", "consent"),
    ] {
        assert_eq!(field(&url, name), value, "{name}");
    }
    assert_eq!(field(&url, "state").len(), 22);
}

#[test]
fn the_code_is_redeemed_with_the_key_whose_digest_was_shown() {
    let mut exchange = begin();
    let url = shown(exchange.advance(NOW, None).unwrap());
    let state = field(&url, "state");
    for place in [
        format!("{REDIRECT}/?code=the%20code&state={state}&session_state=1#fragment"),
        format!("/?state={state}&code=the+code"),
        format!(" code=the+code&state={state}\n"),
    ] {
        let mut exchange = begin();
        exchange.advance(NOW, None).unwrap();
        let request = posted(exchange.advance(NOW, redirected(&place)).unwrap());
        assert_eq!(request.url, "https://login.example/token");
        assert_eq!(form(&request, "grant_type"), "authorization_code");
        assert_eq!(form(&request, "code"), "the code");
        assert_eq!(form(&request, "redirect_uri"), REDIRECT);
        assert_eq!(form(&request, "scope"), "one offline_access");
        let verifier = form(&request, "code_verifier");
        assert!((43..=128).contains(&verifier.len()));
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        assert_eq!(digest, field(&url, "code_challenge"));
        let body = Secret::new(br#"{"access_token":"a","refresh_token":"r"}"#.to_vec());
        let response = Response { status: 200, retry_after: None, challenge: None, body };
        let granted = exchange.advance(NOW, Some(Reply::Http(response))).unwrap();
        assert!(matches!(granted, Wish::Granted(token) if token.refresh.is_some()));
    }
}

#[test]
fn what_is_not_the_answer_neither_ends_nor_fakes_the_sign_in() {
    let mut exchange = begin();
    let url = shown(exchange.advance(NOW, None).unwrap());
    let state = field(&url, "state");
    for stray in [
        "/favicon.ico".to_owned(),
        "/".to_owned(),
        String::new(),
        "/?code=stolen".to_owned(),
        "/?code=stolen&state=".to_owned(),
        "/?code=stolen&state=wrong".to_owned(),
        format!("/?code=stolen&state=wrong&state={state}"),
        "/?error=access_denied".to_owned(),
        "/?error=access_denied&state=wrong".to_owned(),
        format!("/?state={state}"),
        format!("/?state={state}&code="),
    ] {
        let again = shown(exchange.advance(NOW, redirected(&stray)).unwrap());
        assert_eq!(again, url, "{stray}");
    }
    let place = format!("/?code=good&state={state}");
    assert_eq!(form(&posted(exchange.advance(NOW, redirected(&place)).unwrap()), "code"), "good");
}

#[test]
fn the_authoritys_no_is_explained() {
    let mut exchange = begin();
    let url = shown(exchange.advance(NOW, None).unwrap());
    let place = format!(
        "/?error=access_denied&error_description=AADSTS65004%3a+Declined.&state={}",
        field(&url, "state")
    );
    let failure = exchange.advance(NOW, redirected(&place)).unwrap_err();
    assert_eq!(failure.class, Class::SignIn);
    assert_eq!(failure.words.unwrap().aadsts, Some(65004));
}

#[test]
fn a_provider_without_an_endpoint_for_it_is_named() {
    let application = Application { authorization_endpoint: None, ..application() };
    let asked = SignIn {
        scope: String::new(),
        consent: String::new(),
        mailbox: String::new(),
        redirect_uri: String::new(),
        entropy: Secret::new([0; 64]),
    };
    let failure = sign_in(&Arc::new(application), &asked).err().unwrap();
    assert_eq!(failure.class, Class::Configure);
    assert!(failure.advice.contains("authorization_endpoint"));
}

#[test]
fn no_secret_of_the_sign_in_is_printed() {
    let mut exchange = begin();
    let url = shown(exchange.advance(NOW + Duration::from_secs(1), None).unwrap());
    let place = format!("/?code=good&state={}", field(&url, "state"));
    let request = posted(exchange.advance(NOW, redirected(&place)).unwrap());
    let printed = format!("{request:?}");
    assert!(!printed.contains(&form(&request, "code_verifier")) && !printed.contains("good"));
}
