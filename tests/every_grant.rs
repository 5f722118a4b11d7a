//! The same questions for every grant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gatepost::oauth::{
    Algorithm, Application, Ask, Certificate, Class, Credential, Exchange, Failure, GRANTS, Grant,
    ManagedIdentity, Platform, Proof, Reply, Request, Response, Route, Secrets, ServiceAccount,
    Signer, Wish,
};
use gatepost::secret::Secret;
use proptest::prelude::*;

const ENDPOINT: &str = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token";
const SECRETS: [&str; 5] = [
    "client-secret-value",
    "refresh-token-value",
    "password-value",
    "identity-header-value",
    "federated-token-value",
];
const GOOD: &[u8] = br#"{"token_type":"Bearer","expires_in":3599,"access_token":"eyJ0"}"#;

fn signer() -> Signer {
    Signer::new("key-id", |algorithm, octets| {
        Some(format!("{} of {} octets", algorithm.name(), octets.len()).into_bytes())
    })
}

fn certificate() -> Credential {
    let algorithm = Algorithm::Ps256;
    Credential::Certificate(Certificate {
        thumbprint: [7; 32],
        signer: signer(),
        algorithm,
        ends: None,
    })
}

/// What the grant proves itself by, in every form that it takes.
fn credentials(grant: &Grant) -> Vec<Credential> {
    let client = [
        Credential::secret(SECRETS[0]),
        certificate(),
        Credential::Federated(PathBuf::from("/var/run/token")),
    ];
    match grant.proof {
        Proof::Client => client.into(),
        Proof::ClientIfAny => client.into_iter().chain([Credential::None]).collect(),
        Proof::ManagedIdentity => [
            Platform::Imds,
            Platform::AppService { header: Secret::from(SECRETS[3]) },
            Platform::Arc { keys: PathBuf::from("/keys") },
        ]
        .map(|platform| ManagedIdentity { platform, identity: Some(("client_id", "mi".into())) })
        .map(Credential::ManagedIdentity)
        .into(),
        Proof::ServiceAccount => vec![Credential::ServiceAccount(ServiceAccount {
            email: "robot@project.iam.gserviceaccount.com".to_owned(),
            key_id: "key-id".to_owned(),
            signer: signer(),
        })],
        Proof::Program => vec![Credential::Program(vec!["token".into(), "{mailbox}".into()])],
    }
}

/// Every grant with everything that it may prove itself by.
fn every() -> impl Iterator<Item = (&'static Grant, Arc<Application>)> {
    GRANTS.iter().flat_map(|grant| {
        credentials(grant).into_iter().map(move |credential| (grant, application(credential)))
    })
}

fn application(credential: Credential) -> Arc<Application> {
    Arc::new(Application {
        token_endpoint: ENDPOINT.to_owned(),
        client_id: "the-app".to_owned(),
        credential,
        ..Application::default()
    })
}

fn ask() -> Ask {
    Ask {
        scope: "the scope".to_owned(),
        mailbox: "alice@contoso.example".to_owned(),
        refresh_token: Some(Secret::from(SECRETS[1])),
        password: Some(Secret::from(SECRETS[2])),
        entropy: Secret::new([9; 64]),
    }
}

fn begin((grant, application): (&Grant, &Arc<Application>)) -> Box<dyn Exchange> {
    (grant.begin)(application, &ask()).unwrap()
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn response(status: u16, body: &[u8]) -> Response {
    let body = Secret::new(body.to_vec());
    Response { status, retry_after: None, challenge: None, body }
}

fn content(text: &[u8]) -> Reply {
    Reply::Content(Secret::new(text.to_vec()))
}

/// The first wish that leaves this machine or needs a program, files read on the way.
fn first(exchange: &mut dyn Exchange) -> Wish {
    match exchange.advance(now(), None).unwrap() {
        Wish::Read(_) => {
            exchange.advance(now(), Some(content(format!("{}\n", SECRETS[4]).as_bytes()))).unwrap()
        }
        other => other,
    }
}

fn request(wish: Wish) -> Option<Request> {
    match wish {
        Wish::Post(request) | Wish::Get(request) => Some(request),
        _ => None,
    }
}

fn field<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let mut fields = request.form.iter().filter(|(field, _)| *field == name);
    let value = fields.next().map(|(_, value)| value.reveal().as_str());
    assert!(fields.next().is_none(), "two {name}");
    value
}

/// What comes of the grant when the answer to its request, asked however often, is this; a program
/// prints it.
fn answered(
    (grant, application): (&Grant, &Arc<Application>),
    status: u16,
    body: &[u8],
) -> Result<Wish, Failure> {
    let mut exchange = begin((grant, application));
    let mut wish = first(&mut *exchange);
    for _ in 0..3 {
        let reply = match wish {
            Wish::Post(_) | Wish::Get(_) => Reply::Http(response(status, body)),
            Wish::Run(_) => content(body),
            other => return Ok(other),
        };
        wish = exchange.advance(now(), Some(reply))?;
    }
    Ok(wish)
}

fn asks_authority(grant: &Grant) -> bool {
    grant.proof != Proof::Program
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
fn a_client_posts_what_it_wants_and_its_proof_to_the_token_endpoint() {
    for (grant, application) in every() {
        if !matches!(grant.proof, Proof::Client | Proof::ClientIfAny) {
            continue;
        }
        let request = request(first(&mut *begin((grant, &application)))).unwrap();
        assert_eq!(request.url, ENDPOINT);
        let grant_type = if grant.sign_in.is_some() { "refresh_token" } else { grant.name };
        assert_eq!(field(&request, "grant_type"), Some(grant_type));
        assert_eq!(field(&request, "client_id"), Some("the-app"));
        assert_eq!(field(&request, "scope"), Some("the scope"));
        let (secret, assertion) = match &application.credential {
            Credential::Secrets(_) => (Some(SECRETS[0]), None),
            Credential::Federated(_) => (None, Some(SECRETS[4])),
            Credential::None => (None, None),
            _ => (None, field(&request, "client_assertion")),
        };
        assert_eq!(field(&request, "client_secret"), secret, "{}", grant.name);
        assert_eq!(field(&request, "client_assertion"), assertion, "{}", grant.name);
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        assert_eq!(field(&request, "client_assertion_type"), assertion.map(|_| kind));
    }
}

#[test]
fn a_grant_without_what_it_needs_says_so_and_asks_nobody() {
    for grant in GRANTS {
        let mut nothing = ask();
        (nothing.refresh_token, nothing.password) = (None, None);
        let bare = application(Credential::None);
        match (grant.begin)(&bare, &nothing) {
            Ok(_) => panic!("{} needs nothing", grant.name),
            Err(failure) => assert_ne!(failure.class, Class::Retry, "{}", grant.name),
        }
        let with_all = (grant.begin)(&bare, &ask());
        assert_eq!(with_all.is_ok(), grant.proof == Proof::ClientIfAny, "{}", grant.name);
    }
}

#[test]
fn a_good_reply_grants_its_token() {
    for (grant, application) in every() {
        let Ok(Wish::Granted(token)) = answered((grant, &application), 200, GOOD) else {
            panic!("{}", grant.name)
        };
        assert_eq!(token.access.reveal(), "eyJ0");
        assert_eq!(token.expires_at, now() + Duration::from_secs(3599));
    }
}

#[test]
fn trouble_at_the_authority_is_worth_another_try() {
    for (grant, application) in every().filter(|(grant, _)| asks_authority(grant)) {
        for status in [429, 500, 502, 503, 504] {
            for body in [&b""[..], b"<html>", br#"{"error":"invalid_grant"}"#] {
                let failure = answered((grant, &application), status, body).unwrap_err();
                assert_eq!(failure.class, Class::Retry, "{} {status}", grant.name);
                assert!(!failure.ends_refresh_token());
            }
        }
    }
}

#[test]
fn a_no_of_the_authority_ends_the_exchange() {
    for (grant, application) in every().filter(|(grant, _)| asks_authority(grant)) {
        for (body, class) in [
            (r#"{"error":"invalid_client"}"#, Class::Configure),
            (r#"{"error":"invalid_grant","error_codes":[700082]}"#, Class::SignIn),
            (r#"{"error":"invalid_grant","error_codes":[53003]}"#, Class::Policy),
        ] {
            let failure = answered((grant, &application), 400, body.as_bytes()).unwrap_err();
            // Where nobody can sign in, nobody is told to.
            let unattended = matches!(grant.proof, Proof::ManagedIdentity | Proof::ServiceAccount);
            match unattended {
                true => assert!(matches!(failure.class, Class::Configure | Class::Policy)),
                false => assert_eq!(failure.class, class, "{} {body}", grant.name),
            }
        }
    }
}

#[test]
fn what_comes_to_nothing_ends_the_exchange_with_its_reason() {
    for (grant, application) in every() {
        let mut exchange = begin((grant, &application));
        exchange.advance(now(), None).unwrap();
        let reason = Failure::new(Class::Retry, "the line is dead", "Wait");
        let failure = exchange.advance(now(), Some(Reply::Failed(reason))).unwrap_err();
        assert_eq!(failure.meaning, "the line is dead", "{}", grant.name);
    }
}

#[test]
fn nothing_printed_holds_a_secret_not_even_one_that_the_authority_quotes() {
    for (grant, application) in every() {
        let mut exchange = begin((grant, &application));
        let wish = first(&mut *exchange);
        let shown = format!("{wish:?}");
        let told: Vec<String> = request(wish)
            .map(|request| request.form)
            .unwrap_or_default()
            .into_iter()
            .filter(|(name, _)| {
                ["secret", "token", "password", "assertion"].iter().any(|end| name.ends_with(end))
            })
            .map(|(_, value)| value.reveal().clone())
            .collect();
        let quotes = told.join(" ");
        let body = format!(
            r#"{{"error":"{quotes}","error_description":"{quotes}","correlation_id":"{quotes}"}}"#
        );
        let granted = answered(
            (grant, &application),
            200,
            br#"{"access_token":"eyJ0","refresh_token":"OAQ"}"#,
        );
        let failure = answered((grant, &application), 400, body.as_bytes()).unwrap_err();
        let refusal = failure.refusal("alice@contoso.example");
        let printed = format!(
            "{shown} {granted:?} {failure:?} {failure} {refusal:?} {:?} {application:?}",
            ask()
        );
        let own = SECRETS.into_iter().chain(["eyJ0", "OAQ"]).map(str::to_owned);
        for secret in own.chain(told) {
            assert!(!printed.contains(&secret), "{}: {secret} in {printed}", grant.name);
        }
    }
}

#[test]
fn who_has_two_secrets_is_refused_only_if_neither_is_in_force_and_remembers_which_is() {
    let no = br#"{"error":"invalid_client","error_codes":[7000222]}"#;
    for grant in
        GRANTS.iter().filter(|grant| matches!(grant.proof, Proof::Client | Proof::ClientIfAny))
    {
        let secrets = Secrets::new(vec![Secret::from("old"), Secret::from("new")]);
        let application = application(Credential::Secrets(secrets));
        let sent = |wish| {
            let request = request(wish).unwrap();
            field(&request, "client_secret").map(str::to_owned).unwrap()
        };
        let mut exchange = begin((grant, &application));
        assert_eq!(sent(exchange.advance(now(), None).unwrap()), "old");
        let second = exchange.advance(now(), Some(Reply::Http(response(401, no)))).unwrap();
        assert_eq!(sent(second), "new", "{}", grant.name);
        let granted = exchange.advance(now(), Some(Reply::Http(response(200, GOOD)))).unwrap();
        assert!(matches!(granted, Wish::Granted(_)));

        let mut exchange = begin((grant, &application));
        assert_eq!(sent(exchange.advance(now(), None).unwrap()), "new");
        let second = exchange.advance(now(), Some(Reply::Http(response(401, no)))).unwrap();
        assert_eq!(sent(second), "old");
        let failure = exchange.advance(now(), Some(Reply::Http(response(401, no)))).unwrap_err();
        assert_eq!(failure.class, Class::Configure);
    }
}

#[test]
fn only_a_no_to_the_secret_brings_out_the_second() {
    for (status, no) in [
        (400, &br#"{"error":"invalid_grant"}"#[..]),
        (400, br#"{"error":"invalid_scope"}"#),
        (503, br#"{"error":"invalid_client"}"#),
        (429, b""),
    ] {
        let secrets = Secrets::new(vec![Secret::from("old"), Secret::from("new")]);
        let application = application(Credential::Secrets(secrets));
        let grant = Grant::named("client_credentials").unwrap();
        let mut exchange = begin((grant, &application));
        exchange.advance(now(), None).unwrap();
        exchange.advance(now(), Some(Reply::Http(response(status, no)))).unwrap_err();
    }
}

#[test]
fn a_federated_token_is_read_anew_for_every_request_and_must_be_one() {
    let application = application(Credential::Federated(PathBuf::from("/var/run/token")));
    let grant = Grant::named("client_credentials").unwrap();
    for text in ["one", "two\n"] {
        let mut exchange = begin((grant, &application));
        assert!(
            matches!(exchange.advance(now(), None).unwrap(), Wish::Read(path) if path == Path::new("/var/run/token"))
        );
        let posted = exchange.advance(now(), Some(content(text.as_bytes()))).unwrap();
        assert_eq!(field(&request(posted).unwrap(), "client_assertion"), Some(text.trim()));
    }
    for bad in [&b""[..], b" \n", b"two words", b"a\x01b", &[0xff]] {
        let mut exchange = begin((grant, &application));
        exchange.advance(now(), None).unwrap();
        let failure = exchange.advance(now(), Some(content(bad))).unwrap_err();
        assert_eq!(failure.class, Class::Configure);
    }
}

#[test]
fn a_managed_identity_is_asked_for_directly_and_by_resource() {
    let grant = Grant::named("managed_identity").unwrap();
    for credential in credentials(grant) {
        let application = application(credential);
        let asked = Ask { scope: "https://outlook.office365.com/.default".to_owned(), ..ask() };
        let mut exchange = (grant.begin)(&application, &asked).unwrap();
        let Wish::Get(request) = exchange.advance(now(), None).unwrap() else { panic!() };
        assert_eq!(request.route, Route::Direct);
        assert_eq!(field(&request, "resource"), Some("https://outlook.office365.com"));
        assert_eq!(field(&request, "client_id"), Some("mi"));
        assert!(field(&request, "api-version").is_some() && request.headers.len() == 1);
    }
}

#[test]
fn arcs_key_is_read_from_its_agents_folder_and_nowhere_else() {
    let grant = Grant::named("managed_identity").unwrap();
    let platform = Platform::Arc { keys: PathBuf::from("/keys") };
    let identity = ManagedIdentity { platform, identity: None };
    let application = application(Credential::ManagedIdentity(identity));
    let challenged = |challenge: &str| {
        let mut exchange = begin((grant, &application));
        exchange.advance(now(), None).unwrap();
        let challenge = Some(challenge.to_owned());
        let reply = Reply::Http(Response { challenge, ..response(401, b"") });
        exchange.advance(now(), Some(reply)).map(|wish| (exchange, wish))
    };
    let (mut exchange, wish) = challenged("Basic realm=/keys/1.key").unwrap();
    assert!(matches!(wish, Wish::Read(path) if path == Path::new("/keys/1.key")));
    let wish = exchange.advance(now(), Some(content(b"the-key"))).unwrap();
    let shown = request(wish).unwrap();
    let header = shown.headers.iter().find(|(name, _)| *name == "Authorization").unwrap();
    assert_eq!(header.1.reveal(), "Basic the-key");
    for elsewhere in [
        "",
        "Basic",
        "Basic realm=",
        "Basic realm=/etc/shadow",
        "Basic realm=/keys/shadow",
        "Basic realm=/keys/../etc/x.key",
        "Basic realm=/keys/sub/x.key",
        "Basic realm=x.key",
    ] {
        assert_eq!(challenged(elsewhere).err().unwrap().class, Class::Configure, "{elsewhere}");
    }
    let (mut exchange, _) = challenged("Basic realm=/keys/1.key").unwrap();
    exchange.advance(now(), Some(content(&[b'k'; 4097]))).unwrap_err();
}

#[test]
fn a_program_prints_a_token_or_json_and_nothing_else() {
    let grant = Grant::named("command").unwrap();
    let words = ["token", "--for={mailbox}", "{scope}", "a b; c"].map(str::to_owned).to_vec();
    let application = application(Credential::Program(words));
    let mut exchange = begin((grant, &application));
    let Wish::Run(words) = exchange.advance(now(), None).unwrap() else { panic!() };
    assert_eq!(words, ["token", "--for=alice@contoso.example", "the scope", "a b; c"]);
    let printed = |text: &[u8]| {
        let mut exchange = begin((grant, &application));
        exchange.advance(now(), None).unwrap();
        exchange.advance(now(), Some(content(text)))
    };
    // {"exp":1800001000}
    let jwt = b"e30.eyJleHAiOjE4MDAwMDEwMDB9.c2ln\n";
    for (text, token, life) in [
        (&b"eyJ0\r\n"[..], "eyJ0", 600),
        (jwt, "e30.eyJleHAiOjE4MDAwMDEwMDB9.c2ln", 1000),
        (br#" {"access_token":"a","expires_in":"120"}"#, "a", 120),
        (br#"{"access_token":"a","expires_on":1800000060}"#, "a", 60),
        (br#"{"access_token":"a"}"#, "a", 600),
    ] {
        let Ok(Wish::Granted(granted)) = printed(text) else { panic!("{text:?}") };
        assert_eq!(granted.access.reveal(), token);
        assert_eq!(granted.expires_at, now() + Duration::from_secs(life));
    }
    for bad in [&b""[..], b"\n", b"two words", b"{}", br#"{"token":"a"}"#, b"{", &[0xff, 0xfe]] {
        assert_eq!(printed(bad).unwrap_err().class, Class::Configure, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn garbage_neither_panics_nor_grants(status in any::<u16>(), body in any::<Vec<u8>>()) {
        for (grant, application) in every().filter(|(grant, _)| asks_authority(grant)) {
            let outcome = answered((grant, &application), status, &body);
            prop_assert!(!matches!(outcome, Ok(Wish::Granted(_))));
        }
    }
}
