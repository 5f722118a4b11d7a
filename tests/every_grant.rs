//! The same questions for every grant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use gatepost::oauth::{
    Application, Ask, Class, Exchange, Failure, GRANTS, Grant, Need, Reply, Request, Wish,
};
use gatepost::secret::Secret;
use proptest::prelude::*;

const ENDPOINT: &str = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token";
const SECRETS: [&str; 2] = ["client-secret-value", "refresh-token-value"];

fn application() -> Application {
    Application {
        token_endpoint: ENDPOINT.to_owned(),
        client_id: "the-app".to_owned(),
        client_secret: Some(Secret::from(SECRETS[0])),
    }
}

fn ask() -> Ask {
    Ask { scope: "the scope".to_owned(), refresh_token: Some(Secret::from(SECRETS[1])) }
}

fn begin(grant: &Grant) -> Box<dyn Exchange> {
    (grant.begin)(&application(), &ask()).unwrap()
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn first(exchange: &mut dyn Exchange) -> Request {
    match exchange.advance(now(), None).unwrap() {
        Wish::Post(request) => request,
        Wish::Granted(_) => panic!("granted out of nothing"),
    }
}

fn answered(grant: &Grant, status: u16, body: &[u8]) -> Result<Wish, Failure> {
    let mut exchange = begin(grant);
    first(&mut *exchange);
    let reply = Reply { status, retry_after: None, body: Secret::new(body.to_vec()) };
    exchange.advance(now(), Some(&reply))
}

#[test]
fn a_grant_is_found_by_its_name_and_names_are_unique() {
    let names: HashSet<_> = GRANTS.iter().map(|grant| grant.name).collect();
    assert_eq!(names.len(), GRANTS.len());
    for grant in GRANTS {
        assert_eq!(Grant::named(grant.name), Some(grant));
    }
    assert_eq!(Grant::named("implicit"), None);
}

#[test]
fn the_first_wish_is_a_post_to_the_token_endpoint() {
    for grant in GRANTS {
        let request = first(&mut *begin(grant));
        assert_eq!(request.url, ENDPOINT);
        let field = |name| {
            let mut fields = request.form.iter().filter(|(field, _)| *field == name);
            let value = fields.next().map(|(_, value)| value.reveal().as_str());
            assert!(fields.next().is_none(), "{}: two {name}", grant.name);
            value
        };
        assert_eq!(field("grant_type"), Some(grant.name));
        assert_eq!(field("client_id"), Some("the-app"));
        assert_eq!(field("client_secret"), Some(SECRETS[0]));
        assert_eq!(field("scope"), Some("the scope"));
    }
}

#[test]
fn a_public_client_sends_no_secret_or_is_told_that_it_needs_one() {
    let public = Application { client_secret: None, ..application() };
    for grant in GRANTS {
        match (grant.begin)(&public, &ask()) {
            Ok(mut exchange) => {
                assert_eq!(grant.client_secret, Need::Optional, "{}", grant.name);
                let request = first(&mut *exchange);
                assert!(request.form.iter().all(|(name, _)| *name != "client_secret"));
            }
            Err(failure) => {
                assert_eq!(grant.client_secret, Need::Required, "{}", grant.name);
                assert_eq!(failure.class, Class::Configure);
            }
        }
    }
}

#[test]
fn a_good_reply_grants_its_token() {
    for grant in GRANTS {
        let body = br#"{"token_type":"Bearer","expires_in":3599,"access_token":"eyJ0"}"#;
        let Ok(Wish::Granted(token)) = answered(grant, 200, body) else { panic!("{}", grant.name) };
        assert_eq!(token.access.reveal(), "eyJ0");
        assert_eq!(token.expires_at, now() + Duration::from_secs(3599));
    }
}

#[test]
fn trouble_at_the_authority_is_worth_another_try() {
    for grant in GRANTS {
        for status in [429, 500, 502, 503, 504] {
            for body in [&b""[..], b"<html>", br#"{"error":"invalid_grant"}"#] {
                let failure = answered(grant, status, body).unwrap_err();
                assert_eq!(failure.class, Class::Retry, "{} {status}", grant.name);
                assert!(!failure.ends_refresh_token());
            }
        }
    }
}

#[test]
fn a_no_of_the_authority_ends_the_exchange() {
    for grant in GRANTS {
        for (body, class) in [
            (r#"{"error":"invalid_client"}"#, Class::Configure),
            (r#"{"error":"invalid_grant","error_codes":[700082]}"#, Class::SignIn),
            (r#"{"error":"invalid_grant","error_codes":[53003]}"#, Class::Policy),
        ] {
            let failure = answered(grant, 400, body.as_bytes()).unwrap_err();
            assert_eq!(failure.class, class, "{} {body}", grant.name);
        }
    }
}

#[test]
fn nothing_printed_holds_a_secret_not_even_one_that_the_authority_quotes() {
    let quotes = SECRETS.join(" ");
    let body = format!(
        r#"{{"error":"{quotes}","error_description":"{quotes}","correlation_id":"{quotes}"}}"#
    );
    for grant in GRANTS {
        let request = first(&mut *begin(grant));
        let told: Vec<_> = request.form.iter().map(|(_, value)| value.reveal().clone()).collect();
        let granted = answered(grant, 200, br#"{"access_token":"eyJ0","refresh_token":"OAQ"}"#);
        let failure = answered(grant, 400, body.as_bytes()).unwrap_err();
        let refusal = failure.refusal("alice@contoso.example");
        let printed =
            format!("{request:?} {granted:?} {failure:?} {failure} {refusal:?} {:?}", ask());
        for secret in SECRETS.iter().filter(|secret| told.iter().any(|value| value == *secret)) {
            assert!(!failure.to_string().contains(secret), "{}: {failure}", grant.name);
            assert!(!printed.contains(secret), "{}: {printed}", grant.name);
        }
        for secret in ["eyJ0", "OAQ"] {
            assert!(!printed.contains(secret), "{}: {printed}", grant.name);
        }
    }
}

proptest! {
    #[test]
    fn garbage_neither_panics_nor_grants(status in any::<u16>(), body in any::<Vec<u8>>()) {
        for grant in GRANTS {
            prop_assert!(!matches!(answered(grant, status, &body), Ok(Wish::Granted(_))));
        }
    }
}
