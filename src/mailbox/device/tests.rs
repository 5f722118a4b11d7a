use std::sync::Arc;
use std::time::Duration;

use super::*;
use proptest::prelude::*;

fn secret(text: &str) -> Secret<String> {
    Secret::from(text)
}

fn device(mailbox: &str, name: &str, password: &str) -> Arc<Device> {
    let proof = Some(Proof::Digest(PasswordDigest::of(mailbox, &secret(password))));
    Arc::new(Device::new(mailbox, name.parse().unwrap(), proof, Scope::default()))
}

fn visit(protocol: &'static str, peer: &str) -> Visit {
    let now = "2026-11-22".parse::<Day>().unwrap().start();
    Visit { protocol, peer: Some(peer.parse().unwrap()), now }
}

#[test]
fn a_generated_password_has_groups_and_no_confusable_characters() {
    let password = generate(&Secret::new([31; PASSWORD_LENGTH]));
    assert_eq!(password.reveal(), "zzzzz-zzzzz-zzzzz-zzzzz");
    let password = generate(&Secret::new(std::array::from_fn(|at| at as u8 + 12)));
    assert_eq!(password.reveal(), "cdefg-hjkmn-pqrst-vwxyz");
}

#[test]
fn a_digest_forgives_how_a_password_is_typed_and_nothing_else() {
    let of = |address, password| PasswordDigest::of(address, &secret(password));
    let digest = of("fax@contoso.example", "1a0b2-zzzzz");
    for typed in ["1a0b2zzzzz", "1A0B2 ZZZZZ", "la0b2-zzzzz", "IAOB2zzzzz"] {
        assert!(digest == of("FAX@contoso.example", typed), "{typed}");
    }
    for other in ["1a0b2zzzz", "1a0b2zzzzzz", ""] {
        assert!(digest != of("fax@contoso.example", other), "{other}");
    }
    assert!(digest != of("erp@contoso.example", "1a0b2-zzzzz"));
}

#[test]
fn a_digest_reads_as_it_is_written() {
    let digest = PasswordDigest::of("a@b", &secret("x"));
    let text = digest.to_string();
    assert!(matches!(Proof::parse(&text), Ok(Proof::Digest(read)) if read == digest), "{text}");
    for wrong in ["sha256:", "sha256:ab", &text[..text.len() - 1], &format!("{text}0")] {
        assert!(Proof::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_scope_objects_to_what_it_does_not_name() {
    let scope = Scope {
        protocols: vec!["smtp"],
        networks: vec!["10.1.0.0/16".parse().unwrap()],
        expires: Some("2026-11-22".parse().unwrap()),
    };
    assert_eq!(scope.objection(&visit("smtp", "10.1.2.3")), None);
    let says = |visit: &Visit| scope.objection(visit).unwrap();
    assert_eq!(says(&visit("imap", "10.1.2.3")), "is for smtp only");
    assert_eq!(says(&visit("smtp", "::ffff:10.2.0.1")), "isn't for use from 10.2.0.1");
    let late = Visit {
        now: visit("smtp", "10.1.2.3").now + Duration::from_secs(86_400),
        ..visit("smtp", "10.1.2.3")
    };
    assert_eq!(says(&late), "was good until 2026-11-22");
    assert_eq!(Scope::default().objection(&late), None);
}

#[test]
fn names_are_fit_for_files_logins_and_the_journal() {
    assert_eq!("Lobby-2.OG".parse::<DeviceName>().unwrap().as_str(), "lobby-2.og");
    for wrong in ["", ".x", "-x", "a b", "a+b", "a/b", "ä", "a\nb", "a\0", &"x".repeat(41)] {
        assert_eq!(wrong.parse::<DeviceName>(), Err(InvalidName), "{wrong:?}");
    }
}

#[test]
fn a_replaced_password_leads_nowhere_and_its_sessions_end_if_cut() {
    let old = device("a@b", "fax", "old");
    let mut devices = Devices::from_iter([Arc::clone(&old), device("a@b", "lobby", "other")]);
    assert!(devices.known_by("A@B", &secret("old")).is_some());
    let begin = visit("smtp", "::1").now;
    assert!(devices.lets_go_on(&old, begin));
    let mut new = Device::new("a@b", "fax".parse().unwrap(), None, Scope::default());
    new.cut = Some(begin + Duration::from_secs(1));
    devices.insert(Arc::new(new));
    assert!(devices.known_by("a@b", &secret("old")).is_none());
    assert!(devices.known_by("a@b", &secret("other")).is_some());
    assert!(!devices.lets_go_on(&old, begin));
    assert!(devices.lets_go_on(&old, begin + Duration::from_secs(1)));
    // The same password again, of which the index holds no second entry.
    devices.insert(device("a@b", "fax", "old"));
    devices.insert(device("a@b", "fax", "old"));
    assert!(devices.known_by("a@b", &secret("old")).is_some());
}

proptest! {
    #[test]
    fn no_text_that_is_a_name_could_forge_anything(text in any::<String>()) {
        if let Ok(name) = text.parse::<DeviceName>() {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
            prop_assert!(name.as_str().chars().all(plain));
        }
    }
}
