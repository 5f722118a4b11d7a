use proptest::prelude::*;

use super::*;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn response(status: u16, body: &[u8]) -> Response {
    let body = Secret::new(body.to_vec());
    Response { status, retry_after: None, challenge: None, body }
}

fn judged(response: &Response) -> Result<Token, Failure> {
    judge(NOW, response, &[("client_secret", Secret::from("hunter2"))])
}

fn outcome(status: u16, body: &str) -> Result<Token, Failure> {
    judged(&response(status, body.as_bytes()))
}

fn seconds(expires_in: &str) -> u64 {
    let body = format!(r#"{{"access_token":"a"{expires_in}}}"#);
    outcome(200, &body).unwrap().expires_at.duration_since(NOW).unwrap().as_secs()
}

#[test]
fn a_grant_of_entra_is_read() {
    let token = outcome(
        200,
        r#"{"token_type":"Bearer","scope":"https://outlook.office365.com/SMTP.Send",
            "expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ0","refresh_token":"OAQ"}"#,
    )
    .unwrap();
    assert_eq!(token.access.reveal(), "eyJ0");
    assert_eq!(token.refresh.unwrap().reveal(), "OAQ");
    assert_eq!(token.scope.unwrap(), "https://outlook.office365.com/SMTP.Send");
    assert_eq!(token.expires_at, NOW + Duration::from_secs(3599));
}

#[test]
fn the_life_may_be_a_number_a_string_or_untold() {
    assert_eq!(seconds(r#","expires_in":3599"#), 3599);
    assert_eq!(seconds(r#","expires_in":"3599""#), 3599);
    assert_eq!(seconds(r#","expires_in":3599.5"#), 3599);
    for untold in ["", r#","expires_in":null"#, r#","expires_in":"soon""#, r#","expires_in":"NaN""#]
    {
        assert_eq!(seconds(untold), UNTOLD_LIFE.as_secs(), "{untold}");
    }
}

#[test]
fn an_absurd_life_is_bounded() {
    assert_eq!(seconds(r#","expires_in":-5"#), 1);
    assert_eq!(seconds(r#","expires_in":0"#), 1);
    assert_eq!(seconds(r#","expires_in":1e300"#), LONGEST_LIFE.as_secs());
    assert_eq!(seconds(r#","expires_in":"99999999999999999999""#), LONGEST_LIFE.as_secs());
}

#[test]
fn what_could_not_be_shown_to_an_upstream_is_no_token() {
    for body in [
        r#"{"access_token":""}"#,
        r#"{"access_token":"a\u0001auth=Bearer b"}"#,
        r#"{"access_token":"a b"}"#,
        r#"{"access_token":"ä"}"#,
        r#"{"access_token":5}"#,
        r#"{"access_token":"a","token_type":"mac"}"#,
        r#"{"token_type":"Bearer"}"#,
        "[]",
        "",
        "<html>Welcome to the hotel</html>",
    ] {
        assert_eq!(outcome(200, body).unwrap_err().class, Class::Retry, "{body}");
    }
}

#[test]
fn an_empty_refresh_token_is_none() {
    let token = outcome(200, r#"{"access_token":"a","refresh_token":""}"#).unwrap();
    assert!(token.refresh.is_none());
}

#[test]
fn a_refresh_token_may_hold_what_an_access_token_may_not() {
    let token = outcome(200, r#"{"access_token":"a","refresh_token":"b c"}"#).unwrap();
    assert_eq!(token.refresh.unwrap().reveal(), "b c");
}

#[test]
fn a_token_in_a_reply_that_is_no_success_is_none() {
    for status in [100, 199, 300, 302, 400, 401, 500] {
        outcome(status, r#"{"access_token":"a"}"#).unwrap_err();
    }
}

#[test]
fn an_error_of_entra_is_read() {
    let failure = outcome(
        400,
        r#"{"error":"invalid_grant","error_description":"AADSTS700082: Idle.\r\nTrace ID: t",
            "error_codes":[700082],"trace_id":"t","correlation_id":"c","suberror":"x"}"#,
    )
    .unwrap_err();
    assert_eq!(failure.class, Class::SignIn);
    let words = failure.words.unwrap();
    assert_eq!(words.error, "invalid_grant");
    assert_eq!(words.aadsts, Some(700_082));
    assert_eq!(words.description, "Idle.");
    assert_eq!(words.correlation.as_deref(), Some("c"));
}

#[test]
fn the_number_is_taken_from_the_description_where_the_list_lacks() {
    for codes in ["", r#","error_codes":[]"#, r#","error_codes":"x""#, r#","error_codes":[-1]"#] {
        let body =
            format!(r#"{{"error":"e","error_description":"AADSTS7000222: Expired."{codes}}}"#);
        let words = outcome(401, &body).unwrap_err().words.unwrap();
        assert_eq!(words.aadsts, Some(7_000_222), "{codes}");
    }
}

#[test]
fn an_error_wins_over_a_token_beside_it() {
    let body = r#"{"error":"invalid_grant","access_token":"a"}"#;
    assert_eq!(outcome(200, body).unwrap_err().class, Class::SignIn);
}

#[test]
fn a_status_of_trouble_makes_any_error_transient() {
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        for body in [r#"{"error":"invalid_grant"}"#, r#"{"error":"invalid_client"}"#, "<html>", ""]
        {
            let failure = outcome(status, body).unwrap_err();
            assert_eq!(failure.class, Class::Retry, "{status} {body}");
            assert!(!failure.ends_refresh_token());
        }
    }
}

#[test]
fn a_page_in_place_of_a_reply_says_where_to_look() {
    let advice = |status| outcome(status, "<html>").unwrap_err().advice;
    assert!(advice(407).contains("proxy"));
    assert!(advice(404).contains("token endpoint"));
    assert!(advice(302).contains("captive portal"));
}

#[test]
fn retry_after_takes_seconds_and_fractions_and_no_more_than_an_hour() {
    assert_eq!(pause("120"), Some(Duration::from_secs(120)));
    assert_eq!(pause(" 2.128 "), Some(Duration::from_secs_f64(2.128)));
    assert_eq!(pause("0"), Some(Duration::from_secs(1)));
    assert_eq!(pause("1e12"), Some(LONGEST_PAUSE));
    for none in ["", "-1", "NaN", "inf", "Wed, 21 Oct 2026 07:28:00 GMT"] {
        assert_eq!(pause(none), None, "{none}");
    }
}

#[test]
fn a_secret_that_the_authority_quotes_is_hidden_even_where_the_quote_is_cut() {
    let long = "x".repeat(295);
    let body = format!(r#"{{"error":"hunter2","error_description":"{long} hunter2"}}"#);
    let failure = outcome(400, &body).unwrap_err();
    assert!(!format!("{failure} {failure:?}").contains("hunt"), "{failure:?}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        status in any::<u16>(),
        retry_after in any::<Option<String>>(),
        body in any::<Vec<u8>>(),
    ) {
        let _ = judged(&Response { retry_after, ..response(status, &body) });
    }

    #[test]
    fn no_field_values_make_it_panic_or_grant_beyond_the_bounds(
        status in any::<u16>(),
        retry_after in any::<f64>(),
        token in "\\PC*",
        expires_in in prop_oneof![
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ],
        codes in any::<Vec<i64>>(),
        error in any::<Option<String>>(),
    ) {
        let body = serde_json::json!({
            "access_token": token, "expires_in": expires_in, "error": error, "error_codes": codes,
            "error_description": token,
        });
        let body = serde_json::to_vec(&body).unwrap();
        let retry_after = Some(retry_after.to_string());
        match judged(&Response { retry_after, ..response(status, &body) }) {
            Ok(granted) => {
                prop_assert!((200..300).contains(&status) && error.is_none());
                prop_assert!(granted.expires_at > NOW && granted.expires_at <= NOW + LONGEST_LIFE);
                prop_assert!(is_visible(&granted.access));
            }
            Err(failure) => {
                prop_assert!(failure.retry_after.is_none_or(|pause| pause <= LONGEST_PAUSE));
            }
        }
    }
}
