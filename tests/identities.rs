//! Who is who: the name that a program logs in by, the mailbox that it opens, whom the mail host is told, and
//! whose token opens it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
// The rig serves more tests than these.
#![allow(dead_code)]

#[path = "relay/certificate.rs"]
mod certificate;
#[path = "relay/client.rs"]
mod client;
#[path = "relay/journal.rs"]
mod journal;
#[path = "relay/rig.rs"]
mod rig;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::Client;
use gatepost::config::Config;
use gatepost::mailbox::{Devices, Visit};
use gatepost::sasl::Login;
use gatepost_standin::{Account, Standin};
use proptest::prelude::*;
use rig::{ADDRESS, Difference, PASSWORD, PUBLIC_APP, Rig, USER, signed_in};

const INFO: &str = "info@contoso.example";
const SHARED: &str = "[[mailbox]]\naddress = \"Info@contoso.example\"\nprovider = \"contoso\"\npasswords = \"devices\"\n\
                      token_of = \"scanner@contoso.example\"\n";

async fn imap(rig: &Rig, user: &str, password: &str) -> (Client, String) {
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    let user = user.replace('\\', "\\\\");
    let answer = client.ask(&format!("a LOGIN \"{user}\" \"{password}\""), "a ").await;
    (client, answer.last().unwrap().clone())
}

/// `AUTH PLAIN` as `authcid` for `authzid`; the answer.
async fn smtp(rig: &Rig, authzid: &str, authcid: &str) -> (Client, String) {
    let response = STANDARD.encode(format!("{authzid}\0{authcid}\0{PASSWORD}"));
    let mut client = rig.client("smtp").await;
    client.until("220 ").await;
    client.ask("EHLO scanner", "250 ").await;
    client.say(&format!("AUTH PLAIN {response}")).await;
    let answer = client.reply().await;
    (client, answer.last().unwrap().clone())
}

/// The identities that the stand-in was told, in order, with their protocols.
fn identities(rig: &Rig) -> Vec<(String, String)> {
    let lines = rig.standin.dialogue().into_iter();
    let identity = |text: &str| {
        let decoded = STANDARD.decode(text.rsplit(' ').next()?).ok()?;
        let message = String::from_utf8(decoded).ok()?;
        let user = message.strip_prefix("user=")?.split('\u{1}').next()?;
        Some(user.to_owned())
    };
    lines.filter_map(|line| Some((line.protocol.to_string(), identity(&line.text)?))).collect()
}

/// A delegate who has signed in, and the shared mailbox that is open to him.
async fn shared(mailbox: &str, tables: &str) -> Rig {
    let standin = Standin::start().await.unwrap();
    standin.add_mailbox(Account::new(INFO, &[ADDRESS]));
    standin.tenant().mailbox_mut(ADDRESS).unwrap().send_as.push(INFO.to_owned());
    let token = standin.mint_refresh_token(PUBLIC_APP, ADDRESS);
    let signed_in = signed_in(&token);
    let mailbox = format!("{}\n{mailbox}", signed_in.mailbox);
    Rig::with(standin, &Difference { mailbox, tables, ..signed_in }).await
}

#[tokio::test]
async fn a_shared_mailbox_is_read_as_itself_and_sends_as_its_delegate_by_one_token() {
    let rig = shared("may_open = \"info@contoso.example\"", SHARED).await;
    rig.standin.store().deliver(INFO, "INBOX", &b"Subject: order\r\n\r\n1\r\n"[..]);
    let (mut client, answer) = imap(&rig, "scanner\\info", PASSWORD).await;
    assert!(answer.starts_with("a OK"), "{answer}");
    let selected = client.ask("b SELECT INBOX", "b OK").await;
    assert!(selected.iter().any(|line| line == "* 1 EXISTS"), "{selected:?}");

    let (mut client, answer) = smtp(&rig, INFO, USER).await;
    assert!(answer.starts_with("235 "), "{answer}");
    client.ask(&format!("MAIL FROM:<{INFO}>"), "250 ").await;
    client.ask("RCPT TO:<erp@contoso.example>", "250 ").await;
    client.ask("DATA", "354 ").await;
    client.ask(&format!("From: {INFO}\r\nSubject: answer\r\n\r\n2\r\n."), "250 ").await;

    let told = identities(&rig);
    let told: Vec<_> = told.iter().map(|(p, who)| (p.as_str(), who.as_str())).collect();
    assert_eq!(told, [("imap", "Info@contoso.example"), ("smtp", ADDRESS)]);
    assert_eq!(rig.standin.counters().token_requests.count(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn an_identity_may_be_given_for_each_protocol() {
    let keys = "imap_user = \"alice@contoso.example\"\nsmtp_user = \"erp@contoso.example\"\n";
    let difference = Difference { mailbox: keys.to_owned(), ..Difference::default() };
    let rig = Rig::with(Standin::start().await.unwrap(), &difference).await;
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    assert!(rig.smtp().await.1[0].starts_with("235 "));
    let told: Vec<_> = identities(&rig).into_iter().map(|(_, who)| who).collect();
    assert_eq!(told, ["alice@contoso.example", "erp@contoso.example"]);
    rig.stop().await;
}

#[tokio::test]
async fn another_mailbox_is_opened_only_where_the_configuration_says_so() {
    let tables = format!(
        "{SHARED}{}",
        rig::mailbox("erp@contoso.example", "erp", "")
            .replace("password =", "refresh_token = \"x\"\npassword =")
    );
    let rig = shared("may_open = [\"info@contoso.example\"]", &tables).await;
    for user in ["scanner\\erp", "scanner\\erp@contoso.example", "scanner\\nobody"] {
        let answer = imap(&rig, user, PASSWORD).await.1;
        assert!(answer.starts_with("a NO [AUTHORIZATIONFAILED]"), "{user}: {answer}");
        let answer = imap(&rig, user, "wrong").await.1;
        assert_eq!(answer, "a NO [AUTHENTICATIONFAILED] Authentication failed", "{user}");
    }
    assert!(smtp(&rig, "erp@contoso.example", USER).await.1.starts_with("550 5.7.1"));
    assert!(
        smtp(&rig, "erp", "scanner\\info").await.1.starts_with("550 5.7.1"),
        "one or the other"
    );
    assert!(imap(&rig, "erp\\info", PASSWORD).await.1.contains("AUTHORIZATIONFAILED"));
    assert_eq!(rig.standin.counters().connections.count(), 0);
    rig.journal.tells("`may_open` of scanner@contoso.example");
    for own in ["scanner\\scanner", "scanner\\SCANNER@contoso.example", "CONTOSO\\scanner"] {
        assert!(imap(&rig, own, PASSWORD).await.1.starts_with("a OK"), "{own}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_whole_domain_logs_in_by_its_addresses_and_one_password() {
    let all = "[[mailbox]]\naddress = \"*@Contoso.example\"\nprovider = \"contoso\"\npasswords = \"shared\"\npassword = \"for all\"\n";
    let rig = Rig::tables(all).await;
    for user in ["alice@contoso.example", "BOB@contoso.EXAMPLE", "CONTOSO\\erp@contoso.example"] {
        assert!(imap(&rig, user, "for all").await.1.starts_with("a OK"), "{user}");
    }
    for (user, password) in [
        ("alice@contoso.example", PASSWORD),
        ("alice@elsewhere.example", "for all"),
        ("@contoso.example", "for all"),
        ("*@contoso.example", "for all"),
        ("a b@contoso.example", "for all"),
        ("alice", "for all"),
        (USER, "for all"),
        (ADDRESS, "for all"),
        ("CONTOSO\\Scanner@contoso.example", "for all"),
    ] {
        let answer = imap(&rig, user, password).await.1;
        assert_eq!(answer, "a NO [AUTHENTICATIONFAILED] Authentication failed", "{user}");
    }
    assert!(rig.imap().await.1[0].starts_with("a OK"), "a mailbox of its own comes first");
    let told: Vec<_> = identities(&rig).into_iter().map(|(_, who)| who).collect();
    let expected = ["alice@contoso.example", "bob@contoso.example", "erp@contoso.example", ADDRESS];
    assert_eq!(told, expected);
    assert_eq!(rig.standin.counters().token_requests.count(), 1, "the same application");
    rig.stop().await;
}

#[tokio::test]
async fn control_characters_in_a_name_reach_neither_the_service_nor_the_journal() {
    let rig = Rig::tables("[limits]\nbad_commands = 50\nfailed_logins = 50\n").await;
    for name in [
        "sca\u{1}nner",
        "scanner\u{1}auth=Bearer x\u{1}\u{1}",
        "scanner\r\nx",
        "\u{7f}scanner",
        "sc\u{85}an",
    ] {
        let mut client = rig.client("imap").await;
        client.until("* OK").await;
        let length = name.len();
        client.say(&format!("a LOGIN {{{length}+}}\r\n{name} \"{PASSWORD}\"")).await;
        let answer = client.until("a ").await;
        assert!(!answer.last().unwrap().starts_with("a OK"), "{name:?}");
        for authzid in ["", name] {
            let answer = smtp(&rig, authzid, if authzid.is_empty() { name } else { USER }).await.1;
            assert!(answer.starts_with("501 ") || answer.starts_with("550 "), "{name:?}: {answer}");
        }
    }
    assert_eq!(rig.standin.counters().connections.count(), 0);
    assert!(!rig.journal.text().chars().any(|c| c.is_control() && c != '\n'));
    rig.stop().await;
}

/// A directory with a user, what he may open, and a whole domain.
fn directory() -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let text = format!(
        "[[listener]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:0\"\n\
         [provider.contoso]\npreset = \"microsoft\"\ntenant = \"t\"\nclient_id = \"x\"\ngrant = \"client_credentials\"\nclient_secret = \"y\"\n\
         [[mailbox]]\naddress = \"alice@other.example\"\nprovider = \"contoso\"\nuser = \"alice\"\npassword = \"{PASSWORD}\"\nmay_open = \"info@other.example\"\n\
         [[mailbox]]\naddress = \"info@other.example\"\nprovider = \"contoso\"\npasswords = \"devices\"\n\
         [[mailbox]]\naddress = \"*@contoso.example\"\nprovider = \"contoso\"\npasswords = \"shared\"\npassword = \"{PASSWORD}\"\n"
    );
    std::fs::write(&path, text).unwrap();
    Config::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is sent as a name, what comes of it holds no control character and no name that wasn't
    /// asked for.
    #[test]
    fn no_name_forges_an_identity_or_a_line(
        authzid in "\\PC{0,3}|[\\x00-\\x20a@\\\\+*]{0,12}|alice|info|info@other.example|",
        user in "\\PC{0,12}|[\\x00-\\x20a@\\\\+*]{0,12}",
        end in "|@contoso.example|\\\\alice|\\\\info|\u{1}@contoso.example|\\\\x@contoso.example",
    ) {
        static CONFIG: std::sync::LazyLock<Config> = std::sync::LazyLock::new(directory);
        let name = format!("{user}{end}");
        let Ok(login) = Login::new(&authzid, &name, PASSWORD) else {
            return Ok(());
        };
        prop_assert!(!name.chars().chain(authzid.chars()).any(char::is_control));
        let visit = Visit { protocol: "imap", peer: Some([127, 0, 0, 1].into()), now: std::time::SystemTime::now() };
        let admitted = CONFIG.directory.recall(&login, &visit, &Devices::default());
        if let Some(admitted) = admitted {
            let identity = admitted.mailbox.identity("imap");
            prop_assert!(!identity.chars().any(|c| c.is_control() || c.is_whitespace()), "{identity:?}");
            let known = ["alice@other.example", "info@other.example"].contains(&identity);
            let of_domain = identity.ends_with("@contoso.example") && name.to_lowercase().contains(identity);
            prop_assert!(known || of_domain, "{name:?} led to {identity:?}");
            prop_assert!(identity != "info@other.example" || name.starts_with("alice") || name.contains("\\alice"));
        }
    }
}

#[test]
fn what_contradicts_itself_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let refusal = |text: &str| {
        let base = "[[listener]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:0\"\n\
             [provider.app]\npreset = \"microsoft\"\ntenant = \"t\"\nclient_id = \"x\"\ngrant = \"client_credentials\"\nclient_secret = \"y\"\n\
             [provider.people]\npreset = \"microsoft\"\ntenant = \"t\"\nclient_id = \"x\"\ngrant = \"refresh_token\"\n\
             [[mailbox]]\naddress = \"jane@b.example\"\nprovider = \"people\"\npasswords = \"devices\"\nrefresh_token = \"x\"\n\
             [[mailbox]]\n";
        std::fs::write(&path, format!("{base}{text}\n")).unwrap();
        Config::load(&path).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let app = "provider = \"app\"\npasswords = \"devices\"\naddress = ";
    let people = "provider = \"people\"\npasswords = \"devices\"\naddress = ";
    assert_eq!(refusal(&format!("{people}\"info@b.example\"\ntoken_of = \"Jane@b.example\"")), "");
    assert_eq!(refusal(&format!("{people}\"*@b.example\"\ntoken_of = \"jane@b.example\"")), "");
    for (text, said) in [
        (
            "provider = \"app\"\naddress = \"*@b.example\"\npassword = \"x\"".to_owned(),
            "a whole domain without a word on its passwords",
        ),
        (
            "provider = \"app\"\naddress = \"a@b.example\"\npasswords = \"shared\"".to_owned(),
            "unknown passwords \"shared\"",
        ),
        (format!("{app}\"*@b.example\"\nuser = \"all\""), "a user name for a whole domain"),
        (format!("{app}\"a@b\u{fc}ro.example\""), "isn't in ASCII"),
        (
            format!("{app}\"a@b.example\"\npassword = \"x\""),
            "a password beside passwords = \"devices\"",
        ),
        (
            format!("{app}\"a@b.example\"\nmay_open = [\"nobody@b.example\"]"),
            "there is no mailbox \"nobody@b.example\"",
        ),
        (format!("{app}\"a@b.example\"\nsmtp_user = \"a\\u0001b\""), "is no user name"),
        (format!("{app}\"a@b.example\"\ntoken_of = \"jane@b.example\""), "a token has no owner"),
        (format!("{people}\"*@b.example\""), "a whole domain, each of which would have to sign in"),
        (format!("{people}\"a@b.example\"\ntoken_of = \"a@b.example\""), "has no token of another"),
        (
            format!("{people}\"a@b.example\"\ntoken_of = \"x@b.example\""),
            "there is no mailbox \"x@b.example\"",
        ),
        (
            format!("{people}\"a@b.example\"\n[[mailbox.device]]\nname = \"fax\""),
            "a device without a password",
        ),
        (
            format!(
                "{people}\"a@b.example\"\n[[mailbox.device]]\nname = \"fax!\"\npassword_hash = \"x\""
            ),
            "\"fax!\" is no device name",
        ),
    ] {
        let refused = refusal(&text);
        assert!(refused.contains(said), "{text}: {refused}");
    }
}
