//! Sign-ins over weeks, and logins in crowds: the token engine against an authority over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "keep_alive/authority.rs"]
mod authority;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use authority::Authority;
use gatepost::mailbox::{Mailbox, Margin, Provider, Service};
use gatepost::oauth::{Application, Grant};
use gatepost::proto::{Refusal, Security};
use gatepost::secret::Secret;
use gatepost::store::{Record, Store};
use gatepost::tokens::{Bearer, Limits, Origin, Tokens, http_client};
use tempfile::TempDir;
use tokio::task::JoinSet;

const SCOPE: &str = "https://outlook.office365.com/IMAP.AccessAsUser.All offline_access";
const ALICE: &str = "alice@contoso.example";
const DAY: u64 = 24 * 3600;

/// An engine, its authority, its clock and its store.
struct House {
    authority: Authority,
    tokens: Tokens,
    provider: Arc<Provider>,
    clock: Arc<Mutex<SystemTime>>,
    state: TempDir,
}

impl House {
    async fn new() -> Self {
        let authority = Authority::start().await;
        let provider = provider(authority.token_endpoint());
        let state = TempDir::new().unwrap();
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock = Arc::new(Mutex::new(start));
        let tokens = engine(&state, &clock);
        Self { authority, tokens, provider, clock, state }
    }

    /// As after a restart: nothing but the state directory is left.
    fn restart(&mut self) {
        self.tokens = engine(&self.state, &self.clock);
    }

    fn pass(&self, seconds: u64) {
        *self.clock.lock().unwrap() += Duration::from_secs(seconds);
    }

    fn store(&self) -> Store {
        Store::open(self.state.path()).unwrap()
    }

    /// What a sign-in leaves in the store, from whichever process.
    fn sign_in(&self, mailbox: &str, refresh_token: &str) {
        let application = &self.provider.application;
        let record = Record {
            mailbox: mailbox.to_owned(),
            token_endpoint: application.token_endpoint.clone(),
            client_id: application.client_id.clone(),
            refresh_token: Secret::from(refresh_token),
            seed: None,
            refreshed_at: *self.clock.lock().unwrap(),
        };
        self.store().save(&record).unwrap();
    }

    async fn bearer(&self, mailbox: &str, margin: Margin) -> Result<Bearer, Refusal> {
        self.tokens.bearer(&self.provider, mailbox, None, SCOPE, margin).await
    }

    fn mailbox(&self, address: &str) -> Arc<Mailbox> {
        Arc::new(Mailbox::new(address, Arc::clone(&self.provider)))
    }

    async fn keep_alive(&self, mailboxes: &[Arc<Mailbox>]) -> usize {
        self.tokens.keep_alive(mailboxes, Duration::ZERO).await
    }

    fn stored(&self, mailbox: &str) -> String {
        self.store().load(mailbox).unwrap().unwrap().refresh_token.reveal().clone()
    }
}

fn provider(token_endpoint: String) -> Arc<Provider> {
    let service = Service {
        protocol: "imap",
        host: "outlook.office365.com".to_owned(),
        port: 993,
        security: Security::Implicit,
        scope: SCOPE.to_owned(),
    };
    Arc::new(Provider {
        name: "people".to_owned(),
        application: Arc::new(Application {
            token_endpoint,
            client_id: "app".to_owned(),
            ..Application::default()
        }),
        grant: Grant::named("refresh_token").unwrap(),
        services: vec![service],
    })
}

fn engine(state: &TempDir, clock: &Arc<Mutex<SystemTime>>) -> Tokens {
    let limits = Limits::default();
    let store = Store::open(state.path()).unwrap();
    let clock = Arc::clone(clock);
    let now = Arc::new(move || *clock.lock().unwrap());
    Tokens::with_clock(http_client(tls(), &limits, None).unwrap(), store, limits, now)
}

fn tls() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

fn minutes(minutes: u64) -> Margin {
    Margin::Least(Duration::from_secs(minutes * 60))
}

#[tokio::test]
async fn an_unused_sign_in_is_renewed_weekly_whatever_restarts() {
    let mut house = House::new().await;
    house.sign_in(ALICE, "refresh-0");
    let mailboxes = [house.mailbox(ALICE)];
    for week in 1..=20 {
        for _ in 0..2 {
            house.pass(3 * DAY - 100);
            house.restart();
            assert_eq!(house.keep_alive(&mailboxes).await, 0);
        }
        house.pass(DAY + 200);
        assert_eq!(house.keep_alive(&mailboxes).await, 1);
        assert_eq!(house.authority.requests(), week);
        assert_eq!(house.keep_alive(&mailboxes).await, 0);
    }
}

#[tokio::test]
async fn a_sign_in_in_use_costs_no_request_of_its_own() {
    let house = House::new().await;
    house.sign_in(ALICE, "refresh-0");
    for _ in 0..20 {
        house.pass(3 * DAY);
        house.bearer(ALICE, minutes(5)).await.unwrap();
        assert_eq!(house.keep_alive(&[house.mailbox(ALICE)]).await, 0);
    }
    assert_eq!(house.authority.requests(), 20);
}

/// Google gives the same refresh token for life, and no new one with an access token.
#[tokio::test]
async fn a_refresh_token_that_is_never_replaced_is_still_known_to_be_used() {
    let house = House::new().await;
    house.authority.keep_refresh_tokens();
    house.sign_in(ALICE, "refresh-0");
    for week in 1..=3 {
        house.pass(8 * DAY);
        assert_eq!(house.keep_alive(&[house.mailbox(ALICE)]).await, 1);
        assert_eq!(house.keep_alive(&[house.mailbox(ALICE)]).await, 0);
        assert_eq!(house.authority.requests(), week);
        assert_eq!(house.stored(ALICE), "refresh-0");
    }
}

#[tokio::test]
async fn mailboxes_that_signed_in_together_are_renewed_apart() {
    let house = House::new().await;
    let addresses: Vec<String> = (0..200).map(|n| format!("box{n}@contoso.example")).collect();
    let mailboxes: Vec<_> = addresses.iter().map(|address| house.mailbox(address)).collect();
    for address in &addresses {
        house.sign_in(address, "refresh");
    }
    house.pass(6 * DAY);
    let mut hours = Vec::new();
    for _ in 0..24 {
        house.pass(3600);
        hours.push(house.keep_alive(&mailboxes).await);
    }
    assert_eq!(hours.iter().sum::<usize>(), 200);
    assert!(hours.iter().all(|renewed| *renewed < 40), "{hours:?}");
}

#[tokio::test]
async fn who_has_no_sign_in_or_a_dead_one_is_left_alone() {
    let house = House::new().await;
    assert_eq!(house.keep_alive(&[house.mailbox(ALICE)]).await, 0);
    assert_eq!(house.authority.requests(), 0);

    house.sign_in(ALICE, "dead");
    house.pass(8 * DAY);
    for _ in 0..3 {
        assert_eq!(house.keep_alive(&[house.mailbox(ALICE)]).await, 0);
    }
    assert_eq!(house.authority.requests(), 1);
}

#[tokio::test]
async fn an_imap_session_begins_with_more_than_half_a_life_left() {
    let house = House::new().await;
    house.sign_in(ALICE, "refresh-0");
    for _ in 0..50 {
        let bearer = house.bearer(ALICE, Margin::Half).await.unwrap();
        let left = bearer.expires_at.duration_since(*house.clock.lock().unwrap()).unwrap();
        assert!(left > Duration::from_secs(1800), "{left:?}");
        house.pass(601);
    }
    assert_eq!(house.authority.requests(), 17);
}

#[tokio::test]
async fn the_high_volume_service_gets_a_quarter_of_an_hour() {
    let house = House::new().await;
    house.sign_in(ALICE, "refresh-0");
    for _ in 0..50 {
        let bearer = house.bearer(ALICE, minutes(15)).await.unwrap();
        let left = bearer.expires_at.duration_since(*house.clock.lock().unwrap()).unwrap();
        assert!(left >= Duration::from_secs(900), "{left:?}");
        house.tokens.finish().await;
        house.pass(601);
    }
}

#[tokio::test]
async fn a_sign_in_by_another_process_is_taken_up_without_a_restart() {
    let house = House::new().await;
    house.bearer(ALICE, minutes(5)).await.unwrap_err();
    house.sign_in(ALICE, "dead");
    house.bearer(ALICE, minutes(5)).await.unwrap_err();
    assert_eq!(house.authority.requests(), 1);
    // Also within the minute in which the authority's no is repeated.
    house.sign_in(ALICE, "blocked");
    for _ in 0..3 {
        house.bearer(ALICE, minutes(5)).await.unwrap_err();
    }
    assert_eq!(house.authority.requests(), 2);
    house.sign_in(ALICE, "refresh-0");
    house.bearer(ALICE, minutes(5)).await.unwrap();
}

#[tokio::test]
async fn a_sign_in_during_a_renewal_stays() {
    let house = House::new().await;
    house.sign_in(ALICE, "refresh-0");
    house.authority.hold();
    let renewal = house.bearer(ALICE, minutes(5));
    let sign_in = async {
        house.authority.arrived(1).await;
        house.sign_in(ALICE, "signed-in");
        house.authority.release();
    };
    tokio::join!(renewal, sign_in).0.unwrap();
    assert_eq!(house.stored(ALICE), "signed-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_logins_to_one_mailbox_are_one_request() {
    let house = Arc::new(House::new().await);
    house.sign_in(ALICE, "refresh-0");
    let mut logins = JoinSet::new();
    for _ in 0..1000 {
        let house = Arc::clone(&house);
        logins.spawn(async move { house.bearer(ALICE, Margin::Half).await.unwrap() });
    }
    let bearers = logins.join_all().await;
    assert_eq!(house.authority.requests(), 1);
    assert!(bearers.iter().all(|bearer| bearer.token == bearers[0].token));
}

/// With 300 ms a request, a thousand of them in less than 5 s are 60 and more at once. Here all of them
/// are: none is answered before the last has come.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_mailboxes_wait_for_the_authority_together() {
    let house = Arc::new(House::new().await);
    let addresses: Vec<String> = (0..1000).map(|n| format!("box{n}@contoso.example")).collect();
    for address in &addresses {
        house.sign_in(address, "refresh-0");
    }
    house.authority.hold();
    let start = Instant::now();
    let mut logins = JoinSet::new();
    for address in addresses {
        let house = Arc::clone(&house);
        logins.spawn(async move { house.bearer(&address, Margin::Half).await.unwrap() });
    }
    house.authority.arrived(1000).await;
    house.authority.release();
    assert_eq!(logins.join_all().await.len(), 1000);
    assert_eq!(house.authority.requests(), 1000);
    println!("1000 cold tokens, rotated and on disk: {:?}", start.elapsed());
}

#[tokio::test]
async fn a_hanging_authority_delays_nobody_who_has_a_token() {
    let house = House::new().await;
    house.sign_in(ALICE, "refresh-0");
    house.bearer(ALICE, minutes(5)).await.unwrap();
    house.authority.hold();
    // Due for renewal, and below what IMAP would rather have.
    house.pass(1900);
    for margin in [minutes(5), minutes(15), Margin::Half] {
        let bearer = tokio::time::timeout(Duration::from_secs(10), house.bearer(ALICE, margin));
        assert_eq!(bearer.await.unwrap().unwrap().origin, Origin::Cached);
    }
    house.authority.arrived(2).await;
    assert_eq!(house.authority.requests(), 2);
}
