//! What can go wrong at the authority: the client's answer, the operator's explanation, and how often
//! the authority is asked.

use std::time::Duration;

use super::rig::{Clock, Difference, Rig};
use gatepost_standin::{AuthorityFailure, Service, Standin};

const QUICK: &str = "[timeouts]\ntoken_request = \"1s\"\nconnect = \"1s\"\ndrain = \"1s\"\n";

fn status(status: u16, body: &str, retry_after: Option<&str>) -> AuthorityFailure {
    let retry_after = retry_after.map(str::to_owned);
    AuthorityFailure { status, body: body.to_owned(), retry_after, times: None }
}

/// A login over each protocol: both are refused, and only the first costs a request.
async fn fails(rig: &Rig, imap: &str, explanation: &str) {
    let (_client, said) = rig.imap().await;
    assert!(said.last().unwrap().starts_with(imap), "{explanation}: {said:?}");
    let (_client, said) = rig.smtp().await;
    assert!(said.len() == 1 && said[0].starts_with("454 4.7.0 "), "{explanation}: {said:?}");
    rig.journal.tells(explanation);
    assert_eq!(rig.standin.counters().imap_logins.count(), 0);
    assert_eq!(rig.standin.counters().smtp_logins.count(), 0);
}

#[tokio::test]
async fn each_kind_of_number_has_its_answer() {
    for (code, imap, explanation) in [
        (7_000_215, "a NO [CONTACTADMIN] ", "Configure the secret's Value, not its Secret ID"),
        (7_000_222, "a NO [CONTACTADMIN] ", "Create a new client secret"),
        (700_016, "a NO [CONTACTADMIN] ", "Check tenant and client id"),
        (90_002, "a NO [CONTACTADMIN] ", "Check the tenant in the token endpoint"),
        (70_011, "a NO [CONTACTADMIN] ", "https://outlook.office365.com/.default"),
        (65_001, "a NO [CONTACTADMIN] ", "AADSTS65001"),
        (50_173, "a NO [CONTACTADMIN] ", "Sign in again"),
        (53_003, "a NO [CONTACTADMIN] ", "tenant's sign-in log"),
        (50_196, "a NO [UNAVAILABLE] ", "AADSTS50196"),
        (90_055, "a NO [UNAVAILABLE] ", "it will be asked again"),
        (90_033, "a NO [UNAVAILABLE] ", "it will be asked again"),
    ] {
        let rig = Rig::start().await;
        rig.standin.knobs().authority_aadsts = Some(code);
        fails(&rig, imap, explanation).await;
        assert_eq!(rig.standin.counters().token_requests.count(), 1, "AADSTS{code}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn who_must_sign_in_again_is_alerted() {
    let rig = Rig::start().await;
    rig.standin.knobs().authority_aadsts = Some(50_173);
    let (_client, said) = rig.imap().await;
    assert!(said[0].starts_with("* NO [ALERT] gatepost: Sign-in needed"), "{said:?}");
    assert!(said[1].starts_with("a NO [CONTACTADMIN] Sign-in needed"), "{said:?}");
    let (_client, said) = rig.smtp().await;
    assert!(said[0].starts_with("454 4.7.0 Sign-in needed"), "{said:?}");
    rig.stop().await;
}

#[tokio::test]
async fn answers_that_are_no_answer() {
    for (failure, imap, explanation) in [
        (status(429, "", Some("7")), "a NO [UNAVAILABLE] ", "it will be asked again"),
        (
            status(503, "<html>down</html>", Some("120")),
            "a NO [UNAVAILABLE] ",
            "it will be asked again",
        ),
        (status(500, "", None), "a NO [UNAVAILABLE] ", "it will be asked again"),
        (status(200, "<html>captive portal</html>", None), "a NO [", "got no access token"),
        (status(302, "", None), "a NO [", "got no access token"),
        (status(404, "", None), "a NO [", "got no access token"),
    ] {
        let rig = Rig::start().await;
        rig.standin.knobs().authority_failure = Some(failure);
        fails(&rig, imap, explanation).await;
        assert_eq!(rig.standin.counters().token_requests.count(), 1, "{explanation}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn an_authority_that_keeps_silent_floods_or_is_gone() {
    let rig = Rig::tables(QUICK).await;
    rig.standin.knobs().authority_silent = true;
    fails(&rig, "a NO [UNAVAILABLE] ", "localhost doesn't answer in time").await;
    rig.stop().await;

    let rig = Rig::tables(QUICK).await;
    rig.standin.knobs().authority_oversize = true;
    fails(&rig, "a NO [UNAVAILABLE] ", "answers with more than 262144 octets").await;
    rig.stop().await;

    let rig = Rig::tables(QUICK).await;
    rig.standin.stop(Service::Authority).await;
    fails(&rig, "a NO [UNAVAILABLE] ", "Check network, firewall and HTTP proxy").await;
    rig.stop().await;
}

#[tokio::test]
async fn an_authority_that_the_configuration_misses() {
    for (provider, explanation) in [
        ("token_endpoint = \"https://host.invalid/token\"", "can't be resolved"),
        ("token_endpoint = \"https://127.0.0.1:PORT/token\"", "TLS with 127.0.0.1 fails"),
    ] {
        let standin = Standin::start().await.unwrap();
        // The plain IMAP port speaks no TLS.
        let provider = provider.replace("PORT", &standin.imap_plain().port().to_string());
        let tables = format!(
            "[provider.other]\npreset = \"microsoft\"\nclient_id = \"x\"\ngrant = \"client_credentials\"\nclient_secret = \"y\"\n{provider}\n\
             [provider.other.imap]\nhost = \"localhost\"\nport = {}\n\
             [[mailbox]]\naddress = \"alice@contoso.example\"\nprovider = \"other\"\nuser = \"alice\"\npassword = \"secret\"\n",
            standin.imap().port()
        );
        let rig =
            Rig::with(standin, &Difference { tables: &tables, ..Difference::default() }).await;
        let mut client = rig.client("imap").await;
        client.until("* OK").await;
        client.ask("a LOGIN alice secret", "a NO [UNAVAILABLE] ").await;
        rig.journal.tells(explanation);
        rig.stop().await;
    }
}

#[tokio::test]
async fn an_outage_ends_when_the_authority_says_so() {
    let clock = Clock::default();
    let rig = Rig::with_clock(&Difference::default(), &clock).await;
    rig.standin.knobs().authority_failure =
        Some(AuthorityFailure { times: Some(1), ..status(503, "", Some("120")) });
    assert!(rig.imap().await.1[0].starts_with("a NO [UNAVAILABLE] "));
    clock.advance(Duration::from_secs(60));
    assert!(rig.imap().await.1[0].starts_with("a NO [UNAVAILABLE] "));
    assert_eq!(rig.standin.counters().token_requests.count(), 1, "it asked to be left alone");
    clock.advance(Duration::from_secs(61));
    assert!(rig.imap().await.1[0].starts_with("a OK"));
    assert_eq!(rig.standin.counters().token_requests.count(), 2);
    rig.stop().await;
}
