//! What is wrong with a configuration is said with its line, column, offending value and the words
//! that would be right; secrets are never said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use gatepost::config::Config;
use gatepost::mailbox::Provider;
use gatepost::oauth::Credential;
use proptest::prelude::*;
use tempfile::TempDir;

/// Of the password `s3cret`, as cheap as argon2id goes.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";

/// A configuration without a problem, in parts that tests replace.
const GOOD: &str = r#"name = "gatepost.contoso.example"
state_directory = "state"

[[listener]]
protocol = "imap"
address = "127.0.0.1:1143"
tls = "none"

[[listener]]
protocol = "smtp"
address = ["127.0.0.1:1587", "[::1]:1587"]

[provider.contoso]
preset = "microsoft"
tenant = "contoso.example"
client_id = "11111111-2222-3333-4444-555555555555"
grant = "client_credentials"
client_secret_file = "client_secret"

[[mailbox]]
address = "scanner@contoso.example"
provider = "contoso"
user = "scanner"
password_hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"

[timeouts]
connect = "10s"

[limits]
connections = 100

[log]
level = "info"
"#;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.private("client_secret", "correct-horse\n");
        folder
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn private(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        set_mode(&self.path(name), 0o600);
    }

    fn load(&self, text: &str) -> Result<Config, String> {
        self.private("config.toml", text);
        Config::load(&self.path("config.toml")).map_err(|error| error.to_string())
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}

fn load(text: &str) -> Result<Config, String> {
    Folder::new().load(text)
}

fn problems(text: &str) -> String {
    match load(text) {
        Ok(_) => panic!("no problem with:\n{text}"),
        Err(problems) => problems,
    }
}

/// The good configuration with `from` replaced, which must be there.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

fn warnings(text: &str) -> Vec<String> {
    load(text).unwrap().warnings
}

fn client_secret(provider: &Provider) -> String {
    let Credential::Secrets(secrets) = &provider.application.credential else {
        panic!("{:?}", provider.application.credential);
    };
    secrets.iter().next().unwrap().reveal().clone()
}

#[test]
fn the_good_one_is_good() {
    let config = load(GOOD).unwrap();
    assert_eq!(config.warnings, [""; 0]);
    assert_eq!(config.listeners.len(), 2);
    assert_eq!(config.listeners[1].addresses.len(), 2);
    assert_eq!(config.directory.len(), 1);
    assert_eq!(config.timeouts.connect, Duration::from_secs(10));
    let provider = &config.providers[0];
    assert_eq!(client_secret(provider), "correct-horse");
    assert_eq!(
        provider.application.token_endpoint,
        "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
    );
    let smtp = provider.service("smtp").unwrap();
    assert_eq!((smtp.host.as_str(), smtp.port), ("smtp.office365.com", 587));
    assert_eq!(smtp.scope, "https://outlook.office365.com/.default");
}

#[test]
fn each_problem_is_said_at_its_place_with_the_right_words() {
    let cases: &[(&str, &str, &[&str])] = &[
        // not TOML
        ("connect = \"10s\"", "connect = 10s", &["isn't TOML", "config.toml:27:"]),
        ("[timeouts]", "[timeouts", &["isn't TOML", "config.toml:26:"]),
        ("[log]", "[limits]\n[log]", &["duplicate", "config.toml:32:"]),
        // a typo in each table
        (
            "name =",
            "nmae =",
            &["unknown key \"nmae\"", "config.toml:1:1", "did you mean \"name\"?"],
        ),
        ("[timeouts]", "[timeout]", &["unknown key \"timeout\"", "did you mean \"timeouts\"?"]),
        (
            "protocol = \"imap\"",
            "protocol = \"imap\"\nprotcol = 1",
            &["\"protcol\" in [[listener]]", "did you mean \"protocol\"?", "config.toml:6:1"],
        ),
        (
            "tenant =",
            "tennant =",
            &[
                "\"tennant\" in [provider.contoso]",
                "did you mean \"tenant\"?",
                "\"tenant\" is missing in [provider.contoso]",
            ],
        ),
        (
            "user =",
            "usr =",
            &["\"usr\" in [[mailbox]]", "did you mean \"user\"?", "known here: address, provider"],
        ),
        ("connect =", "conect =", &["\"conect\" in [timeouts]", "did you mean \"connect\"?"]),
        (
            "connections =",
            "conections =",
            &["\"conections\" in [limits]", "did you mean \"connections\"?"],
        ),
        ("level =", "lvel =", &["\"lvel\" in [log]", "did you mean \"level\"?"]),
        (
            "[log]",
            "[tls]\nca_fil = \"x\"\n[log]",
            &["\"ca_fil\" in [tls]", "did you mean \"ca_file\"?"],
        ),
        (
            "[[mailbox]]",
            "[provider.contoso.smtp]\nhots = \"x\"\n[[mailbox]]",
            &["\"hots\" in [provider.contoso.smtp]", "did you mean \"host\"?"],
        ),
        // wrong kinds
        (
            "name = \"gatepost.contoso.example\"",
            "name = 5",
            &[
                "\"name\" has a value of the wrong kind",
                "text in quotes belongs here, not integer",
                "config.toml:1:8",
            ],
        ),
        ("[[listener]]", "[listener]", &["isn't TOML"]),
        ("[[mailbox]]", "[mailbox]", &["\"mailbox\" is no list of tables", "[[mailbox]]"]),
        ("[limits]\nconnections = 100", "", &[]),
        (
            "[limits]",
            "limits = 3\n[limitz]",
            &["unknown key \"limits\" in [timeouts]", "unknown key \"limitz\""],
        ),
        (
            "connections = 100",
            "connections = \"many\"",
            &["\"connections\" is no number that fits", "from 1 to"],
        ),
        ("connections = 100", "connections = -1", &["\"connections\" is no number that fits"]),
        ("connections = 100", "connections = 0", &["\"connections\" is no number that fits"]),
        (
            "address = [\"127.0.0.1:1587\", \"[::1]:1587\"]",
            "address = 25",
            &["text, or an array of texts"],
        ),
        (
            "address = [\"127.0.0.1:1587\", \"[::1]:1587\"]",
            "address = [25]",
            &["text in quotes belongs here"],
        ),
        // times
        (
            "connect = \"10s\"",
            "connect = 10",
            &["\"connect\" is no time that fits", "one of ms, s, m, h"],
        ),
        ("connect = \"10s\"", "connect = \"10 fortnights\"", &["\"connect\" is no time that fits"]),
        ("connect = \"10s\"", "connect = \"0s\"", &["\"connect\" is no time that fits"]),
        (
            "connect = \"10s\"",
            "connect = \"99999999999999999999h\"",
            &["\"connect\" is no time that fits"],
        ),
        (
            "connect = \"10s\"",
            "connect = \"9999999999999999999h\"",
            &["\"connect\" is no time that fits"],
        ),
        (
            "level = \"info\"",
            "level = \"inof\"",
            &[
                "unknown level \"inof\"",
                "did you mean \"info\"?",
                "error, warn, info, debug, trace",
            ],
        ),
        ("level = \"info\"", "format = \"xml\"", &["unknown format \"xml\"", "text, json"]),
        // the name
        (
            "\"gatepost.contoso.example\"",
            "\"MacBook..\"",
            &["\"MacBook..\" is no name that mail servers accept"],
        ),
        (
            "\"gatepost.contoso.example\"",
            "\"127.0.0.1\"",
            &["\"127.0.0.1\" is no name", "\"[192.0.2.1]\""],
        ),
        // listeners
        (
            "protocol = \"imap\"",
            "protocol = \"imapp\"",
            &[
                "unknown protocol \"imapp\"",
                "did you mean \"imap\"?",
                "protocol is one of imap, smtp",
            ],
        ),
        (
            "protocol = \"imap\"\n",
            "",
            &["\"protocol\" is missing in [[listener]]", "config.toml:4:1"],
        ),
        ("address = \"127.0.0.1:1143\"\n", "", &["\"address\" is missing in [[listener]]"]),
        (
            "\"127.0.0.1:1143\"",
            "\"1143\"",
            &["\"1143\" is no address to listen on", "\"localhost:1143\" for both"],
        ),
        ("\"127.0.0.1:1143\"", "\"mail.example:1143\"", &["is no address to listen on"]),
        (
            "\"127.0.0.1:1143\"",
            "\"0.0.0.0:0\"",
            &["\"0.0.0.0:0\" has no port", "would take passwords in clear"],
        ),
        (
            "\"127.0.0.1:1143\"",
            "\"192.0.2.1:1143\"",
            &[
                "192.0.2.1:1143 would take passwords in clear from the network",
                "plaintext = \"allow\"",
                "starttls-required",
            ],
        ),
        (
            "\"127.0.0.1:1143\"",
            "\"localhost:1587\"",
            &[
                "127.0.0.1:1587 is taken twice",
                "[::1]:1587 is taken twice",
                "line 6 listens there already",
            ],
        ),
        (
            "tls = \"none\"",
            "tls = \"ssl\"",
            &["unknown tls \"ssl\"", "none, starttls, starttls-required, implicit"],
        ),
        (
            "tls = \"none\"",
            "tls = \"implicit\"",
            &["\"certificate\" is missing in [[listener]]", "\"key\" is missing in [[listener]]"],
        ),
        (
            "tls = \"none\"",
            "tls = \"implicit\"\ncertificate = \"no.pem\"\nkey = \"no.key\"",
            &["no TLS:", "no.pem"],
        ),
        ("tls = \"none\"", "certificate = \"no.pem\"", &["a certificate without TLS"]),
        (
            "address = \"127.0.0.1:1143\"",
            "address = \"192.0.2.1:1143\"\nplaintext = \"allow\"",
            &[
                "192.0.2.1:1143 would take passwords in clear from every network",
                "\"from\" is missing",
            ],
        ),
        (
            "address = \"127.0.0.1:1143\"",
            "address = \"192.0.2.1:1143\"\nplaintext = \"allow\"\nfrom = [\"10.0.0.0/8\", \"8.8.8.0/24\"]",
            &[
                "passwords would cross the Internet in clear: 8.8.8.0/24 is public",
                "config.toml:8:23",
            ],
        ),
        (
            "address = \"127.0.0.1:1143\"",
            "address = \"192.0.2.1:1143\"\nplaintext = \"allow\"\nfrom = \"0.0.0.0/0\"",
            &["0.0.0.0/0 is public"],
        ),
        (
            "address = \"127.0.0.1:1143\"",
            "address = \"systemd:imap\"",
            &["systemd:imap would take passwords in clear from the network"],
        ),
        (
            "tls = \"none\"",
            "from = \"192.0.2.1/24\"",
            &["\"192.0.2.1/24\" has more digits than bits", "did you mean \"192.0.2.0/24\"?"],
        ),
        (
            "tls = \"none\"",
            "from = \"::ffff:10.0.0.0/104\"",
            &["is an IPv4 network in the digits of IPv6"],
        ),
        ("tls = \"none\"", "from = \"here\"", &["\"here\" is no network"]),
        ("tls = \"none\"", "from = []", &["\"from\" names no network"]),
        ("tls = \"none\"", "proxy_protocol = true", &["\"proxy_from\" is missing in [[listener]]"]),
        (
            "tls = \"none\"",
            "proxy_from = \"127.0.0.1\"",
            &["proxies without proxy_protocol", "set proxy_protocol = true"],
        ),
        ("tls = \"none\"", "proxy_protocol = \"yes\"", &["true or false, without quotes"]),
        ("tls = \"none\"", "mode = \"0999\"", &["\"0999\" is no mode of a file"]),
        (
            "\"127.0.0.1:1143\"",
            "\"unix:gatepost.sock\"",
            &["\"gatepost.sock\" is no path for a socket", "an absolute path"],
        ),
        ("\"127.0.0.1:1143\"", "\"systemd:\"", &["\"\" is no name of a socket"]),
        (
            "\"127.0.0.1:1143\"",
            "[\"unix:/run/x.sock\", \"unix:/run/x.sock\"]",
            &["unix:/run/x.sock is taken twice"],
        ),
        (
            "tls = \"none\"",
            "plaintext = \"yes\"",
            &["unknown plaintext \"yes\"", "plaintext is one of allow"],
        ),
        // providers
        (
            "preset = \"microsoft\"",
            "preset = \"microsft\"",
            &[
                "unknown preset \"microsft\"",
                "did you mean \"microsoft\"?",
                "microsoft, hve, google, yahoo, fastmail, custom",
            ],
        ),
        ("preset = \"microsoft\"\n", "", &["\"preset\" is missing in [provider.contoso]"]),
        (
            "grant = \"client_credentials\"",
            "grant = \"client_credential\"",
            &[
                "unknown grant \"client_credential\"",
                "did you mean \"client_credentials\"?",
                "client_credentials, refresh_token",
            ],
        ),
        ("grant = \"client_credentials\"\n", "", &["\"grant\" is missing in [provider.contoso]"]),
        ("client_id =", "client =", &["\"client_id\" is missing in [provider.contoso]"]),
        (
            "client_secret_file = \"client_secret\"\n",
            "",
            &["the grant client_credentials needs a client secret", "client_secret_file"],
        ),
        (
            "client_secret_file = \"client_secret\"",
            "client_secret_file = \"nowhere\"",
            &["no client_secret: can't read", "nowhere", "config.toml:18:22"],
        ),
        (
            "client_secret_file = \"client_secret\"",
            "client_secret_credential = \"x\"",
            &["CREDENTIALS_DIRECTORY is not set", "LoadCredential=x:"],
        ),
        (
            "client_secret_file = \"client_secret\"",
            "client_secret_command = [\"false\"]",
            &["no client_secret: false failed"],
        ),
        (
            "client_secret_file = \"client_secret\"",
            "client_secret_command = [\"true\"]",
            &["no client_secret: it is empty"],
        ),
        (
            "client_secret_file = \"client_secret\"",
            "client_secret_command = [\"/no/such/program\"]",
            &["/no/such/program doesn't start"],
        ),
        (
            "client_secret_file = \"client_secret\"",
            "client_secret_command = []",
            &["the command is empty"],
        ),
        (
            "client_secret_file = \"client_secret\"",
            "client_secret_file = \"client_secret\"\nclient_secret_command = [\"echo\", \"x\"]",
            &["\"client_secret\" is given in more than one form", "config.toml:19:"],
        ),
        ("tenant = \"contoso.example\"", "tenant = \"a/b\"", &["\"a/b\" is no tenant"]),
        (
            "tenant = \"contoso.example\"",
            "token_endpoint = \"http://login.example/token\"",
            &["token_endpoint would send secrets in clear", "http is for loopback hosts only"],
        ),
        (
            "tenant = \"contoso.example\"",
            "token_endpoint = \"login.example\"",
            &["token_endpoint \"login.example\" is no URL"],
        ),
        (
            "tenant = \"contoso.example\"",
            "token_endpoint = \"ftp://login.example\"",
            &["token_endpoint speaks \"ftp\""],
        ),
        (
            "tenant = \"contoso.example\"",
            "tenant = \"x\"\nauthority = \"http://login.example\"",
            &["authority would send secrets in clear"],
        ),
        (
            "preset = \"microsoft\"",
            "preset = \"google\"",
            &[
                "the preset google has no use for \"tenant\"",
                "the preset google knows no scope for the grant client_credentials",
            ],
        ),
        (
            "preset = \"microsoft\"\ntenant = \"contoso.example\"",
            "preset = \"custom\"",
            &["\"token_endpoint\" is missing", "a provider without a mail host", "imap, smtp"],
        ),
        (
            "[[mailbox]]",
            "[provider.contoso.imap]\nhost = \"imap.example:993\"\n[[mailbox]]",
            &["\"imap.example:993\" is no host name", "without a port"],
        ),
        (
            "[[mailbox]]",
            "[provider.contoso.imap]\nport = 70000\n[[mailbox]]",
            &["\"port\" is no number that fits", "from 1 to 65535"],
        ),
        (
            "[[mailbox]]",
            "[[mailbox]]\nsigned_in_as = \"jane@contoso.example\"",
            &["nobody signs in for the grant client_credentials", "leave it out"],
        ),
        (
            "[[mailbox]]",
            "[[mailbox]]\nsigned_in_as = \"jane doe\"",
            &["\"jane doe\" is no account"],
        ),
        (
            "[[mailbox]]",
            "[provider.contoso.imap]\nsecurity = \"ssl\"\n[[mailbox]]",
            &["unknown security \"ssl\"", "implicit"],
        ),
        (
            "[[mailbox]]",
            "[provider.contoso.imap]\nsecurity = \"plain\"\n[[mailbox]]",
            &["access tokens would go to outlook.office365.com in clear"],
        ),
        (
            "[provider.contoso]",
            "[provider]\nx = 1\n[provider.contoso]",
            &["[provider.x] is no table"],
        ),
        // mailboxes
        (
            "provider = \"contoso\"",
            "provider = \"fabrikam\"",
            &["unknown provider \"fabrikam\"", "provider is one of contoso"],
        ),
        ("address = \"scanner@contoso.example\"\n", "", &["\"address\" is missing in [[mailbox]]"]),
        ("\"scanner@contoso.example\"", "\"scanner\"", &["\"scanner\" is no mail address"]),
        ("\"scanner@contoso.example\"", "\"a\\u0001@b\"", &["is no mail address"]),
        ("user = \"scanner\"", "user = \"\"", &["\"\" is no user name"]),
        (
            "password_hash =",
            "password_hsh =",
            &["a mailbox without a local password", "gatepost password hash"],
        ),
        ("$argon2id$v=19$m=8", "$argon2i$v=19$m=8", &["made with argon2i", "argon2id only"]),
        ("$argon2id$v=19$m=8", "$argon2id$v=19$m=4194304", &["would cost too much"]),
        (
            "client_id = \"1",
            "client_id = \"${env:GATEPOST_TEST_IS_NOT_SET}1",
            &[
                "the environment variable \"GATEPOST_TEST_IS_NOT_SET\" is not set",
                "config.toml:16:13",
            ],
        ),
        ("client_id = \"1", "client_id = \"${env:OPEN 1", &["without its closing brace"]),
    ];
    for (from, to, words) in cases {
        if words.is_empty() {
            load(&with(from, to)).unwrap();
            continue;
        }
        let problems = problems(&with(from, to));
        for word in *words {
            assert!(problems.contains(word), "{to}\nlacks {word:?} in\n{problems}");
        }
    }
}

#[test]
fn all_problems_are_said_at_once_in_the_order_of_lines() {
    let text = with("tls = \"none\"", "tls = \"ssl\"")
        .replace("user =", "usr =")
        .replace("level =", "lvel =");
    let problems = problems(&text);
    let places: Vec<usize> = ["\"ssl\"", "\"usr\"", "\"lvel\""]
        .iter()
        .map(|word| problems.find(word).unwrap())
        .collect();
    assert!(places.is_sorted(), "{problems}");
    assert!(problems.ends_with("the configuration has 3 problems"), "{problems}");
}

#[test]
fn a_flood_of_problems_is_cut_short() {
    let mut text = GOOD.to_owned();
    for _ in 0..1000 {
        text += "\n[[mailbox]]\naddres = 1\n";
    }
    let problems = problems(&text);
    assert!(problems.contains("problems, the first 20 are shown"), "{problems}");
    assert!(problems.len() < 20_000, "{}", problems.len());
}

#[test]
fn an_empty_file_says_what_to_begin_with() {
    let problems = problems("");
    assert!(problems.contains("add a [[listener]]"), "{problems}");
    assert!(problems.contains("add a [[mailbox]]"), "{problems}");
}

#[test]
fn an_address_signs_in_to_one_application() {
    let two = |other: &str| {
        let provider = |name: &str, client_id: &str| {
            format!(
                "[provider.{name}]\npreset = \"microsoft\"\ntenant = \"contoso.example\"\nclient_id = \"{client_id}\"\ngrant = \"device_code\"\n"
            )
        };
        let mailbox = |provider: &str, user: &str| {
            format!(
                "[[mailbox]]\naddress = \"{user}@contoso.example\"\nuser = \"{provider}\"\nprovider = \"{provider}\"\npassword_hash = \"{HASH}\"\n"
            )
        };
        let listener =
            "[[listener]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:1143\"\n".to_owned();
        let id = "11111111-2222-3333-4444-555555555555";
        [
            listener,
            provider("one", id),
            provider("other", other),
            mailbox("one", "erp"),
            mailbox("other", "ERP"),
        ]
        .concat()
    };
    let problems = problems(&two("99999999-2222-3333-4444-555555555555"));
    for words in [
        "ERP@contoso.example would sign in to two applications",
        "its sign-in with other would replace that with one",
        "give both providers the same client_id and authority",
    ] {
        assert!(problems.contains(words), "{words:?} isn't in {problems}");
    }
    assert!(!problems.contains("there twice"), "{problems}");
    let same = two("11111111-2222-3333-4444-555555555555");
    load(&same).unwrap();
}

#[test]
fn a_user_twice_is_said_with_the_mailbox_that_has_it() {
    let second = format!(
        "[[mailbox]]\naddress = \"b@contoso.example\"\nuser = \"SCANNER\"\nprovider = \"contoso\"\npassword_hash = \"{HASH}\"\n\n[timeouts]"
    );
    let problems = problems(&with("[timeouts]", &second));
    assert!(problems.contains("the user \"SCANNER\" is there twice"), "{problems}");
    assert!(problems.contains("it leads to scanner@contoso.example already"), "{problems}");
}

#[test]
fn the_problems_of_a_provider_are_not_said_again_for_its_mailboxes() {
    let problems = problems(&with("preset = \"microsoft\"", "preset = \"x\""));
    assert!(!problems.contains("unknown provider"), "{problems}");
}

#[test]
fn secrets_never_show_however_wrong_their_lines_are() {
    let secret = "hunter2-correct-horse";
    let lines = [
        "client_secret = \"SECRET\"\nclient_secret_file = \"client_secret\"",
        "client_secret = \"SECRET",
        "client_secret = SECRET",
        "client_secret = [\"SECRET\"]",
        "client_secret = [\n  \"SECRET\"",
        "client_secret = { value = \"SECRET\" }",
        "client_secret =\n\"SECRET\"",
        "client_secret = \"\"\"\nSECRET\n",
        "client_secret = \"SECRET\"\nclient_secret = \"SECRET\"",
        "client_secrt = \"SECRET\"",
        "clientsecret = \"SECRET\"",
        "secret = \"SECRET\"",
        "client_secret = \"SECRET${env:GATEPOST_TEST_IS_NOT_SET}\"",
        "client_secret = \"SECRET\\q\"",
        "client_secret = \"SECRET\" nonsense = 1",
        "client_secret = \"SECRET\"\ntenant = \"again\"",
        "whatever = \"SECRET\"",
        "whatever = { x = [\"SECRET\"] }",
    ];
    for line in lines {
        let text = with("client_secret_file = \"client_secret\"", &line.replace("SECRET", secret));
        let problems = problems(&text);
        assert!(!problems.contains("hunter2") && !problems.contains("horse"), "{line}\n{problems}");
        assert!(problems.contains("config.toml:"), "{line}\n{problems}");
    }
    let mailbox = [
        "password = \"SECRET\"\npassword_hash = \"x\"",
        "password_hash = \"SECRET\"",
        "password_hash = \"$2b$12$SECRET\"",
        "password_hash = \"$argon2id$v=19$m=8,t=1,p=1$SECRET$SECRET\"",
        "passwd = \"SECRET\"",
        "password_hash = \"SECRET",
        "refresh_token = \"SECRET\"",
        "password = \"SECRET\"\nrefresh_token = \"SECRET\"",
        "password = 'SECRET'\nx = 1",
    ];
    for line in mailbox {
        let text = with(&format!("password_hash = \"{HASH}\""), &line.replace("SECRET", secret));
        let problems = problems(&text);
        assert!(!problems.contains("hunter2") && !problems.contains("horse"), "{line}\n{problems}");
    }
}

#[test]
fn secrets_come_in_four_forms() {
    let folder = Folder::new();
    let secret = |form: &str| {
        let config = folder.load(&with("client_secret_file = \"client_secret\"", form)).unwrap();
        client_secret(&config.providers[0])
    };
    assert_eq!(secret("client_secret = \"a b\""), "a b");
    assert_eq!(secret("client_secret_file = \"client_secret\""), "correct-horse");
    folder.private("crlf", "two\n\r\n");
    assert_eq!(secret("client_secret_file = \"crlf\""), "two\n");
    assert_eq!(secret("client_secret = \"${env:PATH}\""), std::env::var("PATH").unwrap());
    if cfg!(unix) {
        assert_eq!(secret("client_secret_command = [\"printf\", \"%s\\\\n\", \"a b\"]"), "a b");
    }
}

#[test]
fn secrets_in_clear_are_warned_of_once_for_all() {
    let mut text = with("client_secret_file = \"client_secret\"", "client_secret = \"abc\"");
    for number in 0..5 {
        write!(
            text,
            "\n[[mailbox]]\naddress = \"m{number}@contoso.example\"\nprovider = \"contoso\"\npassword = \"p\"\n"
        )
        .unwrap();
    }
    let elsewhere = text.replace("\"abc\"", "\"${env:PATH}\"").replace("\"p\"", "'${env:PATH}'");
    assert_eq!(warnings(&elsewhere), [""; 0], "a variable isn't in the file");
    let warnings = warnings(&text);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("line 18: client_secret stands in the configuration itself"));
    assert!(
        warnings[1].starts_with("lines 38, 43, 48 and 2 more: password stands"),
        "{warnings:?}"
    );
}

#[cfg(unix)]
#[test]
fn files_that_everyone_may_read_are_refused_with_the_command_that_helps() {
    let folder = Folder::new();
    set_mode(&folder.path("client_secret"), 0o644);
    let problems = folder.load(GOOD).err().unwrap();
    assert!(problems.contains("can be read by everyone"), "{problems}");
    assert!(
        problems.contains(&format!("chmod o= {}", folder.path("client_secret").display())),
        "{problems}"
    );
    // A group is the operator's choice.
    set_mode(&folder.path("client_secret"), 0o640);
    assert!(folder.load(GOOD).is_ok());
}

/// The good configuration with a TLS listener and trust roots of its own.
fn with_tls() -> String {
    with("tls = \"none\"", "tls = \"implicit\"\ncertificate = \"own.pem\"\nkey = \"own.key\"")
        + "\n[tls]\nca_file = [\"own.pem\"]\n"
}

#[test]
fn certificates_and_roots_are_read_and_their_faults_said_at_their_lines() {
    let folder = Folder::new();
    let made = || rcgen::generate_simple_self_signed(["gatepost.example".to_owned()]).unwrap();
    let (own, other) = (made(), made());
    folder.private("own.pem", &own.cert.pem());
    folder.private("own.key", &own.signing_key.serialize_pem());
    let config = folder.load(&with_tls()).unwrap();
    assert!(config.listeners[0].identity.is_some());
    folder.private("own.key", &other.signing_key.serialize_pem());
    let foreign = folder.load(&with_tls()).err().unwrap();
    assert!(foreign.contains("config.toml:9:7") && foreign.contains("own.key"), "{foreign}");
    folder.private("own.key", "nothing of use");
    let empty = folder.load(&with_tls()).err().unwrap();
    assert!(empty.contains("config.toml:9:7") && empty.contains("own.key"), "{empty}");
    folder.private("own.pem", "nothing of use");
    let rootless = folder.load(&with_tls()).err().unwrap();
    assert!(rootless.contains("no trust roots:"), "{rootless}");
    assert!(rootless.contains("config.toml:8:15"), "{rootless}");
}

#[cfg(unix)]
#[test]
fn a_private_key_that_everyone_may_read_is_refused() {
    let folder = Folder::new();
    let own = rcgen::generate_simple_self_signed(["gatepost.example".to_owned()]).unwrap();
    folder.private("own.pem", &own.cert.pem());
    folder.private("own.key", &own.signing_key.serialize_pem());
    set_mode(&folder.path("own.key"), 0o644);
    let problems = folder.load(&with_tls()).err().unwrap();
    assert!(problems.contains("the private key can be read by everyone"), "{problems}");
    assert!(problems.contains("chmod o="), "{problems}");
}

proptest! {
    /// Whatever a file holds, it is either good or has problems.
    #[test]
    fn no_file_makes_the_reader_panic(
        at in 0..GOOD.len(),
        cut in 0..40_usize,
        noise in "(\\PC|[\\[\\]{}=.\"'#\n\r\t\0\\\\]){0,12}",
    ) {
        let text = format!("{}{noise}{}", &GOOD[..at], &GOOD[(at + cut).min(GOOD.len())..]);
        let _ = load(&text);
    }
}

#[cfg(unix)]
#[test]
fn a_configuration_with_secrets_that_everyone_may_read_is_warned_of() {
    let folder = Folder::new();
    let path = folder.path("open.toml");
    std::fs::write(
        &path,
        with("client_secret_file = \"client_secret\"", "client_secret = \"abc\""),
    )
    .unwrap();
    set_mode(&path, 0o644);
    let warnings = Config::load(&path).map_err(|error| error.to_string()).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("chmod o=")), "{warnings:?}");
}

#[test]
fn what_works_but_should_change_is_warned_of() {
    let cases = [
        (
            "address = \"127.0.0.1:1143\"",
            "address = \"192.0.2.1:1143\"\nplaintext = \"allow\"\nfrom = \"192.0.2.0/24\"",
            "line 6: passwords cross the network in clear",
        ),
        (
            "grant = \"client_credentials\"",
            "grant = \"refresh_token\"",
            "line 20: no refresh_token here: sign-in needed",
        ),
        (
            "preset = \"microsoft\"\ntenant = \"contoso.example\"",
            "preset = \"custom\"\ntoken_endpoint = \"http://127.0.0.1:1/t\"\nscope = \"s\"\nimap.host = \"h\"",
            "line 9: no provider has a host for smtp",
        ),
    ];
    for (from, to, expected) in cases {
        let warnings = warnings(&with(from, to));
        assert!(warnings.iter().any(|warning| warning.starts_with(expected)), "{warnings:?}");
    }
    let other = HASH.replace("t=1", "t=2");
    let second = format!(
        "[[mailbox]]\naddress = \"b@contoso.example\"\nprovider = \"contoso\"\npassword_hash = \"{other}\"\n[timeouts]"
    );
    let warnings = warnings(&with("[timeouts]", &second));
    assert!(warnings[0].contains("differ in cost"), "{warnings:?}");
}

#[test]
fn a_service_may_be_overridden_in_part() {
    let text = with(
        "[[mailbox]]",
        "[provider.contoso.smtp]\nhost = \"smtp.example\"\nsecurity = \"implicit\"\nscope = \"https://outlook.office.com/.default  \"\n[[mailbox]]",
    );
    let config = load(&text).unwrap();
    let smtp = config.providers[0].service("smtp").unwrap();
    assert_eq!((smtp.host.as_str(), smtp.port), ("smtp.example", 465));
    assert_eq!(smtp.scope, "https://outlook.office.com/.default");
    assert_eq!(config.providers[0].service("imap").unwrap().host, "outlook.office365.com");
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/no/such/config.toml")).err().unwrap().to_string();
    assert!(error.contains("/no/such/config.toml"), "{error}");
}

#[test]
fn keys_for_messages_that_are_followed_need_messages_that_are_followed() {
    let user = "user = \"scanner\"";
    for key in [
        "sender = \"rewrite\"",
        "permitted_senders = [\"*@contoso.example\"]",
        "smtp_identity = \"follow\"",
        "repairs = [\"date\"]",
        "submissions = 2",
        "messages_per_minute = 0",
        "logon_failure = \"permanent\"",
        "log_recipients = \"addresses\"",
    ] {
        let name = key.split(' ').next().unwrap();
        let said = problems(&with(user, &format!("{user}\n{key}")));
        let title = format!("{name:?} has no effect on messages that are spliced");
        assert!(said.contains(&title) && said.contains("config.toml:24:"), "{said}");
        assert!(said.contains("needs smtp_mode = \"submission\""), "{said}");
        let key = if name == "permitted_senders" {
            format!("{key}\nsender = \"require\"")
        } else {
            key.to_owned()
        };
        for followed in ["smtp_mode = \"submission\"", "smtp_via = \"graph\""] {
            load(&with(user, &format!("{user}\n{key}\n{followed}"))).unwrap();
        }
        let listener = "\"[::1]:1587\"]";
        let text = with(user, &format!("{user}\n{key}"));
        let one = text.replacen(listener, &format!("{listener}\nsmtp_mode = \"submission\""), 1);
        load(&one).unwrap();
        // Devices that send without a login have their messages followed in any case.
        let allow = "[[allow]]\nprotocol = \"smtp\"\nnetworks = \"10.0.0.0/8\"\nmailbox = \"scanner@contoso.example\"\nmail_from = \"scanner@contoso.example\"\n";
        load(&format!("{text}\n{allow}")).unwrap();
        // The other listener would let a splice by.
        let other = "[[listener]]\nprotocol = \"smtp\"\naddress = \"127.0.0.1:2587\"\n";
        assert!(load(&one.replacen("[[listener]]", &format!("{other}\n[[listener]]"), 1)).is_err());
    }
}

#[test]
fn what_says_nothing_of_messages_is_a_problem() {
    let user = "user = \"scanner\"";
    for (key, title) in [
        (
            "smtp_mode = \"submission\"\npermitted_senders = \"*@contoso.example\"",
            "every sender is permitted",
        ),
        ("smtp_mode = \"splice\"\nsmtp_via = \"graph\"", "Graph takes messages, and no bytes"),
    ] {
        let said = problems(&with(user, &format!("{user}\n{key}")));
        assert!(said.contains(title), "{said}");
    }
    let said = problems(&with("tls = \"none\"", "tls = \"none\"\nsmtp_mode = \"submission\""));
    assert!(said.contains("a listener for imap has no smtp_mode"), "{said}");
}
