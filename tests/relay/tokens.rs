//! Access and refresh tokens over the life of a gatepost.

use std::time::Duration;

use super::rig::{ADDRESS, Clock, Difference, PUBLIC_APP, Rig, signed_in};
use gatepost::secret::Secret;
use gatepost::store::Store;
use gatepost_standin::{AuthorityFailure, Standin};

/// Past the age under which a refused token is kept.
const GROWN: Duration = Duration::from_secs(61);

#[tokio::test]
async fn a_revoked_token_costs_one_request_and_no_login() {
    let clock = Clock::default();
    let rig = Rig::with_clock(&Difference::default(), &clock).await;
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    for (requests, protocol) in [(2, "imap"), (3, "smtp")] {
        clock.advance(GROWN);
        rig.standin.revoke_tokens();
        let (_client, answer) = match protocol {
            "imap" => rig.imap().await,
            _ => rig.smtp().await,
        };
        assert!(answer[0].starts_with("a OK") || answer[0].starts_with("235 "), "{answer:?}");
        assert_eq!(rig.standin.counters().token_requests.count(), requests);
    }
    assert_eq!(rig.standin.counters().imap_refusals.count(), 1);
    assert_eq!(rig.standin.counters().smtp_refusals.count(), 1);
    rig.stop().await;
}

/// One retry with a fresh token, then the answer: Entra counts, and locks out who insists.
#[tokio::test]
async fn a_token_refused_twice_is_refused() {
    let clock = Clock::default();
    let rig = Rig::with_clock(&Difference::default(), &clock).await;
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    clock.advance(GROWN);
    rig.standin.revoke_tokens();
    rig.standin.tenant().apps[0].roles.clear();
    let (mut client, answer) = rig.imap().await;
    assert!(answer[0].starts_with("a NO [CONTACTADMIN] "), "{answer:?}");
    assert_eq!(rig.standin.counters().token_requests.count(), 2);
    assert_eq!(rig.standin.counters().imap_refusals.count(), 2);
    // However often the client insists.
    for tag in ["b", "c"] {
        client
            .ask(
                &format!("{tag} LOGIN scanner \"correct horse\""),
                &format!("{tag} NO [CONTACTADMIN]"),
            )
            .await;
    }
    assert_eq!(rig.standin.counters().token_requests.count(), 2);
    rig.stop().await;
}

#[tokio::test]
async fn a_token_is_replaced_before_it_ends() {
    let clock = Clock::default();
    let rig = Rig::with_clock(&Difference::default(), &clock).await;
    rig.standin.knobs().token_lifetime = Some(Duration::from_secs(3600));
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    clock.advance(Duration::from_secs(600));
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    assert_eq!(rig.standin.counters().token_requests.count(), 1);
    // Within its last ten minutes nobody gets it any more.
    clock.advance(Duration::from_secs(2500));
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    assert_eq!(rig.standin.counters().token_requests.count(), 2);
    // A token long gone is replaced before it is shown to anybody.
    clock.advance(Duration::from_secs(7200));
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    assert_eq!(rig.standin.counters().token_requests.count(), 3);
    assert_eq!(rig.standin.counters().imap_refusals.count(), 0);
    rig.stop().await;
}

/// A token at hand outlasts an outage of the authority.
#[tokio::test]
async fn an_outage_while_a_token_is_good_goes_unnoticed() {
    let clock = Clock::default();
    let rig = Rig::with_clock(&Difference::default(), &clock).await;
    rig.standin.knobs().token_lifetime = Some(Duration::from_secs(3600));
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    let failure =
        AuthorityFailure { status: 503, body: String::new(), retry_after: None, times: None };
    rig.standin.knobs().authority_failure = Some(failure);
    clock.advance(Duration::from_secs(3300));
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    assert_eq!(rig.standin.counters().token_requests.count(), 2);
    clock.advance(Duration::from_secs(400));
    assert!(rig.imap().await.1[0].starts_with("a NO [UNAVAILABLE] "));
    rig.stop().await;
}

#[tokio::test]
async fn tokens_of_any_look_and_length_get_through() {
    for (opaque, padding) in [(true, 0), (false, 1000), (false, 4000)] {
        let rig = Rig::start().await;
        {
            let mut knobs = rig.standin.knobs();
            knobs.opaque_tokens = opaque;
            knobs.token_padding = padding;
            knobs.smtp_auth_line_limit = Some(512);
            knobs.string_expires_in = true;
        }
        let (mut client, answer) = rig.imap().await;
        assert!(answer[0].starts_with("a OK"), "{padding}: {answer:?}");
        client.ask("b SELECT INBOX", "b OK").await;
        assert!(rig.smtp().await.1[0].starts_with("235 "), "{padding}");
        // A command line over 8192 octets is more than a server has to take.
        let said = rig.said_upstream();
        let two_steps = said.iter().any(|line| line == "g2 AUTHENTICATE XOAUTH2");
        assert_eq!(two_steps, padding >= 4000, "{padding}");
        rig.stop().await;
    }
}

/// Beyond what Exchange's IMAP takes in a line; its SMTP takes it.
#[tokio::test]
async fn a_token_too_long_for_the_upstream_is_explained() {
    let rig = Rig::start().await;
    rig.standin.knobs().token_padding = 5000;
    assert!(rig.imap().await.1[0].starts_with("a NO [UNAVAILABLE] "));
    rig.journal.tells("an unusually large token");
    assert!(rig.smtp().await.1[0].starts_with("235 "));
    rig.stop().await;
}

#[tokio::test]
async fn without_sasl_ir_the_token_waits_to_be_asked_for() {
    let rig = Rig::start().await;
    rig.standin.knobs().imap_capability_without_sasl_ir = true;
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    assert!(rig.said_upstream().iter().any(|line| line == "g2 AUTHENTICATE XOAUTH2"));
    rig.stop().await;
}

async fn signed_in_rig() -> (Rig, Difference<'static>) {
    let standin = Standin::start().await.unwrap();
    let difference = signed_in(&standin.mint_refresh_token(PUBLIC_APP, ADDRESS));
    (Rig::with(standin, &difference).await, difference)
}

#[tokio::test]
async fn a_rotated_refresh_token_survives_a_restart() {
    let (rig, difference) = signed_in_rig().await;
    let (mut client, answer) = rig.imap().await;
    assert!(answer[0].starts_with("a OK"), "{answer:?}");
    client.ask("b SELECT INBOX", "b OK").await;
    client.ask("c LOGOUT", "c OK").await;
    assert!(rig.smtp().await.1[0].starts_with("235 "));
    // Whatever was there before gatepost's rotation is worth nothing from now on; what it was given
    // last has to be on disk.
    let rig = rig.restart(&difference).await;
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    let counters = rig.standin.counters();
    assert_eq!(counters.refresh_token_requests.count(), counters.token_requests.count());
    assert_eq!(counters.token_requests.count(), 2, "one for each start");
    rig.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_with_the_last_refresh_token_and_not_the_first() {
    let standin = Standin::start().await.unwrap();
    let seed = standin.mint_refresh_token(PUBLIC_APP, ADDRESS);
    let difference = signed_in(&seed);
    let rig = Rig::with(standin, &difference).await;
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    let kept = kept(&rig);
    assert!(kept.reveal().starts_with("1.A") && *kept.reveal() != seed, "the successor is on disk");
    rig.stop().await;
}

/// The authority may take the old token back as it hands out the new one.
#[tokio::test]
async fn a_stop_waits_for_a_refresh_token_on_its_way() {
    let (rig, difference) = signed_in_rig().await;
    rig.standin.knobs().authority_delay = Duration::from_millis(500);
    let mut client = rig.client("imap").await;
    client.until("* OK").await;
    client.say("a LOGIN scanner \"correct horse\"").await;
    while rig.standin.counters().token_requests.count() == 0 {
        tokio::task::yield_now().await;
    }
    let seed = difference.mailbox.split('"').nth(1).unwrap().to_owned();
    let rig = rig.restart(&difference).await;
    let kept = kept(&rig);
    assert!(kept.reveal().starts_with("1.A") && *kept.reveal() != seed, "the successor is on disk");
    rig.stop().await;
}

/// The refresh token on disk, where it stands sealed and for its owner alone.
fn kept(rig: &Rig) -> Secret<String> {
    let folder = rig.state().join("state").join("sign-ins");
    let record = Store::open(&folder).unwrap().load(ADDRESS).unwrap().unwrap();
    let secret = record.refresh_token.reveal().as_bytes();
    for entry in std::fs::read_dir(&folder).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let path = entry.unwrap().path();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is for its owner alone", path.display());
        let octets = std::fs::read(&path).unwrap();
        assert!(!octets.windows(secret.len()).any(|window| window == secret), "{}", path.display());
    }
    record.refresh_token
}

#[tokio::test]
async fn a_dead_refresh_token_is_not_sent_again() {
    let (rig, _) = signed_in_rig().await;
    rig.standin.revoke_refresh_tokens(ADDRESS);
    for _ in 0..3 {
        let (_client, answer) = rig.imap().await;
        assert!(answer[0].starts_with("* NO [ALERT] gatepost: Sign-in needed"), "{answer:?}");
        assert!(answer[1].starts_with("a NO [CONTACTADMIN] Sign-in needed"), "{answer:?}");
        assert!(rig.smtp().await.1[0].starts_with("454 4.7.0 Sign-in needed"));
    }
    assert_eq!(rig.standin.counters().token_requests.count(), 1);
    assert_eq!(rig.standin.counters().imap_logins.count(), 0);
    rig.journal.tells("Sign in again");
    rig.stop().await;
}

/// Neither an outage nor a wrong application ends a sign-in.
#[tokio::test]
async fn a_failure_that_is_not_the_sign_ins_leaves_it_alone() {
    for code in [7_000_218, 90_033, 53_003, 70_011] {
        let (rig, difference) = signed_in_rig().await;
        rig.standin.knobs().authority_aadsts = Some(code);
        assert!(rig.smtp().await.1[0].starts_with("454 4.7.0 "));
        rig.standin.knobs().authority_aadsts = None;
        let rig = rig.restart(&difference).await;
        assert!(rig.imap().await.1[0].starts_with("a OK"), "AADSTS{code}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_sign_in_is_missing() {
    let standin = Standin::start().await.unwrap();
    let difference = Difference { mailbox: String::new(), ..signed_in("") };
    let rig = Rig::with(standin, &difference).await;
    let (_client, answer) = rig.imap().await;
    assert!(answer[0].starts_with("* NO [ALERT] gatepost: Sign-in needed"), "{answer:?}");
    assert_eq!(rig.standin.counters().token_requests.count(), 0);
    rig.stop().await;
}

/// What another person signed in opens nothing of this mailbox.
#[tokio::test]
async fn a_sign_in_by_somebody_else_is_explained() {
    let standin = Standin::start().await.unwrap();
    let difference = signed_in(&standin.mint_refresh_token(PUBLIC_APP, "bob@contoso.example"));
    let rig = Rig::with(standin, &difference).await;
    assert!(rig.imap().await.1[0].starts_with("a NO [AUTHORIZATIONFAILED] "));
    assert!(rig.smtp().await.1[0].starts_with("454 4.7.0 "));
    rig.journal.tells("FullAccess");
    rig.journal.tells("the identity isn't the token's user");
    rig.stop().await;
}
