//! Who is told what needs a person: programs and webhooks, once for each event.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gatepost::config::Config;
use gatepost::mailbox::{Margin, Provider};
use gatepost::notice::expiry::{Date, Expiries, Expiry, Proof};
use gatepost::notice::{Event, Hook, Hooks, Notices};
use gatepost::oauth::{Application, Class, Failure, Grant};
use gatepost::secret::Secret;
use gatepost::store::{Announced, Record, Store};
use gatepost::tokens::{Http, Limits, Tokens, http_client};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const ALICE: &str = "alice@contoso.example";
const DAY: u64 = 24 * 3600;

fn http() -> Http {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    http_client(tls, &Limits::default(), None).unwrap()
}

fn start(state: &Path, hook: &Hook) -> Notices {
    let hooks =
        Hooks { on_sign_in_needed: Some(hook.clone()), on_secret_expiring: Some(hook.clone()) };
    Notices::start(hooks, Arc::new(Announced::open(state)), http().usual())
}

fn sign_in_needed(mailbox: &str, token: &str) -> Event {
    let failure = Failure::new(Class::SignIn, "the sign-in has expired", "Sign in again");
    Event::sign_in_needed(mailbox, &failure, Some(&Secret::from(token)))
}

/// A webhook, and the bodies that were posted to it.
struct Webhook {
    url: String,
    posted: mpsc::UnboundedReceiver<Value>,
}

impl Webhook {
    /// Answers the first with these statuses, and the rest with 204.
    async fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/services/hunter2", listener.local_addr().unwrap());
        let (sender, posted) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut statuses = statuses.iter();
            while let Ok((mut stream, _)) = listener.accept().await {
                let body = body(&mut stream).await;
                let status = statuses.next().unwrap_or(&204);
                let reply = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                stream.write_all(reply.as_bytes()).await.unwrap();
                sender.send(body).unwrap();
            }
        });
        Self { url, posted }
    }

    fn hook(&self) -> Hook {
        Hook::Post(Secret::from(self.url.as_str()))
    }

    async fn next(&mut self) -> Value {
        self.posted.recv().await.unwrap()
    }
}

async fn body(stream: &mut tokio::net::TcpStream) -> Value {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let line = line.trim().to_ascii_lowercase();
        if let Some(text) = line.strip_prefix("content-length: ") {
            length = text.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Waits until what `notices` has told about a subject stands in the state directory.
async fn noted(state: &Path, subject: &str) {
    while !Announced::open(state).knows(subject) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_event_is_told_once_also_across_restarts_until_another_sign_in_ends() {
    let state = TempDir::new().unwrap();
    let mut webhook = Webhook::start(&[]).await;
    let notices = start(state.path(), &webhook.hook());
    for _ in 0..100 {
        notices.raise(sign_in_needed(ALICE, "one"));
    }
    let told = webhook.next().await;
    assert_eq!(told["event"], "sign_in_needed");
    assert_eq!(told["mailbox"], ALICE);
    assert_eq!(told["reason"], "the sign-in has expired");
    assert_eq!(told["advice"], "Sign in again");
    noted(state.path(), &Event::sign_in_subject(ALICE)).await;
    notices.raise(sign_in_needed(ALICE, "one"));
    drop(notices);

    let notices = start(state.path(), &webhook.hook());
    notices.raise(sign_in_needed(ALICE, "one"));
    notices.raise(sign_in_needed("bob@contoso.example", "one"));
    notices.raise(sign_in_needed(ALICE, "two"));
    assert_eq!(webhook.next().await["mailbox"], "bob@contoso.example");
    assert_eq!(webhook.next().await["mailbox"], ALICE);
    assert!(webhook.posted.try_recv().is_err());
}

#[tokio::test]
async fn what_is_over_is_told_again_when_it_happens_again() {
    let state = TempDir::new().unwrap();
    let mut webhook = Webhook::start(&[]).await;
    let notices = start(state.path(), &webhook.hook());
    let subject = Event::sign_in_subject(ALICE);
    for _ in 0..2 {
        notices.raise(sign_in_needed(ALICE, "one"));
        webhook.next().await;
        noted(state.path(), &subject).await;
        notices.over(&subject);
        while Announced::open(state.path()).knows(&subject) {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_webhook_that_fails_is_not_taken_for_told_and_does_not_keep_others() {
    let state = TempDir::new().unwrap();
    let mut webhook = Webhook::start(&[500]).await;
    let notices = start(state.path(), &webhook.hook());
    notices.raise(sign_in_needed(ALICE, "one"));
    notices.raise(sign_in_needed("bob@contoso.example", "one"));
    assert_eq!(webhook.next().await["mailbox"], ALICE);
    assert_eq!(webhook.next().await["mailbox"], "bob@contoso.example");
    noted(state.path(), &Event::sign_in_subject("bob@contoso.example")).await;
    assert!(!Announced::open(state.path()).knows(&Event::sign_in_subject(ALICE)));
    // Not within the hour, but after a restart.
    notices.raise(sign_in_needed(ALICE, "one"));
    let notices = start(state.path(), &webhook.hook());
    notices.raise(sign_in_needed(ALICE, "one"));
    assert_eq!(webhook.next().await["mailbox"], ALICE);
    assert!(webhook.posted.try_recv().is_err());
}

/// A program with this body.
fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("hook");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[tokio::test]
async fn a_program_is_given_json_its_arguments_and_an_environment_without_secrets() {
    let state = TempDir::new().unwrap();
    let out = state.path().join("out");
    let script = script(
        state.path(),
        "{ echo \"$1\"; cat; echo; env; } > \"$2.new\" && mv \"$2.new\" \"$2\"",
    );
    let words = [script.as_os_str(), "two words; $(touch x)".as_ref(), out.as_os_str()];
    let words = words.map(|word| word.to_str().unwrap().to_owned()).to_vec();
    let notices = start(state.path(), &Hook::Run(words));
    notices.raise(sign_in_needed(ALICE, "one"));
    noted(state.path(), &Event::sign_in_subject(ALICE)).await;

    let told = fs::read_to_string(&out).unwrap();
    let mut lines = told.lines();
    assert_eq!(lines.next(), Some("two words; $(touch x)"));
    let json: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(json["mailbox"], ALICE);
    let environment: HashSet<&str> = lines.collect();
    for line in [
        "GATEPOST_EVENT=sign_in_needed",
        "GATEPOST_MAILBOX=alice@contoso.example",
        "GATEPOST_REASON=the sign-in has expired",
        "GATEPOST_ADVICE=Sign in again",
    ] {
        assert!(environment.contains(line), "{line} in {environment:?}");
    }
    assert!(!told.contains("CARGO"), "{told}");
}

#[tokio::test]
async fn a_program_that_fails_or_is_not_there_is_not_taken_for_told() {
    let state = TempDir::new().unwrap();
    let failing = script(state.path(), "exit 3").display().to_string();
    for words in [vec![failing], vec!["/nowhere/at/all".to_owned()]] {
        let mut webhook = Webhook::start(&[]).await;
        let hooks = Hooks {
            on_sign_in_needed: Some(Hook::Run(words)),
            on_secret_expiring: Some(webhook.hook()),
        };
        let notices =
            Notices::start(hooks, Arc::new(Announced::open(state.path())), http().usual());
        notices.raise(sign_in_needed(ALICE, "one"));
        // Told after it, so that it has been tried.
        let date = Date { year: 2027, month: 3, day: 1 };
        let expiry = Expiry { provider: "contoso".to_owned(), proof: Proof::Secret, date };
        notices.raise(Event::secret_expiring(&expiry, 6, 7));
        assert_eq!(webhook.next().await["days_left"], 6);
        assert!(!Announced::open(state.path()).knows(&Event::sign_in_subject(ALICE)));
        fs::remove_file(state.path().join("announced")).ok();
    }
}

#[tokio::test]
async fn a_client_secret_is_announced_thirty_seven_and_one_day_ahead_and_at_its_end() {
    let state = TempDir::new().unwrap();
    let mut webhook = Webhook::start(&[]).await;
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(20_878 * DAY);
    let date = Date { year: 2027, month: 3, day: 1 };
    let mut told = Vec::new();
    for hours in (0..40 * 24).step_by(6) {
        // Each time as after a restart.
        let announced = Arc::new(Announced::open(state.path()));
        let hooks = Hooks { on_secret_expiring: Some(webhook.hook()), ..Hooks::default() };
        let notices = Notices::start(hooks, Arc::clone(&announced), http().usual());
        let expiry = Expiry { provider: "contoso".to_owned(), proof: Proof::Secret, date };
        let expiries = Expiries::new(vec![expiry], announced, notices);
        let now = end - Duration::from_secs(35 * DAY) + Duration::from_secs(hours * 3600);
        if expiries.announce(now) > 0 {
            let event = webhook.next().await;
            assert_eq!(event["provider"], "contoso");
            assert_eq!(event["expires"], "2027-03-01");
            told.push(event["days_left"].as_u64().unwrap());
            while !fs::read_to_string(state.path().join("announced")).unwrap().contains("\"client")
            {
                tokio::task::yield_now().await;
            }
            let stage = format!("2027-03-01, {} days", event["days_left"]);
            while !Announced::open(state.path()).has("client secret of contoso", &stage) {
                tokio::task::yield_now().await;
            }
        }
    }
    assert_eq!(told, [30, 7, 1, 0]);
    assert!(webhook.posted.try_recv().is_err());
}

/// From the authority's no to the hook.
#[tokio::test]
async fn a_dead_sign_in_is_told_and_a_new_one_settles_it() {
    let state = TempDir::new().unwrap();
    let mut webhook = Webhook::start(&[]).await;
    let authority = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token_endpoint = format!("http://{}/token", authority.local_addr().unwrap());
    tokio::spawn(async move {
        for body in [
            r#"{"error":"invalid_grant","error_codes":[700082],"error_description":"AADSTS700082: refresh-secret-0"}"#,
            r#"{"expires_in":3600,"access_token":"access-secret","refresh_token":"refresh-secret-2"}"#,
        ] {
            let (mut stream, _) = authority.accept().await.unwrap();
            let mut request = vec![0; 4096];
            while !String::from_utf8_lossy(&request).contains("refresh-secret") {
                assert_ne!(stream.read(&mut request).await.unwrap(), 0);
            }
            let status = if body.contains("error") { 400 } else { 200 };
            let length = body.len();
            let reply = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    let provider = Provider {
        name: "people".to_owned(),
        application: Arc::new(Application {
            token_endpoint: token_endpoint.clone(),
            client_id: "app".to_owned(),
            ..Application::default()
        }),
        grant: Grant::named("refresh_token").unwrap(),
        services: Vec::new(),
        graph: None,
    };
    let record = |token: &str| Record {
        mailbox: ALICE.to_owned(),
        token_endpoint: token_endpoint.clone(),
        client_id: "app".to_owned(),
        refresh_token: Secret::from(token),
        seed: None,
        refreshed_at: SystemTime::now(),
    };
    let store = Store::open(state.path().join("sign-ins")).unwrap();
    store.save(&record("refresh-secret-0")).unwrap();
    let notices = start(state.path(), &webhook.hook());
    let clock = Arc::new(SystemTime::now);
    let tokens = Tokens::with_notices(http(), store.clone(), Limits::default(), (clock, notices));
    for _ in 0..3 {
        tokens.bearer(&provider, ALICE, None, "scope", Margin::Half).await.unwrap_err();
    }
    let told = webhook.next().await;
    assert_eq!(told["mailbox"], ALICE);
    assert!(!told.to_string().contains("secret"), "{told}");
    let subject = Event::sign_in_subject(ALICE);
    noted(state.path(), &subject).await;

    store.save(&record("refresh-secret-1")).unwrap();
    tokens.bearer(&provider, ALICE, None, "scope", Margin::Half).await.unwrap();
    while Announced::open(state.path()).knows(&subject) {
        tokio::task::yield_now().await;
    }
    assert!(webhook.posted.try_recv().is_err());
}

const CONFIG: &str = r#"state_directory = "state"
[[listener]]
protocol = "imap"
address = "127.0.0.1:0"
tls = "none"
[provider.contoso]
preset = "microsoft"
tenant = "contoso.example"
client_id = "app"
grant = "refresh_token"
client_secret_expires = 2027-03-01
[[mailbox]]
address = "alice@contoso.example"
provider = "contoso"
password_hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"
[hooks]
on_sign_in_needed = ["page", "the admins"]
on_secret_expiring = "https://hooks.contoso.example/hunter2"
"#;

fn load(text: &str) -> Result<Config, String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    Config::load(&path).map_err(|error| error.to_string())
}

#[test]
fn the_configuration_says_who_is_told() {
    let config = load(CONFIG).unwrap();
    let Some(Hook::Run(words)) = config.hooks.on_sign_in_needed else { panic!("no program") };
    assert_eq!(words, ["page", "the admins"]);
    let Some(hook @ Hook::Post(_)) = config.hooks.on_secret_expiring else { panic!("no webhook") };
    assert!(!format!("{hook:?}").contains("hunter2"));
    let date = Date { year: 2027, month: 3, day: 1 };
    assert_eq!(
        config.expiries,
        [Expiry { provider: "contoso".to_owned(), proof: Proof::Secret, date }]
    );
}

#[test]
fn what_is_no_hook_and_no_date_is_said() {
    for (part, instead, said) in [
        ("2027-03-01", "\"2027-03-01\"", "without quotes, as in 2027-03-01"),
        ("2027-03-01", "12:30:00", "without quotes, as in 2027-03-01"),
        ("[\"page\", \"the admins\"]", "[]", "names nothing to tell"),
        ("[\"page\", \"the admins\"]", "\"\"", "names nothing to tell"),
        ("https://hooks", "ftp://hooks", "one https://… URL"),
        ("on_sign_in_needed", "on_signin_needed", "did you mean \"on_sign_in_needed\"?"),
    ] {
        let error = load(&CONFIG.replace(part, instead)).err().unwrap();
        assert!(error.contains(said), "{instead}: {error}");
    }
}
