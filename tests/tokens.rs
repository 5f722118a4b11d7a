//! The token engine against an authority over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "tokens/authority.rs"]
mod authority;

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use authority::Authority;
use gatepost::mailbox::{Margin, Provider};
use gatepost::oauth::{Application, Credential, Grant};
use gatepost::proto::{Cause, Refusal};
use gatepost::secret::Secret;
use gatepost::store::{Record, Store};
use gatepost::tokens::{Again, Bearer, Limits, Origin, Tokens, http_client};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

const SCOPE: &str = "https://outlook.office365.com/.default";
const ALICE: &str = "alice@contoso.example";
const CLIENT_SECRET: &str = "client-secret-value";

const MARGIN: Margin = Margin::Least(Duration::from_secs(600));

/// An engine, its authority, its clock and its state directory.
struct House {
    authority: Authority,
    tokens: Tokens,
    provider: Arc<Provider>,
    seed: Option<Secret<String>>,
    clock: Arc<Mutex<SystemTime>>,
    state: TempDir,
}

impl House {
    async fn new(grant: &str) -> Self {
        Self::with_limits(grant, Limits::default()).await
    }

    async fn with_limits(grant: &str, limits: Limits) -> Self {
        let authority = Authority::start().await;
        let provider = provider(grant, authority.token_endpoint());
        let state = TempDir::new().unwrap();
        let clock =
            Arc::new(Mutex::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let tokens = engine(&state, &clock, limits);
        let seed = (grant == "refresh_token").then(|| Secret::from("refresh-0"));
        Self { authority, tokens, provider, seed, clock, state }
    }

    /// As after a restart: nothing but the state directory is left.
    fn restart(&mut self) {
        self.tokens = engine(&self.state, &self.clock, Limits::default());
    }

    fn pass(&self, seconds: u64) {
        *self.clock.lock().unwrap() += Duration::from_secs(seconds);
    }

    fn ask(&self, mailbox: &str) -> JoinHandle<Result<Bearer, Refusal>> {
        self.ask_for(mailbox, SCOPE)
    }

    fn ask_for(&self, mailbox: &str, scope: &str) -> JoinHandle<Result<Bearer, Refusal>> {
        let (tokens, provider, seed) =
            (self.tokens.clone(), Arc::clone(&self.provider), self.seed.clone());
        let (mailbox, scope) = (mailbox.to_owned(), scope.to_owned());
        tokio::spawn(async move {
            tokens.bearer(&provider, &mailbox, seed.as_ref(), &scope, MARGIN).await
        })
    }

    /// A login that leads to a request, answered with this.
    async fn granted(&mut self, body: &str) -> Bearer {
        let login = self.ask(ALICE);
        self.authority.next().await.grant(body);
        login.await.unwrap().unwrap()
    }

    async fn refused(&mut self, status: u16, headers: &str, body: &str) -> Refusal {
        let login = self.ask(ALICE);
        self.authority.next().await.answer(status, headers, body);
        login.await.unwrap().unwrap_err()
    }

    /// A login that leads to no request.
    async fn at_once(&mut self) -> Result<Bearer, Refusal> {
        let outcome = self.ask(ALICE).await.unwrap();
        self.tokens.finish().await;
        assert!(self.authority.is_idle());
        outcome
    }

    fn stored(&self) -> Option<String> {
        let record = Store::open(self.state.path().join("tokens")).unwrap().load(ALICE).unwrap();
        record.map(|record| record.refresh_token.reveal().clone())
    }
}

fn provider(grant: &str, token_endpoint: String) -> Arc<Provider> {
    Arc::new(Provider {
        name: "contoso".to_owned(),
        application: Arc::new(Application {
            token_endpoint,
            client_id: "app".to_owned(),
            credential: Credential::secret(CLIENT_SECRET),
            ..Application::default()
        }),
        grant: Grant::named(grant).unwrap(),
        services: Vec::new(),
        graph: None,
    })
}

fn engine(state: &TempDir, clock: &Arc<Mutex<SystemTime>>, limits: Limits) -> Tokens {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let store = Store::open(state.path().join("tokens")).unwrap();
    let clock = Arc::clone(clock);
    let now = Arc::new(move || *clock.lock().unwrap());
    Tokens::with_clock(http_client(tls, &limits, None).unwrap(), store, limits, now)
}

fn hour(access: &str) -> String {
    format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{access}"}}"#)
}

fn hour_and(access: &str, refresh: &str) -> String {
    format!(r#"{{"expires_in":3600,"access_token":"{access}","refresh_token":"{refresh}"}}"#)
}

fn shown(bearer: &Bearer) -> &str {
    bearer.token.reveal()
}

const INVALID_GRANT: &str =
    r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;
const WRONG_SECRET: &str = r#"{"error":"invalid_client","error_codes":[7000215],
    "error_description":"AADSTS7000215: Invalid client secret provided."}"#;

#[tokio::test]
async fn a_stampede_is_one_request() {
    let mut house = House::new("client_credentials").await;
    let mut logins = JoinSet::new();
    for number in 0..100 {
        let login = house.ask(&format!("box{number}@contoso.example"));
        logins.spawn(async move { login.await.unwrap() });
    }
    let request = house.authority.next().await;
    assert_eq!(request.form["grant_type"], "client_credentials");
    assert_eq!(request.form["client_id"], "app");
    assert_eq!(request.form["client_secret"], CLIENT_SECRET);
    assert_eq!(request.form["scope"], SCOPE);
    request.grant(&hour("access-1"));
    for outcome in logins.join_all().await {
        assert_eq!(shown(&outcome.unwrap()), "access-1");
    }
    assert_eq!(house.at_once().await.unwrap().origin, Origin::Cached);
}

#[tokio::test]
async fn who_waits_shares_the_failure_and_reads_it_about_its_own_mailbox() {
    let mut house = House::new("client_credentials").await;
    let (alice, bob) = (house.ask(ALICE), house.ask("bob@contoso.example"));
    house.authority.next().await.answer(503, "", "");
    let (alice, bob) = (alice.await.unwrap().unwrap_err(), bob.await.unwrap().unwrap_err());
    assert_eq!(alice.cause, Cause::AuthorityUnavailable);
    assert!(alice.explain().starts_with("alice@contoso.example: "), "{alice}");
    assert!(bob.explain().starts_with("bob@contoso.example: "), "{bob}");
    house.at_once().await.unwrap_err();
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_nothing() {
    let mut house = House::new("client_credentials").await;
    let leader = house.ask(ALICE);
    let request = house.authority.next().await;
    let waiter = house.ask(ALICE);
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    request.grant(&hour("access-1"));
    assert_eq!(shown(&waiter.await.unwrap().unwrap()), "access-1");
    house.at_once().await.unwrap();
}

#[tokio::test]
async fn scopes_and_mailboxes_have_tokens_of_their_own() {
    let mut house = House::new("refresh_token").await;
    house.granted(&hour("alice")).await;
    let bob = house.ask("bob@contoso.example");
    house.authority.next().await.grant(&hour("bob"));
    assert_eq!(shown(&bob.await.unwrap().unwrap()), "bob");
    let other = house.ask_for("ALICE@contoso.example", "other");
    let request = house.authority.next().await;
    assert_eq!(request.form["scope"], "other");
    request.grant(&hour("alice-other"));
    assert_eq!(shown(&other.await.unwrap().unwrap()), "alice-other");
    assert_eq!(shown(&house.at_once().await.unwrap()), "alice");
    let shouted = house.ask(&ALICE.to_uppercase()).await.unwrap().unwrap();
    assert_eq!((shown(&shouted), shouted.origin), ("alice", Origin::Cached));
}

#[tokio::test]
async fn a_token_is_renewed_behind_the_login_that_finds_it_half_gone() {
    let mut house = House::new("client_credentials").await;
    house.granted(&hour("access-1")).await;
    house.pass(1799);
    assert_eq!(shown(&house.at_once().await.unwrap()), "access-1");
    house.pass(2);
    let bearer = house.ask(ALICE).await.unwrap().unwrap();
    assert_eq!((shown(&bearer), bearer.origin), ("access-1", Origin::Cached));
    house.authority.next().await.grant(&hour("access-2"));
    house.tokens.finish().await;
    assert_eq!(shown(&house.at_once().await.unwrap()), "access-2");
}

#[tokio::test]
async fn a_login_waits_for_the_successor_of_a_token_with_minutes_left() {
    let mut house = House::new("client_credentials").await;
    house.granted(&hour("access-1")).await;
    house.pass(3600 - 590);
    let bearer = house.granted(&hour("access-2")).await;
    assert_eq!((shown(&bearer), bearer.origin), ("access-2", Origin::Fresh));
}

#[tokio::test]
async fn a_token_is_used_to_its_end_while_its_renewal_fails() {
    let mut house = House::new("client_credentials").await;
    house.granted(&hour("access-1")).await;
    house.pass(1900);
    for failure in [503, 401] {
        assert_eq!(shown(&house.ask(ALICE).await.unwrap().unwrap()), "access-1");
        house.authority.next().await.answer(failure, "", WRONG_SECRET);
        house.tokens.finish().await;
        assert_eq!(shown(&house.at_once().await.unwrap()), "access-1");
        house.pass(60);
    }
    house.pass(3600 - 2020 - 100);
    let late = house.ask(ALICE);
    house.authority.next().await.answer(503, "", "");
    let late = late.await.unwrap().unwrap();
    assert_eq!((shown(&late), late.origin), ("access-1", Origin::Cached));
    house.pass(100);
    assert_eq!(house.refused(503, "", "").await.cause, Cause::AuthorityUnavailable);
}

#[tokio::test]
async fn a_cached_token_that_the_upstream_refuses_is_replaced_once() {
    let mut house = House::new("client_credentials").await;
    house.granted(&hour("access-1")).await;
    house.pass(120);
    let (first, second) = (house.at_once().await.unwrap(), house.at_once().await.unwrap());
    assert_eq!(house.tokens.refused(&first), Again::Worthwhile);
    let fresh = house.granted(&hour("access-2")).await;
    assert_eq!((shown(&fresh), fresh.origin), ("access-2", Origin::Fresh));
    assert_eq!(house.tokens.refused(&fresh), Again::Pointless);
    // A late no to the old token doesn't cost the new one.
    assert_eq!(house.tokens.refused(&second), Again::Worthwhile);
    assert_eq!(shown(&house.at_once().await.unwrap()), "access-2");
}

#[tokio::test]
async fn logins_of_a_mailbox_that_never_opens_ask_for_one_token_a_minute() {
    let mut house = House::new("client_credentials").await;
    house.granted(&hour("access-1")).await;
    for _ in 0..59 {
        house.pass(1);
        let bearer = house.at_once().await.unwrap();
        assert_eq!(house.tokens.refused(&bearer), Again::Pointless);
    }
    house.pass(1);
    let bearer = house.at_once().await.unwrap();
    assert_eq!(house.tokens.refused(&bearer), Again::Worthwhile);
    house.granted(&hour("access-2")).await;
}

#[tokio::test]
async fn retry_after_is_obeyed_to_the_second_and_to_an_hour() {
    for (field, pause) in [("30", 30), ("2.5", 3), ("0", 1), ("999999", 3600), ("soon", 5)] {
        let mut house = House::new("client_credentials").await;
        let refusal = house.refused(429, &format!("Retry-After: {field}\r\n"), "").await;
        assert_eq!(refusal.cause, Cause::AuthorityUnavailable);
        house.pass(pause - 1);
        house.at_once().await.unwrap_err();
        house.pass(1);
        house.granted(&hour("access-1")).await;
    }
}

#[tokio::test]
async fn an_authority_in_trouble_is_asked_more_and_more_seldom_but_within_a_minute() {
    let mut house = House::new("client_credentials").await;
    for pause in [5, 10, 20, 40, 60, 60, 60, 60, 60, 60, 60, 60] {
        house.refused(500, "", "<html>").await;
        house.pass(pause - 1);
        house.at_once().await.unwrap_err();
        house.pass(1);
    }
    house.granted(&hour("access-1")).await;
}

#[tokio::test]
async fn a_no_that_needs_the_operator_is_repeated_for_a_minute() {
    let mut house = House::new("client_credentials").await;
    let refusal = house.refused(401, "", WRONG_SECRET).await;
    assert_eq!(refusal.cause, Cause::Misconfigured);
    assert!(refusal.explain().contains("AADSTS7000215"), "{refusal}");
    assert!(refusal.explain().contains("not its Secret ID"), "{refusal}");
    house.pass(59);
    assert_eq!(house.at_once().await.unwrap_err().cause, Cause::Misconfigured);
    house.pass(1);
    house.granted(&hour("access-1")).await;
}

#[tokio::test]
async fn a_corrected_configuration_is_tried_at_once() {
    let mut house = House::new("client_credentials").await;
    house.refused(401, "", WRONG_SECRET).await;
    let mut application = (*house.provider.application).clone();
    application.credential = Credential::secret("corrected");
    let mut provider = provider("client_credentials", String::new());
    Arc::get_mut(&mut provider).unwrap().application = Arc::new(application);
    house.provider = provider;
    let login = house.ask(ALICE);
    let request = house.authority.next().await;
    assert_eq!(request.form["client_secret"], "corrected");
    request.grant(&hour("access-1"));
    login.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_clock_that_was_set_back_costs_a_request_and_no_outage() {
    let mut house = House::new("client_credentials").await;
    house.granted(&hour("access-1")).await;
    *house.clock.lock().unwrap() -= Duration::from_secs(86_400);
    house.granted(&hour("access-2")).await;
    *house.clock.lock().unwrap() -= Duration::from_secs(86_400);
    house.refused(503, "Retry-After: 3600\r\n", "").await;
    *house.clock.lock().unwrap() -= Duration::from_secs(86_400);
    house.granted(&hour("access-3")).await;
}

#[tokio::test]
async fn a_reply_over_256_kib_is_refused_and_one_under_it_is_not() {
    let mut house = House::new("client_credentials").await;
    let padding = " ".repeat(256 * 1024);
    let refusal = house.refused(200, "", &(hour("access-1") + &padding)).await;
    assert_eq!(refusal.cause, Cause::AuthorityUnavailable);
    assert!(refusal.explain().contains("more than 262144 octets"), "{refusal}");
    house.pass(5);
    let fitting = hour("access-1");
    house.granted(&(fitting.clone() + &padding[fitting.len()..])).await;
}

#[tokio::test]
async fn an_authority_that_falls_silent_hits_the_limit() {
    let total = Duration::from_millis(50);
    let mut house =
        House::with_limits("client_credentials", Limits { total, ..Limits::default() }).await;
    let login = house.ask(ALICE);
    let _unanswered = house.authority.next().await;
    let refusal = login.await.unwrap().unwrap_err();
    assert_eq!(refusal.cause, Cause::AuthorityUnavailable);
    assert!(refusal.explain().contains("doesn't answer in time"), "{refusal}");
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_no_token() {
    let mut house = House::new("client_credentials").await;
    let login = house.ask(ALICE);
    let body = hour("access-1");
    house
        .authority
        .next()
        .await
        .raw(&format!("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{body}"));
    let refusal = login.await.unwrap().unwrap_err();
    assert!(refusal.explain().contains("the connection to 127.0.0.1 broke"), "{refusal}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut house = House::new("client_credentials").await;
    let elsewhere = Authority::start().await;
    let header = format!("Location: {}\r\n", elsewhere.token_endpoint());
    for status in [302, 307, 308] {
        let refusal = house.refused(status, &header, "").await;
        assert!(refusal.explain().contains(&status.to_string()), "{refusal}");
        house.pass(60);
    }
    let mut elsewhere = elsewhere;
    assert!(elsewhere.is_idle());
}

#[tokio::test]
async fn what_fails_on_the_way_is_told_apart() {
    let impostor = untrusted().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let label = "a".repeat(64);
    for (endpoint, words) in [
        (format!("http://{free}/token"), "can't be reached: Connection refused"),
        (format!("http://{label}.invalid/token"), ".invalid can't be resolved"),
        (format!("https://{impostor}/token"), "TLS with 127.0.0.1 fails: invalid peer certificate"),
        ("no url".to_owned(), "isn't a URL"),
    ] {
        let mut house = House::new("client_credentials").await;
        house.provider = provider("client_credentials", endpoint);
        let refusal = house.at_once().await.unwrap_err();
        assert!(refusal.explain().contains(words), "{words}: {refusal}");
    }
}

/// A TLS server whose certificate nobody vouches for.
async fn untrusted() -> SocketAddr {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            acceptor.accept(stream).await.unwrap_err();
        }
    });
    address
}

#[tokio::test]
async fn a_rotated_refresh_token_is_on_disk_before_the_login_goes_on_and_survives_a_restart() {
    let mut house = House::new("refresh_token").await;
    let login = house.ask(ALICE);
    let request = house.authority.next().await;
    assert_eq!(request.form["grant_type"], "refresh_token");
    assert_eq!(request.form["refresh_token"], "refresh-0");
    request.grant(&hour_and("access-1", "refresh-1"));
    login.await.unwrap().unwrap();
    assert_eq!(house.stored().as_deref(), Some("refresh-1"));

    house.restart();
    let login = house.ask(ALICE);
    let request = house.authority.next().await;
    assert_eq!(request.form["refresh_token"], "refresh-1");
    request.grant(&hour("access-2"));
    login.await.unwrap().unwrap();
    assert_eq!(house.stored().as_deref(), Some("refresh-1"));
}

#[tokio::test]
async fn a_client_that_hangs_up_loses_no_rotated_refresh_token() {
    let mut house = House::new("refresh_token").await;
    let login = house.ask(ALICE);
    let request = house.authority.next().await;
    login.abort();
    request.grant(&hour_and("access-1", "refresh-1"));
    house.tokens.finish().await;
    assert_eq!(house.stored().as_deref(), Some("refresh-1"));
}

#[tokio::test]
async fn a_new_seed_in_the_configuration_wins_over_what_the_old_one_became() {
    let mut house = House::new("refresh_token").await;
    house.granted(&hour_and("access-1", "refresh-1")).await;
    house.seed = Some(Secret::from("seed-2"));
    let login = house.ask(ALICE);
    let request = house.authority.next().await;
    assert_eq!(request.form["refresh_token"], "seed-2");
    request.grant(&hour_and("access-2", "refresh-2"));
    login.await.unwrap().unwrap();

    house.seed = None;
    let login = house.ask(ALICE);
    let request = house.authority.next().await;
    assert_eq!(request.form["refresh_token"], "refresh-2");
    request.grant(&hour("access-3"));
    login.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refresh_token_is_not_sent_to_another_authority() {
    let mut house = House::new("refresh_token").await;
    house.granted(&hour_and("access-1", "refresh-1")).await;
    let mut elsewhere = Authority::start().await;
    house.provider = provider("refresh_token", elsewhere.token_endpoint());
    house.seed = None;
    assert_eq!(house.at_once().await.unwrap_err().cause, Cause::SignInNeeded);
    assert!(elsewhere.is_idle());
}

#[tokio::test]
async fn without_a_sign_in_nobody_is_asked_until_there_is_one() {
    let mut house = House::new("refresh_token").await;
    house.seed = None;
    assert_eq!(house.at_once().await.unwrap_err().cause, Cause::SignInNeeded);
    sign_in(&house, "refresh-new");
    let login = house.ask(ALICE);
    let request = house.authority.next().await;
    assert_eq!(request.form["refresh_token"], "refresh-new");
    request.grant(&hour("access-1"));
    login.await.unwrap().unwrap();
}

/// What a sign-in leaves in the store.
fn sign_in(house: &House, refresh_token: &str) {
    let application = &house.provider.application;
    let record = Record {
        mailbox: ALICE.to_owned(),
        token_endpoint: application.token_endpoint.clone(),
        client_id: application.client_id.clone(),
        refresh_token: Secret::from(refresh_token),
        seed: house.seed.as_ref().map(Record::fingerprint),
        refreshed_at: *house.clock.lock().unwrap(),
    };
    Store::open(house.state.path().join("tokens")).unwrap().save(&record).unwrap();
}

#[tokio::test]
async fn an_ended_refresh_token_is_kept_but_not_sent_again_and_its_successor_is_at_once() {
    let mut house = House::new("refresh_token").await;
    sign_in(&house, "refresh-1");
    let refusal = house.refused(400, "", INVALID_GRANT).await;
    assert_eq!(refusal.cause, Cause::SignInNeeded);
    house.pass(86_400);
    assert_eq!(house.at_once().await.unwrap_err().cause, Cause::SignInNeeded);
    let other_scope = house.ask_for(ALICE, "other").await.unwrap().unwrap_err();
    assert_eq!(other_scope.cause, Cause::SignInNeeded);
    assert_eq!(house.stored().as_deref(), Some("refresh-1"));

    sign_in(&house, "refresh-2");
    house.granted(&hour("access-1")).await;
}

#[tokio::test]
async fn an_ended_refresh_token_is_tried_again_by_a_corrected_application() {
    let mut house = House::new("refresh_token").await;
    house.refused(400, "", INVALID_GRANT).await;
    let mut application = (*house.provider.application).clone();
    application.client_id = "corrected".to_owned();
    let mut corrected = provider("refresh_token", String::new());
    Arc::get_mut(&mut corrected).unwrap().application = Arc::new(application);
    house.provider = corrected;
    house.granted(&hour("access-1")).await;
}

#[tokio::test]
async fn nothing_but_a_permanent_invalid_grant_ends_a_refresh_token() {
    let conditional_access = r#"{"error":"invalid_grant","error_codes":[53003]}"#;
    let unknown_number = r#"{"error":"invalid_grant","error_codes":[99999999]}"#;
    for (status, body) in [
        (401, WRONG_SECRET),
        (400, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"temporarily_unavailable"}"#),
        (400, "<html>a proxy</html>"),
        (400, conditional_access),
        (400, unknown_number),
        (401, ""),
        (429, INVALID_GRANT),
        (500, INVALID_GRANT),
    ] {
        let mut house = House::new("refresh_token").await;
        house.refused(status, "", body).await;
        house.pass(60);
        house.granted(&hour("access-1")).await;
    }
}

#[tokio::test]
async fn scopes_of_a_mailbox_spend_its_refresh_token_one_after_the_other() {
    let mut house = House::new("refresh_token").await;
    let first = house.ask_for(ALICE, "one");
    let request = house.authority.next().await;
    let second = house.ask_for(ALICE, "two");
    tokio::task::yield_now().await;
    assert!(house.authority.is_idle());
    request.grant(&hour_and("access-1", "refresh-1"));
    first.await.unwrap().unwrap();
    let request = house.authority.next().await;
    assert_eq!((&*request.form["scope"], &*request.form["refresh_token"]), ("two", "refresh-1"));
    request.grant(&hour("access-2"));
    second.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_rotated_refresh_token_that_cannot_be_written_is_not_spent_before_it_can() {
    let mut house = House::new("refresh_token").await;
    let directory = house.state.path().join("tokens");
    let login = house.ask(ALICE);
    let request = house.authority.next().await;
    fs::remove_dir_all(&directory).unwrap();
    request.grant(&hour_and("access-1", "refresh-1"));
    login.await.unwrap().expect("the access token is good");

    house.pass(3600);
    let refusal = house.at_once().await.unwrap_err();
    assert_eq!(refusal.cause, Cause::Misconfigured);
    assert!(refusal.explain().contains("can't write"), "{refusal}");

    fs::create_dir(&directory).unwrap();
    let login = house.ask(ALICE);
    let request = house.authority.next().await;
    assert_eq!(request.form["refresh_token"], "refresh-1");
    assert_eq!(house.stored().as_deref(), Some("refresh-1"));
    request.grant(&hour("access-2"));
    login.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_damaged_record_costs_its_mailbox_alone_a_sign_in() {
    let mut house = House::new("refresh_token").await;
    house.seed = None;
    sign_in(&house, "refresh-1");
    let path = house.state.path().join("tokens").join(format!("{ALICE}.json"));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let refusal = house.at_once().await.unwrap_err();
    assert_eq!(refusal.cause, Cause::Misconfigured);
    assert!(refusal.explain().contains(".json.damaged"), "{refusal}");
    assert_eq!(house.at_once().await.unwrap_err().cause, Cause::SignInNeeded);
}

#[tokio::test]
async fn no_secret_is_in_what_can_be_printed() {
    let mut house = House::new("refresh_token").await;
    let echo = format!(
        r#"{{"error":"invalid_request refresh-0","error_description":"no such {CLIENT_SECRET}, refresh-0"}}"#
    );
    let refusal = house.refused(400, "", &echo).await;
    house.pass(60);
    let bearer = house.granted(&hour_and("access-1", "refresh-1")).await;
    let printed = format!("{refusal:?} {refusal} {bearer:?} {:?}", house.provider);
    for secret in [CLIENT_SECRET, "refresh-0", "refresh-1", "access-1"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    assert!(printed.contains("[secret]"));
}
