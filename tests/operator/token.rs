//! `gatepost token`: one token, for one resource, on the standard output and nowhere else.

use gatepost::oauth::claims::Claims;
use gatepost::secret::Secret;
use serde_json::Value;

use crate::desk::{APP, Desk, MAILBOX, PRINCIPAL, Parts};

/// The token printed for these arguments, and what it says.
async fn printed(desk: &Desk, arguments: &[&str]) -> (String, Claims) {
    let ended = desk.run(&[&["token", MAILBOX], arguments].concat()).await;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    let token = ended.out.strip_suffix('\n').unwrap().to_owned();
    assert!(!token.contains(char::is_whitespace), "the token alone");
    let claims = Claims::read(&Secret::from(token.as_str())).unwrap();
    (token, claims)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_resource_has_its_token() {
    let desk = Desk::set_up().await;
    for (parts, ews) in [
        (desk.parts(), "https://outlook.office365.com"),
        (desk.signed_in(MAILBOX), "https://outlook.office365.com"),
    ] {
        desk.configure(&parts);
        for (arguments, audience) in [
            (&[][..], "https://outlook.office365.com"),
            (&["--resource", "exchange"], "https://outlook.office365.com"),
            (&["--resource", "graph"], "https://graph.microsoft.com"),
            (&["--resource", "ews"], ews),
            (&["--resource", "https://graph.microsoft.com"], "https://graph.microsoft.com"),
        ] {
            let (_, claims) = printed(&desk, arguments).await;
            assert_eq!(claims.text("aud"), Some(audience), "{arguments:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_has_a_fresh_one() {
    let desk = Desk::set_up().await;
    desk.configure(&desk.parts());
    let (first, _) = printed(&desk, &[]).await;
    let (second, _) = printed(&desk, &[]).await;
    assert_ne!(first, second);
    assert_eq!(desk.standin.counters().tokens_issued.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_get_a_document() {
    let desk = Desk::set_up().await;
    desk.configure(&desk.parts());
    let document = async |arguments: &[&str]| -> Value {
        let ended = desk.run(&[&["token", MAILBOX, "--json"], arguments].concat()).await;
        serde_json::from_str(&ended.out).unwrap()
    };
    let token = document(&[]).await;
    assert_eq!(token["version"], 1);
    assert_eq!(token["mailbox"], MAILBOX);
    assert!(token["access_token"].as_str().unwrap().starts_with("eyJ"));
    assert!((3000..6000).contains(&token["expires_in"].as_u64().unwrap()));
    assert!(token["expires_at"].as_u64().unwrap() > 1_700_000_000);

    let claims = document(&["--show-claims"]).await;
    assert_eq!(claims["claims"]["oid"], PRINCIPAL);
    assert_eq!(claims["access_token"], Value::Null, "claims are shown in its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_are_explained_and_judged() {
    let desk = Desk::set_up().await;
    desk.standin.tenant().apps[0].roles = vec!["SMTP.SendAsApp".into()];
    desk.configure(&desk.parts());
    let ended = desk.run(&["token", "device", "--show-claims"]).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    for piece in [
        APP,
        "what New-ServicePrincipal takes as -ObjectId",
        " GMT\n              good until",
        "imap: the token lacks the application permission IMAP.AccessAsApp",
        "-> Add the application permission IMAP.AccessAsApp",
    ] {
        assert!(ended.out.contains(piece), "{piece:?}\n{}", ended.out);
    }
    assert!(!ended.out.contains("smtp: "), "nothing is wrong for SMTP");
    assert!(!ended.out.contains("eyJ"), "what is shown may be passed on");
}

#[tokio::test(flavor = "multi_thread")]
async fn opaque_tokens_have_nothing_to_show() {
    let desk = Desk::set_up().await;
    desk.standin.knobs().opaque_tokens = true;
    desk.configure(&desk.parts());
    let ended = desk.run(&["token", MAILBOX, "--show-claims"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (65, ""));
    assert!(ended.err.contains("opaque"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_has_a_reason_and_a_code() {
    let desk = Desk::set_up().await;
    for (number, code, advice) in [
        (7_000_222, 78, "Create a new client secret"),
        (90_033, 75, "asked again"),
        (53_003, 77, "policy"),
    ] {
        desk.standin.knobs().authority_aadsts = Some(number);
        desk.configure(&desk.parts());
        let ended = desk.run(&["token", MAILBOX, "-vv"]).await;
        assert_eq!((ended.code, ended.out.as_str()), (code, ""), "{number}");
        assert!(ended.err.contains(advice), "{}", ended.err);
    }
    desk.standin.knobs().authority_aadsts = None;
    desk.configure(&Parts { mailbox: String::new(), ..desk.signed_in(MAILBOX) });
    let ended = desk.run(&["token", MAILBOX]).await;
    assert_eq!(ended.code, 77);
    assert!(ended.err.contains("gatepost login scanner@contoso.example"), "{}", ended.err);
    assert_eq!(desk.run(&["token", "nobody"]).await.code, 64);
}
