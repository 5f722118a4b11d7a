use super::*;
use crate::mailbox::password::{self, SALT_LENGTH};
use crate::oauth::{Application, Grant};

fn provider() -> Arc<Provider> {
    let application = Application {
        token_endpoint: "https://login.example/token".to_owned(),
        client_id: "app".to_owned(),
        ..Application::default()
    };
    Arc::new(Provider {
        name: "contoso".to_owned(),
        application: Arc::new(application),
        grant: Grant::named("refresh_token").unwrap(),
        services: Vec::new(),
        graph: None,
    })
}

fn mailbox(address: &str) -> Arc<Mailbox> {
    Arc::new(Mailbox::new(address, provider()))
}

fn hashed(password: &str) -> Password {
    let cheap = Parameters::new(8, 1, 1, None).unwrap();
    let text = password::hash(&Secret::from(password), [7; SALT_LENGTH], &cheap).unwrap();
    Password::Hash(Hash::parse(&text).unwrap())
}

fn empty() -> Directory {
    let mut directory = Directory::new(&Secret::new([1; KEY_LENGTH]));
    // The usual decoy would make each failed login of these tests take its time.
    directory.decoy.hash = Hash::decoy(Parameters::new(8, 1, 1, None).unwrap());
    directory
}

/// `scanner` with a hash, `fax` with a password in clear.
fn directory() -> Directory {
    let mut directory = empty();
    directory.insert("Scanner", hashed("s3cret"), mailbox("scanner@contoso.example")).unwrap();
    let plain = Password::Plain(Secret::from("t0ner"));
    directory.insert("fax", plain, mailbox("fax@contoso.example")).unwrap();
    directory
}

fn login(user: &str, password: &str) -> Login {
    Login::new("", user, password).unwrap()
}

fn visit() -> Visit {
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
    Visit { protocol: "imap", peer: Some([10, 0, 0, 7].into()), now }
}

fn verify(directory: &Directory, login: &Login) -> Result<Arc<Mailbox>, Refusal> {
    directory.verify(login, &visit(), &Devices::default()).map(|admitted| admitted.mailbox)
}

fn recall(directory: &Directory, login: &Login) -> Option<Arc<Mailbox>> {
    let admitted = directory.recall(login, &visit(), &Devices::default());
    admitted.map(|admitted| admitted.mailbox)
}

fn cause(directory: &Directory, login: &Login) -> Cause {
    verify(directory, login).unwrap_err().cause
}

#[test]
fn names_that_ask_for_one_password_count_as_one_guess() {
    let mut directory = directory();
    directory.insert("", hashed("x"), mailbox("*@fabrikam.example")).unwrap();
    for (name, guessed) in [
        ("Scanner", "scanner@contoso.example"),
        ("scanner\\fax", "scanner@contoso.example"),
        ("ANY\\scanner", "scanner@contoso.example"),
        ("scanner+lobby", "scanner@contoso.example+lobby"),
        ("jane@fabrikam.example", "*@fabrikam.example"),
        ("Nobody", "nobody"),
    ] {
        assert_eq!(directory.guessed(name), guessed, "{name}");
    }
}

#[test]
fn a_right_password_leads_to_the_mailbox_whatever_the_case_of_the_user() {
    let directory = directory();
    for user in ["scanner", "SCANNER", "sCanner"] {
        let mailbox = verify(&directory, &login(user, "s3cret")).unwrap();
        assert_eq!(mailbox.address, "scanner@contoso.example");
    }
    assert_eq!(verify(&directory, &login("fax", "t0ner")).unwrap().address, "fax@contoso.example");
}

#[test]
fn case_folds_beyond_ascii_and_wherever_a_letter_stands() {
    let mut directory = empty();
    directory.insert("ΟΔΥΣΣΕΥΣ", hashed("x"), mailbox("o@contoso.example")).unwrap();
    assert!(verify(&directory, &login("οδυσσευσ", "x")).is_ok());
    let taken = directory.insert("Οδυσσευσ", hashed("y"), mailbox("p@contoso.example"));
    assert_eq!(taken.unwrap_err().by.address, "o@contoso.example");
}

#[test]
fn strangers_and_wrong_passwords_get_one_answer() {
    let directory = directory();
    let refusals = [
        login("scanner", "S3cret"),
        login("scanner", ""),
        login("fax", "toner"),
        login("fax", ""),
        login("nobody", "s3cret"),
        login("nobody", ""),
    ]
    .map(|login| verify(&directory, &login).unwrap_err());
    for refusal in &refusals {
        assert_eq!(refusal.cause, Cause::LoginRejected);
        assert_eq!(refusal.reply(), refusals[0].reply());
        for secret in ["s3cret", "S3cret", "t0ner", "toner"] {
            assert!(!refusal.explain().contains(secret), "{refusal}");
        }
    }
}

#[test]
fn a_password_that_hashes_right_but_is_empty_stays_out() {
    let mut directory = empty();
    directory.insert("open", hashed(""), mailbox("open@contoso.example")).unwrap();
    directory
        .insert("wide", Password::Plain(Secret::from("")), mailbox("wide@contoso.example"))
        .unwrap();
    for user in ["open", "wide"] {
        assert!(recall(&directory, &login(user, "")).is_none());
        assert_eq!(cause(&directory, &login(user, "")), Cause::LoginRejected);
    }
}

#[test]
fn a_login_is_recalled_once_it_has_proven_right() {
    let directory = directory();
    let right = login("scanner", "s3cret");
    assert!(recall(&directory, &right).is_none());
    verify(&directory, &right).unwrap();
    assert_eq!(recall(&directory, &right).unwrap().address, "scanner@contoso.example");
    assert!(recall(&directory, &login("SCANNER", "s3cret")).is_some());
    for wrong in [login("scanner", "s3cre"), login("fax", "s3cret"), login("nobody", "s3cret")] {
        assert!(recall(&directory, &wrong).is_none());
    }
}

#[test]
fn a_failed_login_neither_counts_as_proven_nor_undoes_what_is() {
    let directory = directory();
    verify(&directory, &login("scanner", "s3cret")).unwrap();
    let wrong = login("scanner", "guess");
    assert_eq!(cause(&directory, &wrong), Cause::LoginRejected);
    assert!(recall(&directory, &wrong).is_none());
    assert!(recall(&directory, &login("scanner", "s3cret")).is_some());
}

#[test]
fn a_password_in_clear_is_recalled_from_the_start() {
    assert!(recall(&directory(), &login("Fax", "t0ner")).is_some());
}

#[test]
fn an_authorization_identity_is_the_user_the_mailbox_or_refused() {
    let directory = directory();
    let acting = |authzid| Login::new(authzid, "scanner", "s3cret").unwrap();
    for fine in ["Scanner", "scanner@contoso.example", "SCANNER@CONTOSO.EXAMPLE"] {
        assert!(verify(&directory, &acting(fine)).is_ok(), "{fine}");
        assert!(recall(&directory, &acting(fine)).is_some(), "{fine}");
    }
    let other = acting("fax@contoso.example");
    assert_eq!(cause(&directory, &other), Cause::NotAuthorized);
    assert!(recall(&directory, &other).is_none());
}

#[test]
fn a_wrong_password_hides_whom_one_may_act_as() {
    let login = Login::new("fax@contoso.example", "scanner", "guess").unwrap();
    assert_eq!(cause(&directory(), &login), Cause::LoginRejected);
}

#[test]
fn strangers_cost_as_much_as_the_best_protected_user() {
    let mut directory = Directory::new(&Secret::new([1; KEY_LENGTH]));
    let costly = Parameters::new(64, 3, 1, None).unwrap();
    let text = password::hash(&Secret::from("x"), [7; SALT_LENGTH], &costly).unwrap();
    let hash = Password::Hash(Hash::parse(&text).unwrap());
    directory.insert("best", hash, mailbox("best@contoso.example")).unwrap();
    directory.insert("other", hashed("y"), mailbox("other@contoso.example")).unwrap();
    assert_eq!(cost(directory.decoy.hash.parameters()), cost(&costly));
}

#[test]
fn a_taken_user_leaves_the_first_one_in_place() {
    let mut directory = directory();
    let taken = directory.insert("SCANNER", hashed("other"), mailbox("b@contoso.example"));
    assert_eq!(taken.unwrap_err().by.address, "scanner@contoso.example");
    assert_eq!(directory.len(), 2);
    assert_eq!(
        verify(&directory, &login("scanner", "s3cret")).unwrap().address,
        "scanner@contoso.example"
    );
}

/// A mailbox with a user and password of its own, one that has none any more, and all others of their domain.
#[test]
fn the_password_of_a_whole_domain_opens_no_mailbox_that_has_its_own() {
    let mut directory = directory();
    directory.insert("", hashed("for all"), mailbox("*@contoso.example")).unwrap();
    let none = Password::OfDevices;
    directory.insert("boss", none, mailbox("boss@contoso.example")).unwrap();
    assert!(verify(&directory, &login("jane.o'neil-2@contoso.example", "for all")).is_ok());
    for local in ["scanner", "boss"] {
        for user in [
            format!("{local}@contoso.example"),
            format!("{}@Contoso.EXAMPLE", local.to_uppercase()),
            format!("CONTOSO\\{local}@contoso.example"),
            format!("{local}@contoso.example\\{local}@contoso.example"),
            format!("jane@contoso.example\\{local}@contoso.example"),
            format!("jane@contoso.example\\{local}"),
            format!("{local}@contoso.example."),
            format!("{local}.@contoso.example"),
            format!(".{local}@contoso.example"),
            format!("{local} @contoso.example"),
            format!("{local}@contoso.example "),
            format!("{local}\u{a0}@contoso.example"),
            format!("{local}\u{200b}@contoso.example"),
            format!("\"{local}\"@contoso.example"),
            format!("{local}(x)@contoso.example"),
            format!("<{local}@contoso.example>"),
            format!("{local}%contoso.example@contoso.example"),
            format!("{local}+x@contoso.example"),
            format!("{local}++x@contoso.example"),
            format!("\u{ff42}\u{ff4f}\u{ff53}\u{ff53}{local}@contoso.example"),
            format!("{local}@contoso\u{3002}example"),
            local.replacen('s', "\u{17f}", 1) + "@contoso.example",
            local.replacen('s', "s\u{301}", 1) + "@contoso.example",
        ] {
            let wish = Login::new("", &user, "for all");
            assert!(wish.is_err() || verify(&directory, &wish.unwrap()).is_err(), "{user:?}");
        }
        let acting =
            Login::new(&format!("{local}@contoso.example"), "jane@contoso.example", "for all");
        assert_eq!(cause(&directory, &acting.unwrap()), Cause::NotAuthorized);
    }
}

#[test]
fn services_are_those_of_distinct_providers() {
    let mut directory = empty();
    let mut provider = provider();
    Arc::get_mut(&mut provider).unwrap().services.push(Service {
        protocol: "imap",
        host: "imap.example".to_owned(),
        port: 993,
        security: crate::proto::Security::Implicit,
        scope: "mail".to_owned(),
    });
    for user in ["a", "b"] {
        let mailbox = Mailbox::new(user, provider.clone());
        directory.insert(user, hashed("x"), Arc::new(mailbox)).unwrap();
    }
    let hosts: Vec<&str> =
        directory.services("imap").map(|service| service.host.as_str()).collect();
    assert_eq!(hosts, ["imap.example"]);
    assert_eq!(directory.services("smtp").count(), 0);
}
