//! A tour of everything that handles a secret, and a search for it afterwards.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gatepost::config::Config;
use gatepost::mailbox::{Devices, Visit};
use gatepost::sasl::Login;
use gatepost::store::Store;
use gatepost_standin::{AuthorityFailure, Knobs, Standin};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::journal::Journal;
use super::rig::{ADDRESS, Difference, PASSWORD, PUBLIC_APP, Rig, signed_in};

const WRONG: &str = "opensesame-opensesame";
const CLIENT_SECRET: &str = "standin-secret-value";

/// What was sent to clients, and the secrets that must not be in it.
#[derive(Default)]
struct Evidence {
    heard: String,
    secrets: Vec<String>,
}

impl Evidence {
    /// A dialogue of any protocol over a connection of its own; whatever is answered is kept.
    async fn talk(&mut self, rig: &Rig, protocol: &str, lines: &[String]) {
        let mut client = rig.client(protocol).await;
        self.heard += &client.line().await;
        for line in lines {
            client.say(line).await;
            // Without the tag, which is the client's own word.
            let answer = client.line().await;
            self.heard += answer.split_once(' ').map_or("", |(_tag, answer)| answer);
        }
        let quit = if protocol == "imap" { "z LOGOUT" } else { "QUIT" };
        client.say(quit).await;
        self.heard += &String::from_utf8_lossy(&client.rest().await);
    }

    /// Logins of each kind, with the right password, a wrong one, and nonsense around both.
    async fn logins(&mut self, rig: &Rig) {
        for password in [PASSWORD, WRONG] {
            let plain = STANDARD.encode(format!("\0scanner\0{password}"));
            let encoded = STANDARD.encode(password);
            let length = password.len();
            for lines in [
                vec![format!("a LOGIN scanner \"{password}\"")],
                vec![format!("a LOGIN scanner {{{length}}}"), password.to_owned()],
                vec![format!("a AUTHENTICATE PLAIN {plain}")],
                vec!["a AUTHENTICATE LOGIN".into(), "c2Nhbm5lcg==".into(), encoded.clone()],
                vec![format!("a LOGIN scanner {password} {password}")],
                vec![format!("a AUTHENTICATE PLAIN {plain}!")],
                vec![
                    "a AUTHENTICATE CRAM-MD5".into(),
                    plain.clone(),
                    encoded.clone(),
                    password.into(),
                ],
                vec![
                    format!("{plain} {password}"),
                    format!("{encoded} {plain}"),
                    format!("{password} x"),
                ],
            ] {
                self.talk(rig, "imap", &lines).await;
            }
            for lines in [
                vec![
                    "EHLO x".to_owned(),
                    format!("AUTH PLAIN {plain}"),
                    format!("AUTH PLAIN {plain}"),
                ],
                vec!["HELO x".into(), "AUTH LOGIN".into(), "c2Nhbm5lcg==".into(), encoded.clone()],
                vec![
                    "HELO x".into(),
                    format!("AUTH PLAIN {plain}!"),
                    format!("AUTH CRAM-MD5 {plain}"),
                ],
                vec!["HELO x".into(), plain.clone(), encoded.clone(), password.into()],
                vec![
                    "HELO x".into(),
                    format!("USER {plain}"),
                    format!("PASS {password}"),
                    format!("AUTH {password} {plain}"),
                ],
            ] {
                self.talk(rig, "smtp", &lines).await;
            }
        }
    }

    /// The tokens that the stand-in was shown.
    fn learn_tokens(&mut self, rig: &Rig) {
        for line in rig.said_upstream() {
            let word = line.rsplit(' ').next().unwrap();
            let Ok(decoded) = STANDARD.decode(word) else { continue };
            let decoded = String::from_utf8_lossy(&decoded).into_owned();
            if let Some((_, token)) = decoded.split_once("auth=Bearer ") {
                self.secrets.push(token.trim_end_matches('\u{1}').to_owned());
                self.secrets.push(word.to_owned());
            }
        }
    }

    fn learn_refresh_tokens(&mut self, rig: &Rig) {
        let store = Store::open(rig.state().join("state/sign-ins")).unwrap();
        let Some(record) = store.load(ADDRESS).unwrap() else { return };
        self.secrets.push(record.refresh_token.reveal().clone());
        let key = std::fs::read_to_string(rig.state().join("state/sign-ins/store.key")).unwrap();
        self.secrets.push(key.trim_end().to_owned());
    }

    /// Every secret in every form that it travels in.
    fn forms(&self) -> Vec<String> {
        let mut forms = Vec::new();
        for secret in &self.secrets {
            // A tenth of a long token is too much already.
            forms.extend(pieces(secret));
            for shift in 0..3 {
                // In the middle of something else: what stands before decides the digits.
                let shifted = format!("{}{secret}", "\0".repeat(shift));
                for encoded in [STANDARD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
                    let inner = &encoded[4.min(encoded.len() / 4)..encoded.len() - 4];
                    forms.extend(pieces(inner));
                }
            }
        }
        forms.retain(|form| form.len() >= 8);
        forms
    }

    fn is_not_in(&self, text: &str, place: &str) {
        let forms: std::collections::BTreeSet<_> = self.forms().into_iter().collect();
        for form in forms {
            if let Some(at) = text.find(form.as_str()) {
                let from = text[..at].rfind('\n').map_or(0, |at| at + 1);
                let line: String = text[from..].chars().take(600).collect();
                panic!("{form:?} is in {place}: {line}");
            }
        }
    }
}

/// The whole of something short; of something long its beginning, middle and end.
fn pieces(secret: &str) -> Vec<String> {
    const PIECE: usize = 60;
    if secret.len() <= 2 * PIECE {
        return vec![secret.to_owned()];
    }
    let places = [0, secret.len() / 2, secret.len() - PIECE];
    places.into_iter().filter_map(|at| secret.get(at..at + PIECE)).map(str::to_owned).collect()
}

fn troubles() -> Vec<fn(&mut Knobs)> {
    vec![
        |_| {},
        |k| k.imap_not_connected = true,
        |k| k.imap_throttled = Some(1),
        |k| k.imap_unavailable = true,
        |k| k.drop_after_auth = true,
        |k| k.imap_greeting = Some("garbage".into()),
        |k| k.smtp_auth_disabled_tenant = true,
        |k| k.smtp_auth_reply = Some("535 5.7.3 Authentication unsuccessful".into()),
        |k| k.smtp_auth_reply = Some("nonsense".into()),
        |k| k.smtp_inject_after_starttls = Some(b"250 x\r\n".to_vec()),
        |k| k.google = true,
        |k| k.token_padding = 5000,
        |k| k.opaque_tokens = true,
        |k| k.authority_oversize = true,
        |k| k.authority_aadsts = Some(7_000_215),
        |k| k.authority_aadsts = Some(50_173),
        |k| k.authority_failure = Some(echo(400)),
        |k| k.authority_failure = Some(echo(200)),
        |k| k.authority_failure = Some(echo(503)),
    ]
}

/// An authority that repeats what it was sent.
fn echo(status: u16) -> AuthorityFailure {
    let body = format!(
        r#"{{"error":"invalid_client {CLIENT_SECRET}","error_description":"AADSTS7000215: the secret {CLIENT_SECRET} is wrong","error_codes":[7000215],"correlation_id":"{CLIENT_SECRET}"}}"#
    );
    AuthorityFailure { status, body, retry_after: None, times: None }
}

/// One trouble under one grant: what was said to clients, and what was written down.
async fn turn(trouble: fn(&mut Knobs), grant: &str) -> (Evidence, String) {
    let mut evidence = Evidence::default();
    let standin = Standin::start().await.unwrap();
    let seed = standin.mint_refresh_token(PUBLIC_APP, ADDRESS);
    trouble(&mut standin.knobs());
    // The waits behind failed logins have tests of their own.
    let tables = "[limits]\nbad_commands = 2\n[timeouts]\nlogin_delay = \"1s\"\n";
    let difference = match grant {
        "refresh_token" => {
            // The application has no other secret.
            if let Some(failure) = &mut standin.knobs().authority_failure {
                failure.body = failure.body.replace(CLIENT_SECRET, &seed);
            }
            Difference { tables, ..signed_in(&seed) }
        }
        _ => Difference { tables, ..Difference::default() },
    };
    evidence.secrets.push(seed);
    let rig = Rig::with(standin, &difference).await;
    evidence.logins(&rig).await;
    rig.standin.revoke_tokens();
    let login = format!("a LOGIN scanner \"{PASSWORD}\"");
    evidence.talk(&rig, "imap", &[login]).await;
    evidence.learn_tokens(&rig);
    evidence.learn_refresh_tokens(&rig);
    let written = rig.journal.text();
    rig.stop().await;
    (evidence, written)
}

#[test]
fn no_secret_is_written_down_or_told() {
    // Other threads than the turns': where passwords are checked and files written.
    let elsewhere = Journal::default();
    tracing::subscriber::set_global_default(elsewhere.subscriber()).unwrap();
    let mut written = String::new();
    let mut evidence = Evidence::default();
    evidence.secrets.extend([PASSWORD, WRONG, CLIENT_SECRET].map(str::to_owned));
    // Most of a turn is waiting behind failed logins. Each has a thread, since its journal is the
    // thread's.
    std::thread::scope(|scope| {
        let turns: Vec<_> = troubles()
            .into_iter()
            .flat_map(|trouble| {
                ["client_credentials", "refresh_token"].map(|grant| (trouble, grant))
            })
            .map(|(trouble, grant)| {
                scope.spawn(move || {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_all().build();
                    runtime.unwrap().block_on(turn(trouble, grant))
                })
            })
            .collect();
        for turn in turns {
            let (turn, lines) = turn.join().unwrap();
            written += &lines;
            evidence.heard += &turn.heard;
            evidence.secrets.extend(turn.secrets);
        }
    });
    written += &elsewhere.text();
    assert!(written.contains("LoginRejected") && written.contains("got an access token"));
    assert!(evidence.secrets.iter().any(|secret| secret.starts_with("eyJ")), "no token was seen");
    evidence.is_not_in(&written, "the journal");
    evidence.is_not_in(&evidence.heard, "an answer");
}

/// A mail host out of step takes the token for a command and repeats it.
#[tokio::test]
async fn a_token_that_the_upstream_repeats_is_not_passed_on() {
    for (protocol, greeting, script) in [
        (
            "imap",
            "* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] hi",
            "g2 BAD Unknown command '{}'",
        ),
        ("smtp", "220 hi", "500 5.3.3 Unrecognized command '{}'"),
    ] {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = door.local_addr().unwrap().port();
        let shown = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&shown);
        tokio::spawn(async move {
            let (stream, _) = door.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            stream.write_all(format!("{greeting}\r\n").as_bytes()).await.unwrap();
            let mut line = String::new();
            while stream.read_line(&mut line).await.unwrap() > 0 {
                let word = line.trim().rsplit(' ').next().unwrap().to_owned();
                let answer = match line.split(' ').next().unwrap() {
                    "EHLO" => "250-hi\r\n250 AUTH XOAUTH2".to_owned(),
                    "AUTH" => "334 ".to_owned(),
                    _ => {
                        seen.lock().unwrap().clone_from(&word);
                        script.replace("{}", &word)
                    }
                };
                stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
                line.clear();
            }
        });
        let service = format!("host = \"localhost\"\nport = {port}\nsecurity = \"plain\"");
        let difference =
            Difference { services: Some([service.clone(), service]), ..Difference::default() };
        let rig = Rig::with(Standin::start().await.unwrap(), &difference).await;
        let (_client, answer) = match protocol {
            "imap" => rig.imap().await,
            _ => rig.smtp().await,
        };
        let shown = shown.lock().unwrap().clone();
        let payload = String::from_utf8(STANDARD.decode(&shown).unwrap()).unwrap();
        assert!(payload.contains("auth=Bearer ey"), "{payload}");
        let piece = &shown[..40];
        assert!(!answer.concat().contains(piece), "{answer:?}");
        assert!(!rig.journal.text().contains(piece), "{}", rig.journal.text());
        rig.journal.tells("repeats the access token in its words, which are withheld");
        rig.stop().await;
    }
}

#[test]
fn what_prints_itself_prints_no_secret() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("config.toml");
    let text = format!(
        "name = \"gatepost.contoso.example\"\nstate_directory = \"state\"\n\
         [[listener]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:0\"\n\
         [provider.contoso]\npreset = \"microsoft\"\ntenant = \"contoso.example\"\nclient_id = \"x\"\n\
         grant = \"refresh_token\"\nclient_secret = \"{CLIENT_SECRET}\"\n\
         [[mailbox]]\naddress = \"{ADDRESS}\"\nprovider = \"contoso\"\nuser = \"scanner\"\n\
         password = \"{PASSWORD}\"\nrefresh_token = \"1.A-refresh-refresh\"\n"
    );
    std::fs::write(&path, text).unwrap();
    let config = Config::load(&path).unwrap_or_else(|error| panic!("{error}"));
    let login = Login::new("", "scanner", PASSWORD).unwrap();
    let visit =
        Visit { protocol: "imap", peer: Some([127, 0, 0, 1].into()), now: SystemTime::now() };
    let mailbox = config.directory.verify(&login, &visit, &Devices::default()).unwrap();
    let printed = format!("{login:?} {mailbox:?} {:?} {:#?}", config.providers, mailbox);
    assert!(printed.contains(ADDRESS) && printed.contains("contoso"));
    let mut evidence = Evidence::default();
    evidence.secrets.extend([PASSWORD, CLIENT_SECRET, "1.A-refresh-refresh"].map(str::to_owned));
    evidence.is_not_in(&printed, "what prints itself");
}
