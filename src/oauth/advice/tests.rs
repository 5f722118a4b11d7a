use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn complaint(error: &str, aadsts: Option<u32>, description: &str) -> Failure {
    Complaint { error, aadsts, description, correlation: "" }.judge()
}

fn cause(class: Class) -> Cause {
    match class {
        Class::Retry => Cause::AuthorityUnavailable,
        Class::SignIn => Cause::SignInNeeded,
        Class::Configure => Cause::Misconfigured,
        Class::Policy => Cause::ForbiddenByPolicy,
    }
}

/// What an operator runs.
fn command(class: Class) -> &'static str {
    if class == Class::SignIn { " Run: gatepost login a@b.example" } else { "" }
}

#[test]
fn every_number_is_said_in_its_rows_words_whatever_the_error_code() {
    for row in entra::NUMBERS {
        for code in row.keys {
            for error in ["invalid_grant", "invalid_request", "never_seen"] {
                let refusal = complaint(error, Some(*code), "AADSTS1: x").refusal("a@b.example");
                assert_eq!(refusal.cause, cause(row.class), "{code}");
                let start = format!("a@b.example: {} ({error}, AADSTS{code}). ", row.meaning);
                assert!(refusal.explain().starts_with(&start), "{refusal}");
                let end = format!("{}.{}", row.advice, command(row.class));
                assert!(refusal.explain().ends_with(&end), "{refusal}");
            }
        }
    }
}

#[test]
fn every_error_code_without_a_number_is_said_in_its_rows_words() {
    for row in standard::ERRORS {
        for error in row.keys {
            let refusal = complaint(error, None, "Said so.").refusal("a@b.example");
            assert_eq!(refusal.cause, cause(row.class), "{error}");
            let (meaning, advice, command) = (row.meaning, row.advice, command(row.class));
            let text = format!("a@b.example: {meaning}: Said so ({error}). {advice}.{command}");
            assert_eq!(refusal.explain(), text);
        }
    }
}

#[test]
fn no_number_and_no_error_code_stands_in_two_rows() {
    let numbers: Vec<_> = entra::NUMBERS.iter().flat_map(|row| row.keys).collect();
    assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), numbers.len());
    let errors: Vec<_> = standard::ERRORS.iter().flat_map(|row| row.keys).collect();
    assert_eq!(errors.iter().collect::<HashSet<_>>().len(), errors.len());
}

#[test]
fn every_row_reads_as_two_sentences() {
    let numbers = entra::NUMBERS.iter().map(|row| (row.meaning, row.advice));
    let errors = standard::ERRORS.iter().map(|row| (row.meaning, row.advice));
    for (meaning, advice) in numbers.chain(errors) {
        assert!(!meaning.starts_with(char::is_uppercase) || meaning.starts_with("Conditional"));
        assert!(advice.starts_with(char::is_uppercase), "{advice}");
        assert!(!meaning.ends_with('.') && !advice.ends_with('.'), "{meaning} {advice}");
    }
}

#[test]
fn an_unknown_number_is_looked_up_and_classed_by_the_error_code() {
    let failure = complaint("invalid_grant", Some(424_242), "AADSTS424242: New. Trace ID: 1");
    assert_eq!(failure.class, Class::SignIn);
    assert!(failure.advice.contains("https://login.microsoftonline.com/error?code=424242"));
    assert!(failure.meaning.ends_with(": New"));
}

#[test]
fn an_error_nobody_knows_is_the_operators() {
    let failure = complaint("out_of_cheese", None, "");
    assert_eq!(failure.class, Class::Configure);
    assert!(failure.to_string().contains("out_of_cheese"));
}

#[test]
fn only_invalid_grant_with_a_permanent_cause_ends_a_refresh_token() {
    assert!(complaint("invalid_grant", None, "").ends_refresh_token());
    for code in [50173, 700082, 70008, 70043] {
        assert!(complaint("invalid_grant", Some(code), "").ends_refresh_token(), "{code}");
        assert!(!complaint("invalid_client", Some(code), "").ends_refresh_token(), "{code}");
    }
    for code in [53003, 65001, 50076, 50057, 70000, 50196, 90033, 424_242] {
        assert!(!complaint("invalid_grant", Some(code), "").ends_refresh_token(), "{code}");
    }
    assert!(!complaint("interaction_required", None, "").ends_refresh_token());
    assert!(!complaint("invalid_grant", None, "").transient().ends_refresh_token());
    assert!(!Failure::new(Class::SignIn, "x", "y").ends_refresh_token());
}

#[test]
fn a_detected_loop_is_left_for_minutes() {
    let failure = complaint("invalid_request", Some(50196), "");
    assert_eq!((failure.class, failure.retry_after), (Class::Retry, Some(LOOP_PAUSE)));
    let told = Some(Duration::from_secs(900));
    assert_eq!(failure.after(told).retry_after, told);
}

#[test]
fn of_the_description_the_first_line_is_kept() {
    for description in [
        "AADSTS54005: Already redeemed.\r\nTrace ID: 1\r\nCorrelation ID: 2",
        "AADSTS54005: Already redeemed. Trace ID: 1 Correlation ID: 2",
        "\r\nAlready redeemed.",
    ] {
        let failure = complaint("invalid_grant", None, description);
        assert_eq!(failure.words.unwrap().description, "Already redeemed.");
    }
}

#[test]
fn the_correlation_id_is_told() {
    let failure =
        Complaint { error: "e", aadsts: None, description: "", correlation: "c-1" }.judge();
    assert!(failure.to_string().contains("correlation id c-1"));
}

proptest! {
    #[test]
    fn whatever_is_said_fits_on_a_journals_line(
        error in any::<String>(),
        number in any::<Option<u32>>(),
        description in any::<String>(),
        correlation in any::<String>(),
    ) {
        let complaint = Complaint {
            error: &error,
            aadsts: number,
            description: &description,
            correlation: &correlation,
        };
        let text = complaint.judge().refusal("a@b.example").explanation;
        prop_assert!(!text.chars().any(|c| c.is_control() || is_format(c)));
        prop_assert!(text.chars().count() < 4 * LONGEST_QUOTE);
    }
}
