//! What the presets fill in, and which mistakes of a provider are found before the wire.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use gatepost::config::Config;
use gatepost::mailbox::Provider;
use gatepost::oauth::{Algorithm, Credential, Platform, Target};
use tempfile::TempDir;

const CLIENT: &str = "tenant = \"contoso.example\"\nclient_id = \"app\"";

/// The provider with these keys, or all that is wrong with them.
fn load(provider: &str, mailbox: &str) -> Result<Arc<Provider>, String> {
    let folder = TempDir::new().unwrap();
    let private = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    for (name, kind) in
        [("rsa.pem", &rcgen::PKCS_RSA_SHA256), ("ec.pem", &rcgen::PKCS_ECDSA_P256_SHA256)]
    {
        if provider.contains(name) {
            let key = rcgen::KeyPair::generate_for(kind).unwrap();
            let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
            private(name, &(key.serialize_pem() + &certificate.pem()));
        }
    }
    let open = private("open.pem", "a key");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    private("app.pfx", "\u{30}\u{3}\u{1}");
    private("robot.json", r#"{"client_email":"a","private_key":"hunter2","private_key_id":"1"}"#);
    private("secret", "s3cret");
    let path = private(
        "config.toml",
        &format!(
            "[[listener]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:0\"\n\
             [[mailbox]]\naddress = \"a@contoso.example\"\nprovider = \"contoso\"\n\
             password = \"local\"\n{mailbox}\n[provider.contoso]\n{provider}\n"
        ),
    );
    let config = Config::load(&path).map_err(|error| error.to_string())?;
    Ok(Arc::clone(&config.providers[0]))
}

fn good(provider: &str) -> Arc<Provider> {
    load(provider, "").unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn wrong(provider: &str, words: &[&str]) {
    let problems = load(provider, "").expect_err(provider);
    for word in words {
        assert!(problems.contains(word), "{provider}\nlacks {word:?} in\n{problems}");
    }
    assert!(!problems.contains("hunter2"), "{problems}");
}

fn places(provider: &Provider) -> Vec<String> {
    let place = |service: &gatepost::mailbox::Service| format!("{}:{}", service.host, service.port);
    provider.services.iter().map(place).collect()
}

#[test]
fn every_cloud_of_microsofts_has_its_own_authority_hosts_and_scopes() {
    for (keys, authority, hosts, scope) in [
        (
            "",
            "https://login.microsoftonline.com",
            ["outlook.office365.com:993", "smtp.office365.com:587", "outlook.office365.com:995"],
            "https://outlook.office365.com/IMAP.AccessAsUser.All offline_access",
        ),
        (
            "cloud = \"gcc-high\"",
            "https://login.microsoftonline.us",
            ["outlook.office365.us:993", "smtp.office365.us:587", "outlook.office365.us:995"],
            "https://outlook.office365.us/IMAP.AccessAsUser.All offline_access",
        ),
        (
            "cloud = \"dod\"",
            "https://login.microsoftonline.us",
            [
                "outlook-dod.office365.us:993",
                "outlook-dod.office365.us:587",
                "outlook-dod.office365.us:995",
            ],
            "https://outlook.office365.us/IMAP.AccessAsUser.All offline_access",
        ),
        (
            "cloud = \"china\"",
            "https://login.partner.microsoftonline.cn",
            ["partner.outlook.cn:993", "smtp.partner.outlook.cn:587", "partner.outlook.cn:995"],
            "https://partner.outlook.cn/IMAP.AccessAsUser.All offline_access",
        ),
    ] {
        let provider =
            good(&format!("preset = \"microsoft\"\n{CLIENT}\ngrant = \"device_code\"\n{keys}"));
        let (application, folder) = (&provider.application, "contoso.example/oauth2/v2.0");
        assert_eq!(application.token_endpoint, format!("{authority}/{folder}/token"));
        let authorize = format!("{authority}/{folder}/authorize");
        assert_eq!(application.authorization_endpoint.as_deref(), Some(&*authorize));
        let device = format!("{authority}/{folder}/devicecode");
        assert_eq!(application.device_endpoint.as_deref(), Some(&*device));
        assert_eq!(places(&provider), sorted_as_protocols(hosts));
        assert_eq!(provider.service("imap").unwrap().scope, scope);
    }
}

/// The order of services is that of the protocols.
fn sorted_as_protocols([imap, smtp, pop3]: [&str; 3]) -> Vec<String> {
    let hosts = [("imap", imap), ("smtp", smtp), ("pop3", pop3)];
    let host = |protocol: &gatepost::proto::Protocol| {
        hosts.iter().find(|(name, _)| *name == protocol.name).unwrap().1.to_owned()
    };
    gatepost::proto::PROTOCOLS.iter().map(host).collect()
}

#[test]
fn personal_accounts_have_hosts_and_scopes_of_their_own() {
    let keys = "preset = \"microsoft\"\ntenant = \"consumers\"\nclient_id = \"app\"";
    let provider = good(&format!("{keys}\ngrant = \"authorization_code\""));
    assert_eq!(provider.service("smtp").unwrap().host, "smtp-mail.outlook.com");
    assert!(provider.service("imap").unwrap().scope.starts_with("https://outlook.office.com/"));
    wrong(
        &format!("{keys}\ngrant = \"client_credentials\"\nclient_secret_file = \"secret\""),
        &["knows no scope for the grant client_credentials"],
    );
}

#[test]
fn the_other_presets_know_where_their_people_sign_in() {
    for (preset, authorization, smtp) in [
        ("google", "https://accounts.google.com/o/oauth2/v2/auth", "smtp.gmail.com:465"),
        ("yahoo", "https://api.login.yahoo.com/oauth2/request_auth", "smtp.mail.yahoo.com:465"),
        ("fastmail", "https://api.fastmail.com/oauth/authorize", "smtp.fastmail.com:465"),
    ] {
        let keys = "client_id = \"app\"\ngrant = \"authorization_code\"";
        let provider = good(&format!("preset = \"{preset}\"\n{keys}"));
        let found = provider.application.authorization_endpoint.as_deref();
        assert_eq!(found, Some(authorization));
        assert!(places(&provider).contains(&smtp.to_owned()), "{preset}");
    }
    let hve = good(&format!("preset = \"hve\"\n{CLIENT}\ngrant = \"device_code\""));
    assert_eq!(places(&hve), ["smtp.hve.mx.microsoft:587"]);
}

#[test]
fn a_sign_in_consents_to_all_services_and_to_what_names_the_account() {
    let provider = good(&format!(
        "preset = \"microsoft\"\n{CLIENT}\ngrant = \"device_code\"\n\
         [provider.contoso.smtp]\nscope = \"https://other.example/Mail.Send offline_access\""
    ));
    let consent = provider.consent();
    let words = |text: &str| {
        let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        words.sort();
        words
    };
    assert_eq!(
        words(&consent.first),
        [
            "https://outlook.office365.com/IMAP.AccessAsUser.All",
            "https://outlook.office365.com/POP.AccessAsUser.All",
            "offline_access",
            "openid",
            "profile",
        ]
    );
    assert!(consent.all.contains("https://other.example/Mail.Send"));
}

#[test]
fn authorize_parameters_are_added_replaced_and_left_out() {
    let keys = "preset = \"google\"\nclient_id = \"app\"\ngrant = \"authorization_code\"";
    let given = "[provider.contoso.authorize]\nprompt = \"\"\nhd = \"contoso.example\"";
    let authorize = good(&format!("{keys}\n{given}")).application.authorize.clone();
    let pairs: Vec<_> = authorize.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(pairs, [("access_type", "offline"), ("hd", "contoso.example")]);
}

#[test]
fn a_scope_that_entra_reads_otherwise_is_a_problem_with_the_right_spelling() {
    let provider = |grant: &str, scope: &str| {
        format!(
            "preset = \"microsoft\"\n{CLIENT}\ngrant = \"{grant}\"\nclient_secret_file = \"secret\"\n\
             [provider.contoso.imap]\nscope = \"{scope}\""
        )
    };
    let (app, person) = ("client_credentials", "refresh_token");
    let default = "https://outlook.office365.com/.default";
    for (grant, scope, words) in [
        (
            person,
            "IMAP.AccessAsUser.All offline_access",
            ["for a scope of Graph", "https://outlook.office365.com/IMAP.AccessAsUser.All"],
        ),
        (
            person,
            "https://graph.microsoft.com/IMAP.AccessAsUser.All offline_access",
            ["is for Graph", "https://outlook.office365.com/IMAP.AccessAsUser.All"],
        ),
        (
            person,
            "https://outlook.office.com/SMTP.Send https://other.example/Read offline_access",
            ["AADSTS28000", "one resource"],
        ),
        (
            person,
            "https://outlook.office.com/SMTP.Send",
            ["offline_access", "https://outlook.office.com/SMTP.Send offline_access"],
        ),
        (
            app,
            "https://outlook.office365.com/IMAP.AccessAsApp",
            ["only for all that it was granted", default],
        ),
        (app, ".default", ["only for all that it was granted", default]),
        (app, "https://graph.microsoft.com/.default", ["is for Graph", default]),
        (
            app,
            "https://outlook.office365.com/.default offline_access",
            ["one resource at a time", default],
        ),
    ] {
        wrong(&provider(grant, scope), &words);
    }
    for (grant, scope) in [
        (
            person,
            "https://outlook.office.com/SMTP.Send https://outlook.office365.com/IMAP.AccessAsUser.All openid offline_access",
        ),
        (person, "https://outlook.office.com/.default offline_access"),
        (app, "https://outlook.office.com/.default"),
        ("password", "https://outlook.office.com/SMTP.Send"),
    ] {
        let mailbox = if grant == "password" { "provider_password_file = \"secret\"" } else { "" };
        load(&provider(grant, scope), mailbox).unwrap_or_else(|error| panic!("{error}"));
    }
    good(
        "preset = \"custom\"\ntoken_endpoint = \"https://login.example/token\"\nclient_id = \"app\"\n\
          grant = \"refresh_token\"\nscope = \"mail\"\nimap.host = \"imap.example\"",
    );
}

#[test]
fn what_an_application_proves_itself_by_is_one_thing_and_a_good_one() {
    let provider = |proof: &str| {
        format!("preset = \"microsoft\"\n{CLIENT}\ngrant = \"client_credentials\"\n{proof}")
    };
    let credential = |proof: &str| good(&provider(proof)).application.credential.clone();
    let Credential::Certificate(found) = credential("client_certificate = \"rsa.pem\"") else {
        panic!()
    };
    assert_eq!(found.algorithm, Algorithm::Ps256);
    assert!(matches!(credential("federated_token_file = \"later\""), Credential::Federated(_)));
    for (proof, words) in [
        ("", &["needs a client secret or a certificate"][..]),
        ("client_certificate = \"ec.pem\"", &["not RSA", "config.toml:"]),
        ("client_certificate = \"open.pem\"", &["can be read by everyone", "chmod o="]),
        ("client_certificate = \"nowhere.pem\"", &["no client certificate", "nowhere.pem"]),
        ("client_certificate = \"app.pfx\"", &["openssl pkcs12"]),
        ("client_certificate = \"rsa.pem\"\nclient_key = \"ec.pem\"", &["not RSA"]),
        (
            "client_certificate = \"rsa.pem\"\nclient_assertion_algorithm = \"ES256\"",
            &["PS256, RS256"],
        ),
        (
            "client_certificate = \"rsa.pem\"\nclient_secret_file = \"secret\"",
            &["more than one way"],
        ),
        ("federated_token_file = \"x\"\nclient_secret_file = \"secret\"", &["more than one way"]),
        ("client_secret_file = \"secret\"\nplatform = \"imds\"", &["unknown key \"platform\""]),
        (
            "client_secret_file = \"secret\"\ncloud = \"moon\"",
            &["cloud is one of global, gcc-high"],
        ),
    ] {
        wrong(&provider(proof), words);
    }
}

#[test]
fn grants_without_a_registration_ask_for_what_they_need_instead() {
    let imds = good(
        "preset = \"microsoft\"\ngrant = \"managed_identity\"\nplatform = \"imds\"\nresource_id = \"/x\"",
    );
    assert!(imds.application.token_endpoint.starts_with("http://169.254.169.254/"));
    let Credential::ManagedIdentity(identity) = &imds.application.credential else { panic!() };
    assert_eq!(identity.platform, Platform::Imds);
    assert_eq!(identity.identity, Some(("msi_res_id", "/x".to_owned())));
    good("preset = \"microsoft\"\ngrant = \"command\"\ncommand = \"print-token\"");
    wrong("preset = \"microsoft\"\ngrant = \"command\"", &["needs a program", "{mailbox}"]);
    wrong("preset = \"google\"\ngrant = \"service_account\"", &["service_account_file"]);
    wrong(
        "preset = \"google\"\ngrant = \"service_account\"\nservice_account_file = \"robot.json\"",
        &["no private key"],
    );
    wrong(
        "preset = \"google\"\ngrant = \"service_account\"\nservice_account_file = \"secret\"",
        &["no service account's key"],
    );
    let password = format!("preset = \"hve\"\n{CLIENT}\ngrant = \"password\"");
    wrong(&password, &["needs provider_password_file"]);
    load(&password, "provider_password_file = \"secret\"").unwrap();
    let person = format!("preset = \"microsoft\"\n{CLIENT}\ngrant = \"device_code\"");
    let unused = load(&person, "provider_password_file = \"secret\"").err().unwrap();
    assert!(unused.contains("no use for a password at the provider"), "{unused}");
}

#[test]
fn an_endpoint_of_version_1_is_asked_for_a_resource() {
    let keys = format!(
        "preset = \"microsoft\"\ncloud = \"china\"\n{CLIENT}\ngrant = \"password\"\nresource = \"https://partner.outlook.cn\""
    );
    let provider = load(&keys, "provider_password_file = \"secret\"").unwrap();
    assert_eq!(provider.application.target, Target::Resource);
    assert!(provider.application.token_endpoint.ends_with("/contoso.example/oauth2/token"));
    assert_eq!(provider.service("imap").unwrap().scope, "https://partner.outlook.cn");
    wrong(&format!("{keys}\nscope = \"x\""), &["a scope and a resource"]);
}

#[test]
fn a_proxy_is_said_in_its_parts() {
    let app = format!(
        "preset = \"microsoft\"\n{CLIENT}\ngrant = \"client_credentials\"\nclient_secret_file = \"secret\"\n[proxy]"
    );
    good(&format!("{app}\nurl = \"socks5://proxy.example\"\nno_proxy = \"10.0.0.0/8\""));
    for (keys, words) in [
        ("url = \"http://user:hunter2@proxy.example\"", &["holds a login", "password_file"][..]),
        ("url = \"user:hunter2@proxy.example:3128\"", &["socks5://", "password_file"]),
        ("url = \"https://proxy.example\"", &["a proxy of an unknown kind"]),
        ("url = \"proxy.example:3128\"", &["socks5://"]),
        ("url = \"http://p\"\nno_proxy = \"10.0.0.0/99\"", &["no domain and no network"]),
        ("url = \"http://p\"\npassword_file = \"secret\"", &["needs user"]),
        ("user = \"me\"", &["needs url"]),
    ] {
        wrong(&format!("{app}\n{keys}"), words);
    }
}
