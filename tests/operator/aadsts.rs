//! Each AADSTS number that an operator may meet: who has to act, and a piece of what they are told.
//!
//! The numbers and what to do about them are those of Microsoft's list of authentication error codes,
//! written down once more: a row that goes missing from the advice, or changes sides, shows here.

use gatepost::config::Config;
use gatepost::daemon::engine;
use gatepost::mailbox::Margin;
use gatepost::oauth::Class;

use crate::desk::{Desk, MAILBOX};

// A table reads by rows.
#[rustfmt::skip]
const ADVICE: &[(&[u32], Class, &str)] = &[
    (&[7_000_215], Class::Configure, "Value, not its Secret ID"),
    (&[7_000_222], Class::Configure, "new client secret"),
    (&[7_000_216], Class::Configure, "client secret"),
    (&[7_000_218], Class::Configure, "Allow public client flows"),
    (&[700_025], Class::Configure, "Remove the client secret"),
    (&[700_027], Class::Configure, "Upload the certificate"),
    (&[700_024], Class::Configure, "clock"),
    (&[700_030, 50_012], Class::Configure, "certificate"),
    (&[700_211, 700_212, 700_213], Class::Configure, "issuer, audience and subject"),
    (&[700_016], Class::Configure, "tenant and client id"),
    (&[700_011, 70_001, 7_000_112], Class::Configure, "Enterprise applications"),
    (&[90_002], Class::Configure, "tenant"),
    (&[900_023], Class::Configure, "verified domain"),
    (&[90_038, 900_432, 900_382], Class::Configure, "national cloud"),
    (&[50_049], Class::Configure, "host name"),
    (&[50_194], Class::Configure, "tenant"),
    (&[9_001_023], Class::Configure, "tenant"),
    (&[9_002_332, 9_002_331], Class::Configure, "/consumers"),
    (&[90_124, 90_130], Class::Configure, "tenant"),
    (&[70_011], Class::Configure, "https://outlook.office365.com/.default"),
    (&[1_002_012], Class::Configure, "https://outlook.office365.com/.default"),
    (&[28_000, 700_022], Class::Configure, "one resource a token"),
    (&[28_002, 28_003, 700_023], Class::Configure, "mail scopes"),
    (&[500_011, 50_001, 650_052, 650_054], Class::Configure, "licence"),
    (&[650_057, 650_056, 65_005], Class::Configure, "Office 365 Exchange Online"),
    (&[65_001], Class::SignIn, "consent"),
    (&[65_004], Class::SignIn, "consent"),
    (&[90_094, 90_095, 90_008], Class::SignIn, "administrator"),
    (&[65_002], Class::Configure, ""),
    (&[50_011, 70_004, 900_971], Class::Configure, "http://localhost"),
    (&[9_002_327], Class::Configure, "Mobile and desktop"),
    (&[501_481, 50_147, 501_491], Class::SignIn, "Start the sign-in again"),
    (&[54_005, 700_005], Class::SignIn, "Start the sign-in again"),
    (&[900_144, 90_014, 9_002_313, 90_023, 90_100, 900_561], Class::Configure, "token endpoint, client id and scope"),
    (&[901_002], Class::Configure, "scope"),
    (&[50_126], Class::SignIn, "password"),
    (&[50_034, 51_004, 50_014], Class::Configure, "address and tenant"),
    (&[50_020, 16_000, 500_208, 90_072], Class::Configure, "member of this tenant"),
    (&[50_053], Class::Policy, "sign-in log"),
    (&[50_055, 50_144, 50_132, 50_133], Class::SignIn, "Sign in again"),
    (&[50_056], Class::SignIn, "interactively"),
    (&[50_057, 500_571], Class::Configure, "Enable the account"),
    (&[50_058], Class::SignIn, "interactively"),
    (&[50_059, 50_128, 90_019], Class::Configure, "tenant"),
    (&[50_072, 50_074, 50_076, 50_078, 50_079], Class::SignIn, "interactively once"),
    (&[50_105], Class::Configure, "Assign"),
    (&[50_097, 53_000, 53_001, 53_002, 50_129, 135_010, 135_011, 700_003], Class::Policy, "app-only"),
    (&[53_003, 530_032, 50_131, 50_158], Class::Policy, "correlation id"),
    (&[530_035], Class::Policy, "security defaults"),
    (&[53_004, 53_010, 53_011], Class::Policy, "administrator"),
    (&[50_173, 50_089], Class::SignIn, "Sign in again"),
    (&[70_000], Class::SignIn, "unblock"),
    (&[700_082, 70_008, 700_081], Class::SignIn, "keep gatepost running"),
    (&[700_084], Class::SignIn, "Mobile and desktop"),
    (&[70_043], Class::Policy, "sign-in frequency"),
    (&[70_016], Class::SignIn, "browser"),
    (&[70_018, 70_019], Class::SignIn, "Start the sign-in again"),
    (&[70_003], Class::Configure, "grant"),
    (&[50_196], Class::Retry, "left alone"),
    (&[90_055, 50_088, 50_166], Class::Retry, "asked again"),
    (&[90_033, 90_006, 90_012, 90_024, 90_090, 90_091, 50_033, 50_087, 70_012, 40_010], Class::Retry, "asked again"),
    (&[80_001, 80_002, 80_003, 80_004, 80_005, 80_006, 80_007, 80_008, 80_009, 80_010, 80_011, 80_012, 80_013, 80_014], Class::Retry, "authentication agents"),
    (&[50_000], Class::Retry, "correlation id"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_number_has_its_class_and_its_advice() {
    let desk = Desk::set_up().await;
    let config = Config::load(&desk.configure(&desk.parts())).unwrap();
    let provider = &config.providers[0];
    for (number, class, piece) in rows() {
        desk.standin.knobs().authority_aadsts = Some(number);
        // A new engine each time: one that was refused asks no more for a minute.
        let (tokens, _) = engine(&config).unwrap();
        let scope = &provider.services[0].scope;
        let failure = tokens.inquire(provider, MAILBOX, None, scope, Margin::Half).await;
        let failure = failure.map(drop).unwrap_err();
        assert_eq!(failure.class, class, "{number}: {failure}");
        let said = failure.to_string();
        assert!(said.contains(&format!("AADSTS{number}")), "{said}");
        assert!(failure.advice.contains(piece), "{number}: {said}");
    }
}

/// By the program, for one number of each class.
#[tokio::test(flavor = "multi_thread")]
async fn the_advice_is_printed() {
    let desk = Desk::set_up().await;
    desk.configure(&desk.parts());
    for class in [Class::Retry, Class::SignIn, Class::Configure, Class::Policy] {
        let (number, _, piece) = rows().find(|(_, other, _)| *other == class).unwrap();
        desk.standin.knobs().authority_aadsts = Some(number);
        let ended = desk.run(&["doctor", MAILBOX]).await;
        assert!(ended.out.contains(&format!("AADSTS{number}")), "{}", ended.out);
        let remedy = ended.out.lines().find(|line| line.contains("->") && line.contains(piece));
        assert!(remedy.is_some(), "{piece:?}\n{}", ended.out);
    }
}

fn rows() -> impl Iterator<Item = (u32, Class, &'static str)> {
    ADVICE.iter().flat_map(|(numbers, class, piece)| {
        numbers.iter().map(move |number| (*number, *class, *piece))
    })
}

#[test]
fn no_number_stands_in_two_rows() {
    let mut numbers: Vec<u32> = rows().map(|(number, ..)| number).collect();
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "{numbers:?}");
}
