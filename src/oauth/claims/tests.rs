use serde_json::json;

use super::expected::{EXPECTED, EXPECTED_BY_GRAPH};
use super::*;

const MAILBOX: &str = "scanner@contoso.example";

fn token(payload: &Value) -> Secret<String> {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    Secret::new(format!("{}.{}.c2ln", part("{}"), part(&payload.to_string())))
}

fn claims(payload: &Value) -> Claims {
    Claims::read(&token(payload)).unwrap()
}

/// `base` with `differences` in place of its claims; null takes one away.
fn changed(mut base: Value, differences: &Value) -> Claims {
    base = merged(base, differences);
    base.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims(&base)
}

fn app(differences: &Value) -> Claims {
    let base = json!({
        "aud": "https://outlook.office365.com", "tid": "t", "oid": "o", "appid": "a", "idtyp": "app",
        "exp": 5000, "roles": ["IMAP.AccessAsApp", "POP.AccessAsApp", "SMTP.SendAsApp"],
    });
    changed(base, differences)
}

fn user(differences: &Value) -> Claims {
    let base = json!({
        "aud": "https://outlook.office.com/", "tid": "t", "oid": "o", "appid": "a", "exp": 5000,
        "upn": "Scanner@Contoso.example", "scp": "IMAP.AccessAsUser.All POP.AccessAsUser.All SMTP.Send",
    });
    changed(base, differences)
}

fn findings(claims: &Claims, protocol: &str, host: &str) -> Vec<(Severity, &'static str)> {
    let now = UNIX_EPOCH + Duration::from_secs(1000);
    let expected = Expected { protocol, host, mailbox: MAILBOX, now };
    expected.of(claims).into_iter().map(|found| (found.severity, found.meaning)).collect()
}

fn graph_app(differences: &Value) -> Claims {
    let base = json!({ "aud": "https://graph.microsoft.com", "roles": ["Mail.Send"] });
    app(&merged(base, differences))
}

fn graph_user(differences: &Value) -> Claims {
    let base = json!({ "aud": "https://graph.microsoft.com", "scp": "Mail.Send" });
    user(&merged(base, differences))
}

fn merged(mut base: Value, differences: &Value) -> Value {
    for (name, value) in differences.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

const GRAPH_HOST: &str = "graph.microsoft.com";
const HOST: &str = "outlook.office365.com";
const HVE: &str = "smtp.hve.mx.microsoft";

#[test]
fn a_good_token_leaves_nothing_to_say() {
    for protocol in ["imap", "pop3", "smtp"] {
        assert_eq!(findings(&app(&json!({})), protocol, HOST), [], "{protocol}");
        assert_eq!(findings(&user(&json!({})), protocol, HOST), [], "{protocol}");
    }
    let hve = app(&json!({ "roles": ["Mail.Send"], "exp": 1601 }));
    assert_eq!(findings(&hve, "smtp", HVE), []);
    for good in [
        graph_app(&json!({})),
        graph_user(&json!({})),
        graph_user(&json!({ "scp": "Mail.Send.Shared" })),
    ] {
        assert_eq!(findings(&good, GRAPH, GRAPH_HOST), []);
    }
}

/// Each row of the table: the claims, what for, and what is said.
#[test]
fn every_finding_is_made_for_its_own_reason() {
    use Severity::{Fail, Warn};
    let graph = json!({ "aud": "https://graph.microsoft.com" });
    let graph_id = json!({ "aud": "00000003-0000-0000-c000-000000000000" });
    let mut made = Vec::new();
    for (claims, protocol, host, severity, piece) in [
        (app(&graph), "imap", HOST, Fail, "for Microsoft Graph"),
        (user(&graph_id), "smtp", HOST, Fail, "for Microsoft Graph"),
        (app(&json!({ "aud": "api://own" })), "imap", HOST, Fail, "another resource"),
        (app(&json!({ "aud": null })), "imap", HOST, Fail, "another resource"),
        (app(&json!({ "exp": 1030 })), "imap", HOST, Fail, "has ended"),
        (app(&json!({ "exp": 1600, "roles": ["Mail.Send"] })), "smtp", HVE, Fail, "ten minutes"),
        (user(&json!({ "scp": "SMTP.Send" })), "imap", HOST, Fail, "delegated permission"),
        (
            user(&json!({ "scp": "IMAP.AccessAsUser.All" })),
            "smtp",
            HOST,
            Fail,
            "delegated permission",
        ),
        (
            app(&json!({ "roles": ["full_access_as_app"] })),
            "imap",
            HOST,
            Fail,
            "full_access_as_app alone",
        ),
        (
            app(&json!({ "roles": ["POP.AccessAsApp"] })),
            "imap",
            HOST,
            Fail,
            "application permission",
        ),
        (app(&json!({ "roles": null })), "pop3", HOST, Fail, "application permission"),
        (app(&json!({})), "smtp", HVE, Fail, "application permission"),
        (app(&json!({ "roles": null })), "smtp", HOST, Warn, "RBAC for Applications"),
        (user(&json!({ "upn": "alice@contoso.example" })), "imap", HOST, Warn, "needs full access"),
        (
            user(&json!({ "upn": "alice@contoso.example" })),
            "smtp",
            HOST,
            Warn,
            "that account alone",
        ),
        (
            user(&json!({ "tid": "9188040d-6c67-4c5b-b112-36a304b66dad" })),
            "imap",
            HOST,
            Warn,
            "personal",
        ),
        (app(&json!({})), GRAPH, GRAPH_HOST, Fail, "than Microsoft Graph"),
        (graph_app(&json!({ "exp": 1010 })), GRAPH, GRAPH_HOST, Fail, "this host's clock"),
        (graph_user(&json!({ "scp": "Mail.Read" })), GRAPH, GRAPH_HOST, Fail, "delegated"),
        (graph_app(&json!({ "roles": ["Mail.Read"] })), GRAPH, GRAPH_HOST, Warn, "RBAC"),
        (
            graph_user(&json!({ "upn": "bob@contoso.example" })),
            GRAPH,
            GRAPH_HOST,
            Warn,
            "<account>",
        ),
    ] {
        let found = findings(&claims, protocol, host);
        let [(found_severity, meaning)] = *found else { panic!("{piece}: {found:?}") };
        assert!(meaning.contains(piece), "{meaning}");
        assert_eq!(found_severity, severity, "{meaning}");
        made.push(meaning);
    }
    for row in EXPECTED.iter().chain(EXPECTED_BY_GRAPH) {
        assert!(made.contains(&row.meaning), "no case for {:?}", row.meaning);
    }
}

#[test]
fn tokens_of_other_authorities_are_not_judged() {
    let google = changed(json!({ "aud": "x", "email": MAILBOX }), &json!({}));
    assert_eq!(findings(&google, "imap", "imap.gmail.com"), []);
    assert_eq!(google.account(), Some(MAILBOX));
}

#[test]
fn opaque_and_broken_tokens_have_no_claims() {
    for text in ["EwBAAl3BAAUF", "ya29.a0Af", "a.b.c", "a.!!!.c", "..", ""] {
        assert!(Claims::read(&Secret::from(text)).is_none(), "{text}");
    }
    let array = Secret::new(format!("e30.{}.x", URL_SAFE_NO_PAD.encode("[1]")));
    assert!(Claims::read(&array).is_none());
}

#[test]
fn the_object_id_is_explained_by_whose_it_is() {
    let note =
        |claims: &Claims| claims.rows().find(|(name, ..)| *name == "oid").unwrap().2.unwrap();
    assert!(note(&app(&json!({}))).contains("New-ServicePrincipal"));
    assert!(note(&user(&json!({}))).contains("account's"));
}
