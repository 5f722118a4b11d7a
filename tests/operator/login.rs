//! `gatepost login`: people sign in by every way, and nothing but their own answer counts.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use crate::desk::{Desk, Ended, PUBLIC_APP, Parts};
use crate::person::{Button, Person};
use gatepost::config::Config;
use gatepost::daemon::Daemon;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";
const DENIED: i32 = 77;

/// A mailbox of Alice's that nobody has signed in for.
fn parts(desk: &Desk) -> Parts {
    // The stand-in asks to be polled every five seconds, as Entra does; a test needn't.
    desk.standin.knobs().device_code_interval = Duration::from_secs(1);
    Parts {
        grant: format!("client_id = \"{PUBLIC_APP}\"\ngrant = \"refresh_token\""),
        address: ALICE.to_owned(),
        ..desk.parts()
    }
}

/// `gatepost login` under way.
struct Attempt {
    child: Child,
    out: BufReader<ChildStdout>,
    said: String,
}

impl Attempt {
    fn start(desk: &Desk, parts: &Parts, arguments: &[&str]) -> Self {
        desk.configure(parts);
        let mut command = desk.command(&[&["login"], arguments].concat());
        // A browser that opens nothing: the person reads the address instead.
        command.env("BROWSER", "true").stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, said: String::new() }
    }

    /// Reads on until `piece` has been said; the line that says it.
    async fn until(mut self, piece: &'static str) -> (Self, String) {
        spawn_blocking(move || {
            loop {
                let mut line = String::new();
                assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "{piece:?}: {}", self.said);
                self.said.push_str(&line);
                if line.contains(piece) {
                    return (self, line.trim().to_owned());
                }
            }
        })
        .await
        .unwrap()
    }

    fn type_in(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for the end.
    async fn end(mut self) -> Ended {
        spawn_blocking(move || {
            self.out.read_to_string(&mut self.said).unwrap();
            let output = self.child.wait_with_output().unwrap();
            Ended { out: self.said, ..Ended::of(&output) }
        })
        .await
        .unwrap()
    }
}

/// Whether the mailbox's sign-in gives tokens now.
async fn signed_in(desk: &Desk, mailbox: &str) -> bool {
    let ended = desk.run(&["token", mailbox]).await;
    assert!(ended.code == 0 || ended.code == DENIED, "{}", ended.err);
    ended.code == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_shown_and_waited_for() {
    let desk = Desk::set_up().await;
    let attempt = Attempt::start(&desk, &parts(&desk), &[ALICE]);
    let (attempt, code) = attempt.until("Enter").await;
    assert!(attempt.said.contains("with a code on any other device, since there is no screen"));
    assert!(desk.standin.approve_device(code.trim_start_matches("Enter").trim(), ALICE));
    let ended = attempt.end().await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("Signed in for alice@contoso.example."), "{}", ended.out);
    assert!(signed_in(&desk, ALICE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_declines_is_believed() {
    let desk = Desk::set_up().await;
    for rfc in [false, true] {
        desk.standin.knobs().device_code_rfc_errors = rfc;
        let attempt = Attempt::start(&desk, &parts(&desk), &["--device", ALICE]);
        let (attempt, code) = attempt.until("Enter").await;
        assert!(desk.standin.decline_device(code.trim_start_matches("Enter").trim()));
        let ended = attempt.end().await;
        assert_eq!(ended.code, DENIED, "{}", ended.err);
        assert!(ended.err.contains("declined"), "{}", ended.err);
    }
    assert!(!signed_in(&desk, ALICE).await);
}

/// What comes to the port before, and what a forger could send, neither ends the sign-in nor passes for
/// its end; the page says what is on disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_returns_and_strangers_change_nothing() {
    let desk = Desk::set_up().await;
    let person = Person::at(&desk);
    let attempt = Attempt::start(&desk, &parts(&desk), &["--browser", ALICE]);
    let (attempt, url) = attempt.until("https://").await;
    let place = person.sign_in(&url, ALICE, Button::SignIn).await;
    let (port, query) = place.split_once("/?").unwrap();
    let state = query.split('&').find(|field| field.starts_with("state=")).unwrap();

    for path in ["/favicon.ico", "/", "/?code=stolen", "/?state=x", "/?error=access_denied"] {
        assert_eq!(person.visit(&format!("{port}{path}")).await.0, 404, "{path}");
    }
    assert_eq!(person.post(&place).await.0, 404);
    for query in
        ["code=mine&state=wrong", "error=access_denied&state=wrong", "code=&state=x&state=y"]
    {
        let (status, page) = person.visit(&format!("{port}/?{query}")).await;
        assert_eq!(status, 400, "{query}");
        assert!(page.contains("Not this sign-in"), "{page}");
    }
    let (status, _) = person.visit(&format!("{port}/?code=&{state}")).await;
    assert_eq!(status, 400, "an answer without a code is none");
    assert_eq!(desk.standin.counters().authorization_code_requests.count(), 0);

    // IPv6 too, where this machine has it.
    let other = place.replace("localhost", "[::1]");
    let place = if person.finds(&other.replace(query, "")).await { other } else { place.clone() };
    let (status, page) = person.visit(&place).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("gatepost is signed in for alice@contoso.example"), "{page}");
    assert!(signed_in(&desk, ALICE).await, "the page is told after the token is on disk");

    let ended = attempt.end().await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(!person.finds(port).await, "the port is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_is_told_why_it_came_to_nothing() {
    let desk = Desk::set_up().await;
    let person = Person::at(&desk);

    // The authority refuses the code.
    let attempt = Attempt::start(&desk, &parts(&desk), &["--browser", ALICE]);
    let (attempt, url) = attempt.until("https://").await;
    let place = person.sign_in(&url, ALICE, Button::SignIn).await;
    desk.standin.knobs().authority_aadsts = Some(53003);
    let (status, page) = person.visit(&place).await;
    assert_eq!(status, 403);
    assert!(page.contains("Conditional Access blocks it"), "{page}");
    let ended = attempt.end().await;
    assert_eq!(ended.code, DENIED);
    assert!(ended.err.contains("AADSTS53003"), "{}", ended.err);
    desk.standin.knobs().authority_aadsts = None;

    // The person presses Cancel.
    let attempt = Attempt::start(&desk, &parts(&desk), &["--browser", ALICE]);
    let (attempt, url) = attempt.until("https://").await;
    let place = person.sign_in(&url, ALICE, Button::Cancel).await;
    let (status, page) = person.visit(&place).await;
    assert_eq!(status, 403);
    assert!(page.contains("declined"), "{page}");
    assert_eq!(attempt.end().await.code, DENIED);
    assert!(!signed_in(&desk, ALICE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_account_is_named_and_refused() {
    let desk = Desk::set_up().await;
    let person = Person::at(&desk);
    let attempt = Attempt::start(&desk, &parts(&desk), &["--browser", ALICE]);
    let (attempt, url) = attempt.until("https://").await;
    let (status, page) = person.visit(&person.sign_in(&url, BOB, Button::SignIn).await).await;
    assert_eq!(status, 403);
    assert!(page.contains("the account that signed in is bob@contoso.example"), "{page}");
    let ended = attempt.end().await;
    assert_eq!(ended.code, DENIED);
    for piece in ["bob@contoso.example, and not alice@contoso.example", "signed_in_as = \"bob@"] {
        assert!(ended.err.contains(piece), "{}", ended.err);
    }
    assert!(!signed_in(&desk, ALICE).await, "nothing was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegate_signs_in_where_the_mailbox_says_so() {
    let desk = Desk::set_up().await;
    let person = Person::at(&desk);
    let parts = Parts { mailbox: format!("signed_in_as = \"{BOB}\""), ..parts(&desk) };
    let attempt = Attempt::start(&desk, &parts, &["--browser", ALICE]);
    let (attempt, url) = attempt.until("https://").await;
    assert!(attempt.said.contains("The account to sign in with is bob@contoso.example"));
    assert!(url.contains("login_hint=bob%40contoso.example"), "{url}");
    let (status, page) = person.visit(&person.sign_in(&url, BOB, Button::SignIn).await).await;
    assert_eq!(status, 200, "{page}");
    assert!(attempt.end().await.out.contains("Signed in for alice@contoso.example as bob@"));
    assert!(signed_in(&desk, ALICE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_pasted_and_a_wrong_one_asked_for_again() {
    let desk = Desk::set_up().await;
    let person = Person::at(&desk);
    let attempt = Attempt::start(&desk, &parts(&desk), &["--paste", "device"]);
    let (mut attempt, url) = attempt.until("https://").await;
    let place = person.sign_in(&url, ALICE, Button::SignIn).await;
    attempt.type_in("http://localhost/?code=x&state=wrong");
    let (mut attempt, _) = attempt.until("Once more").await;
    attempt.type_in(&format!("  {place}  "));
    let ended = attempt.end().await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(signed_in(&desk, ALICE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_pasted_is_an_end() {
    let desk = Desk::set_up().await;
    let attempt = Attempt::start(&desk, &parts(&desk), &["--paste", ALICE]);
    let (mut attempt, _) = attempt.until("https://").await;
    drop(attempt.child.stdin.take());
    let ended = attempt.end().await;
    assert_eq!(ended.code, DENIED);
    assert!(ended.err.contains("no address was pasted"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn opaque_tokens_tell_the_account_by_the_id_token() {
    let desk = Desk::set_up().await;
    desk.standin.knobs().opaque_tokens = true;
    let attempt = Attempt::start(&desk, &parts(&desk), &["--device", ALICE]);
    let (attempt, code) = attempt.until("Enter").await;
    assert!(desk.standin.approve_device(code.trim_start_matches("Enter").trim(), BOB));
    let ended = attempt.end().await;
    assert_eq!(ended.code, DENIED, "{}", ended.out);
    assert!(ended.err.contains("bob@contoso.example, and not alice@"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_leaves_out_who_is_signed_in() {
    let desk = Desk::set_up().await;
    let token = desk.standin.mint_refresh_token(PUBLIC_APP, ALICE);
    let second = format!(
        "refresh_token = \"{token}\"\n[[mailbox]]\naddress = \"{BOB}\"\nprovider = \"contoso\"\npassword = \"x\""
    );
    let parts = Parts { mailbox: second, ..parts(&desk) };
    let attempt = Attempt::start(&desk, &parts, &["--all", "--device"]);
    let (attempt, _) = attempt.until("alice@contoso.example: signed in already.").await;
    let (attempt, code) = attempt.until("Enter").await;
    assert!(desk.standin.approve_device(code.trim_start_matches("Enter").trim(), BOB));
    let ended = attempt.end().await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(signed_in(&desk, BOB).await);
    assert_eq!(desk.standin.counters().device_codes_issued.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signs_in_for_an_application() {
    let desk = Desk::set_up().await;
    desk.configure(&desk.parts());
    let ended = desk.run(&["login", "device"]).await;
    assert_eq!(ended.code, 64);
    assert!(ended.err.contains("without a person"), "{}", ended.err);
    let ended = desk.run(&["login"]).await;
    assert_eq!(ended.code, 64);
}

/// What the listener of a running daemon answers to a login.
async fn log_in(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"a LOGIN device \"correct horse\"\r\nb LOGOUT\r\n").await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gatepost_uses_the_sign_in_at_the_next_login() {
    let desk = Desk::set_up().await;
    let parts = parts(&desk);
    let path = desk.configure(&parts);
    let daemon = Daemon::bind(Config::load(&path).unwrap()).await.unwrap();
    let address = daemon.addresses().next().unwrap().1;
    let stop = CancellationToken::new();
    let running = tokio::spawn(daemon.run(stop.clone()));
    assert!(log_in(address).await.contains("a NO [CONTACTADMIN]"));

    let attempt = Attempt::start(&desk, &parts, &["--device", ALICE]);
    let (attempt, code) = attempt.until("Enter").await;
    assert!(desk.standin.approve_device(code.trim_start_matches("Enter").trim(), ALICE));
    assert_eq!(attempt.end().await.code, 0);
    let said = log_in(address).await;
    assert!(said.contains("a OK"), "{said}");
    stop.cancel();
    running.await.unwrap();
}
