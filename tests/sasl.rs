//! The server halves of the SASL mechanisms, as a client drives them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepost::sasl::{
    self, Broken, CLIENT_MECHANISMS, Complaint, Exchange, Login, MECHANISMS, Reaction,
};
use gatepost::secret::Secret;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Drives `mechanism` with the lines of a client until it has said all or breaks.
fn exchange(
    mechanism: &str,
    initial: Option<&str>,
    lines: &[&str],
) -> Result<Option<Login>, Broken> {
    let (mut exchange, mut reaction) = Exchange::start(mechanism, initial.map(str::as_bytes))?;
    for line in lines {
        assert!(matches!(reaction, Reaction::Challenge(_)), "{line:?} isn't asked for");
        reaction = exchange.line(line.as_bytes())?;
    }
    match reaction {
        Reaction::Login(login) => Ok(Some(login)),
        Reaction::Challenge(_) => Ok(None),
    }
}

fn base64(octets: impl AsRef<[u8]>) -> String {
    STANDARD.encode(octets)
}

fn names(login: &Login) -> (Option<&str>, &str, &str) {
    (login.authzid.as_deref(), &login.authcid, login.password.reveal())
}

#[test]
fn plain_carries_three_parts() {
    for (message, authzid, authcid, password) in [
        ("\0tim\0tanstaaftanstaaf", None, "tim", "tanstaaftanstaaf"),
        ("Ursel\0Kurt\0xipj3plmq", Some("Ursel"), "Kurt", "xipj3plmq"),
        ("\0jürgen\0ключ ", None, "jürgen", "ключ "),
        ("\0joe\0", None, "joe", ""),
        ("\0joe\0a\r\nb", None, "joe", "a\r\nb"),
    ] {
        let message = base64(message);
        for (initial, lines) in [(Some(message.as_str()), vec![]), (None, vec![message.as_str()])] {
            let login = exchange("plain", initial, &lines).unwrap().unwrap();
            assert_eq!(names(&login), (authzid, authcid, password));
        }
    }
}

#[test]
fn login_asks_twice() {
    let (user, password) = (base64("joe"), base64("s3cr3t\0"));
    for (initial, lines) in
        [(None, vec![user.as_str(), &password]), (Some(user.as_str()), vec![password.as_str()])]
    {
        let login = exchange("login", initial, &lines).unwrap().unwrap();
        assert_eq!(names(&login), (None, "joe", "s3cr3t\0"));
    }
    let (_, reaction) = Exchange::start("LOGIN", None).ok().unwrap();
    assert!(matches!(reaction, Reaction::Challenge(asked) if asked == "VXNlcm5hbWU6"));
}

#[test]
fn what_no_mechanism_allows_is_malformed() {
    for message in [
        &b""[..],
        b"joe",
        b"joe\0secret",
        b"\0\0secret",
        b"\0joe\0a\0b",
        b"\0joe\0\xff",
        b"\xc3\0joe\0secret",
        b"\0joe\x01auth=Bearer x\0secret",
        b"\0joe\r\n\0secret",
        "\0joe\u{2028}login failed\0secret".as_bytes(),
        "\0joe\u{202e}\0secret".as_bytes(),
        "\0joe\u{2066}\0secret".as_bytes(),
        "\u{200f}ann\0joe\0secret".as_bytes(),
        b"\0joe\x7f\0secret",
        b"a\nb\0joe\0secret",
        &[b"\0", &[b'j'; 256][..], b"\0secret"].concat(),
        &[&[b'j'; 256][..], b"\0joe\0secret"].concat(),
    ] {
        let result = exchange("PLAIN", Some(&base64(message)), &[]);
        assert_eq!(result.err(), Some(Broken::Malformed), "{}", message.escape_ascii());
    }
    for user in [&b""[..], b"\xff", b"j\0oe", b"j\noe"] {
        let result = exchange("LOGIN", None, &[&base64(user), &base64("secret")]);
        assert_eq!(result.err(), Some(Broken::Malformed), "{}", user.escape_ascii());
    }
}

#[test]
fn base64_is_taken_in_its_one_form() {
    for line in
        ["AGpvZQBzZWNyZXQ", "AGpvZQBzZWNyZXR=", "AGpv ZQBzZWNyZXQ=", "=AGpv", "====", "\0", "A_-="]
    {
        for mechanism in MECHANISMS {
            let broken = exchange(mechanism.name, None, &[line]).err();
            assert_eq!(broken, Some(Broken::Malformed), "{} {line:?}", mechanism.name);
            let broken = exchange(mechanism.name, Some(line), &[]).err();
            assert_eq!(broken, Some(Broken::Malformed), "{} {line:?}", mechanism.name);
        }
    }
}

#[test]
fn a_star_cancels_at_every_challenge() {
    for mechanism in MECHANISMS {
        assert_eq!(exchange(mechanism.name, None, &["*"]).err(), Some(Broken::Cancelled));
    }
    assert_eq!(exchange("LOGIN", None, &["am9l", "*"]).err(), Some(Broken::Cancelled));
    assert_eq!(exchange("LOGIN", Some("am9l"), &["*"]).err(), Some(Broken::Cancelled));
}

#[test]
fn unknown_mechanisms_are_told_apart() {
    for name in ["", "XOAUTH2", "PLAIN ", "CRAM-MD5", "ANONYMOUS", "EXTERNAL"] {
        assert_eq!(exchange(name, None, &[]).err(), Some(Broken::UnknownMechanism), "{name:?}");
    }
}

#[test]
fn a_complaint_is_read_from_json_in_base64() {
    let known = |json: &str| Complaint::read(base64(json).as_bytes());
    let google = known(r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#);
    let google = google.unwrap();
    assert_eq!(
        (google.status.as_str(), google.scope.as_str()),
        ("400", "https://mail.google.com/")
    );
    assert_eq!(known("{}"), Some(Complaint::default()));
    assert_eq!(known(r#"{"status":400}"#), None);
    assert_eq!(known("[]x"), None);
    assert_eq!(Complaint::read(b"{}"), None);
    let forged = known(r#"{"status":"a\r\nb","scope":"\u001b[2J"}"#).unwrap();
    assert!(!forged.to_string().contains(char::is_control), "{forged}");
}

#[test]
fn a_repeated_token_is_recognised_whole_cut_and_wrapped() {
    let token = Secret::from("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQi.c2ln");
    let repeats = |text: &str| sasl::repeats(text, "joe@contoso.example", &token);
    assert!(repeats(token.reveal()));
    assert!(repeats(&format!("500 what is \"{}\"?", &token.reveal()[10..30])));
    for name in CLIENT_MECHANISMS {
        let message = sasl::client(name, "joe@contoso.example", &token).unwrap().initial_response();
        let message = base64(message.reveal());
        assert!(repeats(&message));
        assert!(repeats(&format!("BAD AUTHENTICATE {name} {}...", &message[..message.len() / 2])));
    }
    assert!(!repeats("g2 NO AUTHENTICATE failed."));
    assert!(!repeats(
        "535 5.7.3 Authentication unsuccessful [AM0PR10CA0001.EURPRD10.PROD.OUTLOOK.COM]"
    ));
    assert!(!repeats(""));
    let short = Secret::from("t0k3n");
    assert!(sasl::repeats("no token t0k3n", "joe@contoso.example", &short));
    assert!(!sasl::repeats("anything", "joe@contoso.example", &Secret::from("")));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a client sends: no more challenges than a mechanism has questions, and names in a
    /// login that can stand in a log line.
    #[test]
    fn no_exchange_goes_on_or_makes_an_unfit_login(
        mechanism in select(MECHANISMS.iter().map(|mechanism| mechanism.name).collect::<Vec<_>>()),
        initial in proptest::option::of(vec(any::<u8>(), 0..40)),
        lines in vec(prop_oneof![vec(any::<u8>(), 0..40).prop_map(|octets| base64(octets).into_bytes()), vec(any::<u8>(), 0..40)], 0..6),
    ) {
        let initial = initial.map(base64);
        let Ok((mut exchange, mut reaction)) = Exchange::start(mechanism, initial.as_deref().map(str::as_bytes)) else {
            return Ok(());
        };
        let mut challenges = 0;
        for line in &lines {
            if let Reaction::Login(login) = &reaction {
                prop_assert!(!login.authcid.is_empty());
                let names = [Some(login.authcid.as_str()), login.authzid.as_deref()];
                prop_assert!(names.into_iter().flatten().all(|name| name.len() <= 255 && !name.contains(char::is_control)));
                return Ok(());
            }
            challenges += 1;
            prop_assert!(challenges <= 2, "it asks again and again");
            match exchange.line(line) {
                Ok(next) => reaction = next,
                Err(_) => return Ok(()),
            }
        }
    }

    /// What a client says is what the directory hears.
    #[test]
    fn every_name_and_password_arrives_as_it_was_sent(
        authzid in "[^\\pC\\p{Zl}\\p{Zp}]{0,20}",
        authcid in "[^\\pC\\p{Zl}\\p{Zp}]{1,20}",
        password in "[^\0]{0,60}",
    ) {
        let login = exchange("PLAIN", Some(&base64(format!("{authzid}\0{authcid}\0{password}"))), &[]);
        let login = login.unwrap().unwrap();
        prop_assert_eq!(login.authzid.unwrap_or_default(), authzid);
        prop_assert_eq!(&login.authcid, &authcid);
        prop_assert_eq!(login.password.reveal(), &password);

        let login = exchange("LOGIN", None, &[&base64(&authcid), &base64(&password)]).unwrap().unwrap();
        prop_assert_eq!((&login.authcid, login.password.reveal()), (&authcid, &password));
    }
}
