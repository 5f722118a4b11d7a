//! IMAP of the stand-in, seen from a client on a TLS connection.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "imap/client.rs"]
mod client;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::{APP, BOB, Client, bearer, token};
use gatepost_standin::{Claims, Flag, Side, Standin};

/// Text with an HTML sibling, a file and a forwarded message that has two parts itself.
const LETTER: &str = concat!(
    "From: =?utf-8?Q?J=C3=B6rg?= <joerg@fabrikam.example>\r\n",
    "To: Bob <bob@contoso.example>,\r\n Alice <alice@contoso.example>\r\n",
    "Subject: =?utf-8?B?w5xiZXJzaWNodA==?= of the \"week\"\r\n",
    "Date: Mon, 2 Nov 2026 23:30:00 -0500\r\n",
    "Message-ID: <1@fabrikam.example>\r\n",
    "MIME-Version: 1.0\r\n",
    "Content-Type: multipart/mixed; boundary=outer\r\n",
    "\r\n",
    "preamble\r\n",
    "--outer\r\n",
    "Content-Type: text/plain; charset=utf-8\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n",
    "\r\n",
    "Gr=C3=BC=C3=9Fe\r\n",
    "--outer\r\n",
    "Content-Type: application/pdf; name=\"a.pdf\"\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Disposition: attachment; filename=\"a.pdf\"\r\n",
    "\r\n",
    "JVBERg==\r\n",
    "--outer\r\n",
    "Content-Type: message/rfc822\r\n",
    "\r\n",
    "From: carol@fabrikam.example\r\n",
    "Subject: inner\r\n",
    "Content-Type: multipart/alternative; boundary=inner\r\n",
    "\r\n",
    "--inner\r\n",
    "Content-Type: text/plain\r\n",
    "\r\n",
    "plain\r\n",
    "--inner\r\n",
    "Content-Type: text/html\r\n",
    "\r\n",
    "<b>rich</b>\r\n",
    "--inner--\r\n",
    "--outer--\r\n",
);

const NOTE: &str = "From: a@contoso.example\r\nSubject: note\r\n\r\nShort.\r\n";

async fn standin() -> Standin {
    Standin::start().await.unwrap()
}

// ----- before login

#[tokio::test]
async fn the_greeting_hides_the_host_in_utf16() {
    let standin = standin().await;
    let client = Client::connect(&standin).await;
    let bracket = client.greeting.split(['[', ']']).nth(1).unwrap();
    let host: Vec<u16> = STANDARD
        .decode(bracket)
        .unwrap()
        .chunks(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    assert_eq!(String::from_utf16(&host).unwrap(), "AM6P192CA0091.EURP192.PROD.OUTLOOK.COM");
}

#[tokio::test]
async fn capabilities_differ_before_and_after_login() {
    let standin = standin().await;
    let mut client = Client::connect(&standin).await;
    let before = client.command("CAPABILITY").await.ok();
    assert_eq!(
        before.untagged,
        [
            "* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
        ]
    );
    let initial = bearer(BOB, &token(&standin));
    let login = client.command(&format!("AUTHENTICATE XOAUTH2 {initial}")).await;
    assert_eq!(login.verdict, "OK AUTHENTICATE completed.");
    let after = client.command("CAPABILITY").await.ok();
    assert_eq!(
        after.untagged,
        [
            "* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+"
        ]
    );
    assert_eq!(standin.counters().imap_logins.count(), 1);
}

#[tokio::test]
async fn login_works_without_initial_response() {
    let standin = standin().await;
    standin.knobs().imap_capability_without_sasl_ir = true;
    let mut client = Client::connect(&standin).await;
    assert!(!client.command("CAPABILITY").await.with("CAPABILITY").contains("SASL-IR"));
    let initial = bearer(BOB, &token(&standin));
    let refused = client.command(&format!("AUTHENTICATE XOAUTH2 {initial}")).await;
    assert!(refused.verdict.starts_with("BAD"), "{refused:?}");
    let tag = client.send_tagged("authenticate xoauth2").await;
    assert_eq!(client.line().await, "+ ");
    client.send(format!("{initial}\r\n").as_bytes()).await;
    client.answer(&tag).await.ok();
    client.command("SELECT INBOX").await.ok();
}

#[tokio::test]
async fn commands_behind_the_login_in_the_same_write_are_served() {
    let standin = standin().await;
    let mut client = Client::connect(&standin).await;
    let initial = bearer(BOB, &token(&standin));
    client.send(format!("a AUTHENTICATE XOAUTH2 {initial}\r\nb SELECT INBOX\r\n").as_bytes()).await;
    client.answer("a").await.ok();
    client.answer("b").await.ok();
}

#[tokio::test]
async fn a_bad_token_is_refused_and_a_second_try_ends_the_connection() {
    let standin = standin().await;
    let mut client = Client::connect(&standin).await;
    let attempt = format!("AUTHENTICATE XOAUTH2 {}", bearer(BOB, "wrong"));
    assert_eq!(client.command(&attempt).await.verdict, "NO AUTHENTICATE failed.");
    client.send_tagged(&attempt).await;
    assert_eq!(client.line().await, "* BYE Connection is closed. 13");
    assert!(client.is_over().await);
    assert_eq!(standin.counters().imap_refusals.count(), 1);
}

#[tokio::test]
async fn a_revoked_token_is_refused() {
    let standin = standin().await;
    let token = token(&standin);
    standin.revoke_tokens();
    let mut client = Client::connect(&standin).await;
    let answer = client.command(&format!("AUTHENTICATE XOAUTH2 {}", bearer(BOB, &token))).await;
    assert_eq!(answer.verdict, "NO AUTHENTICATE failed.");
}

#[tokio::test]
async fn passwords_are_refused() {
    let standin = standin().await;
    let mut client = Client::connect(&standin).await;
    let login = client.command("LOGIN bob@contoso.example \"secret\"").await;
    assert_eq!(login.verdict, "NO LOGIN failed.");
    let plain = client.command("AUTHENTICATE PLAIN AGJvYgBzZWNyZXQ=").await;
    assert_eq!(plain.verdict, "NO Basic authentication is disabled.");
    assert_eq!(client.line().await, "* BYE Microsoft Exchange Server IMAP4 server signing off.");
}

#[tokio::test]
async fn a_cancelled_login_is_bad() {
    let standin = standin().await;
    let mut client = Client::connect(&standin).await;
    let tag = client.send_tagged("AUTHENTICATE XOAUTH2").await;
    assert_eq!(client.line().await, "+ ");
    client.send(b"*\r\n").await;
    assert!(client.answer(&tag).await.verdict.starts_with("BAD"));
}

#[tokio::test]
async fn a_mechanism_that_is_not_offered_is_bad_at_once() {
    let standin = standin().await;
    let mut client = Client::connect(&standin).await;
    for mechanism in ["CRAM-MD5", "OAUTHBEARER"] {
        let answer = client.command(&format!("AUTHENTICATE {mechanism}")).await;
        assert_eq!(answer.verdict, "BAD Command Argument Error. 12");
    }
}

#[tokio::test]
async fn an_overlong_sasl_response_ends_the_connection() {
    let standin = standin().await;
    let mut client = Client::connect(&standin).await;
    let tag = client.send_tagged("AUTHENTICATE XOAUTH2").await;
    assert_eq!(client.line().await, "+ ");
    client.send(format!("{}\r\n", "A".repeat(10_240)).as_bytes()).await;
    assert_eq!(client.answer(&tag).await.verdict, "BAD Command Error. 10");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn mail_commands_need_a_login() {
    let standin = standin().await;
    let mut client = Client::connect(&standin).await;
    assert_eq!(client.command("SELECT INBOX").await.verdict, "BAD Command Error. 12");
    client.command("NOOP").await.ok();
    client.command("ID NIL").await.ok();
    let logout = client.command("LOGOUT").await.ok();
    assert_eq!(logout.untagged, ["* BYE Microsoft Exchange Server IMAP4 server signing off."]);
    assert!(client.is_over().await);
}

#[tokio::test]
async fn bad_commands_in_a_row_end_the_connection() {
    let standin = standin().await;
    let mut client = Client::connect(&standin).await;
    assert_eq!(client.command("XYZZY").await.verdict, "BAD Command Error. 11");
    assert_eq!(client.command("SELECT").await.verdict, "BAD Command Argument Error. 12");
    client.command("XYZZY").await;
    assert_eq!(client.line().await, "* BYE Connection closed. 14");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn a_line_of_10240_octets_passes_and_one_more_does_not() {
    let standin = standin().await;
    let mut client = Client::bob(&standin).await;
    let around = "t2 STATUS  (MESSAGES)\r\n".len();
    let line = |octets: usize| format!("STATUS {} (MESSAGES)", "x".repeat(octets - around));
    let fits = client.command(&line(10_240)).await;
    assert!(fits.verdict.starts_with("NO"), "{fits:?}");
    let over = client.command(&line(10_241)).await;
    assert_eq!(over.verdict, "BAD Command Error. 10");
    client.command("NOOP").await.ok();
}

#[tokio::test]
async fn literals_do_not_count_against_the_line_limit() {
    let standin = standin().await;
    let mut client = Client::bob(&standin).await;
    let tag = client.send_tagged("SELECT {12000+}").await;
    client.send(format!("{}\r\n", "x".repeat(12_000)).as_bytes()).await;
    assert!(client.answer(&tag).await.verdict.starts_with("NO"));
}

#[tokio::test]
async fn a_stranger_cannot_send_a_large_literal() {
    let standin = standin().await;
    let mut client = Client::connect(&standin).await;
    let answer = client.command("LOGIN {1000000}").await;
    assert!(answer.verdict.starts_with("NO [TOOBIG]"), "{answer:?}");
    assert!(client.is_over().await);
}

// ----- knobs

#[tokio::test]
async fn the_greeting_can_be_another_or_a_goodbye() {
    let standin = standin().await;
    standin.knobs().imap_greeting = Some("* OK Other ready".to_owned());
    assert_eq!(Client::connect(&standin).await.greeting, "* OK Other ready");
    standin.knobs().imap_bye = Some("Too many connections".to_owned());
    let mut client = Client::connect(&standin).await;
    assert_eq!(client.greeting, "* BYE Too many connections");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn a_silent_server_says_nothing() {
    let standin = standin().await;
    standin.knobs().imap_silent = true;
    let mut client = Client::connect_silently(&standin).await;
    client.send(b"a NOOP\r\n").await;
    let heard = tokio::time::timeout(Duration::from_millis(100), client.is_over()).await;
    assert!(heard.is_err());
}

#[tokio::test]
async fn a_mailbox_that_does_not_open_shows_after_the_login() {
    let standin = standin().await;
    standin.knobs().imap_not_connected = true;
    let mut client = Client::bob(&standin).await;
    client.command("CAPABILITY").await.ok();
    let expected = "BAD User is authenticated but not connected.";
    assert_eq!(client.command("NAMESPACE").await.verdict, expected);
    assert_eq!(client.command("SELECT INBOX").await.verdict, expected);
    assert_eq!(client.line().await, "* BYE Connection closed. 14");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn a_mailbox_without_a_grant_does_not_open() {
    let standin = standin().await;
    standin.tenant().mailboxes.iter_mut().for_each(|account| account.granted_to.clear());
    let mut client = Client::bob(&standin).await;
    let answer = client.command("SELECT INBOX").await;
    assert_eq!(answer.verdict, "BAD User is authenticated but not connected.");
}

#[tokio::test]
async fn throttling_names_the_backoff() {
    let standin = standin().await;
    standin.knobs().imap_throttled = Some(92_415);
    let mut client = Client::connect(&standin).await;
    let initial = bearer(BOB, &token(&standin));
    let answer = client.command(&format!("AUTHENTICATE XOAUTH2 {initial}")).await;
    assert_eq!(
        answer.verdict,
        "BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds"
    );
}

#[tokio::test]
async fn an_unavailable_server_answers_without_a_tag() {
    let standin = standin().await;
    standin.knobs().imap_unavailable = true;
    let mut client = Client::connect(&standin).await;
    client.send_tagged(&format!("AUTHENTICATE XOAUTH2 {}", bearer(BOB, "any"))).await;
    assert_eq!(client.line().await, "Server Unavailable. 15");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn a_connection_without_login_times_out() {
    let standin = standin().await;
    standin.knobs().imap_auth_timeout = Duration::from_millis(50);
    let mut client = Client::connect(&standin).await;
    assert_eq!(client.line().await, "* BYE Connection is closed. 13");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn a_quiet_session_times_out() {
    let standin = standin().await;
    let mut client = Client::bob(&standin).await;
    standin.knobs().imap_idle_timeout = Duration::from_millis(50);
    client.command("NOOP").await.ok();
    assert_eq!(client.line().await, "* BYE Connection is closed. 13");
}

#[tokio::test]
async fn the_connection_can_drop_after_either_verdict() {
    let standin = standin().await;
    standin.knobs().drop_after_auth = true;
    let mut client = Client::bob(&standin).await;
    assert!(client.is_over().await);
    let mut client = Client::connect(&standin).await;
    let refused = format!("AUTHENTICATE XOAUTH2 {}", bearer(BOB, "wrong"));
    assert_eq!(client.command(&refused).await.verdict, "NO AUTHENTICATE failed.");
    assert!(client.is_over().await);
}

async fn short_lived(standin: &Standin) -> Client {
    standin.knobs().imap_expire_sessions = true;
    let mut claims = Claims::app(APP, &["IMAP.AccessAsApp"]);
    claims.lifetime = Duration::from_secs(1);
    let token = standin.issue_token(claims);
    let mut client = Client::connect(standin).await;
    client.command(&format!("AUTHENTICATE XOAUTH2 {}", bearer(BOB, &token))).await.ok();
    client
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let standin = standin().await;
    let mut client = short_lived(&standin).await;
    let verdict = loop {
        let answer = client.command("NOOP").await;
        if !answer.verdict.starts_with("OK") {
            break answer.verdict;
        }
    };
    assert_eq!(verdict, "BAD Session invalidated - AccessTokenExpired");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn idle_ends_with_the_token() {
    let standin = standin().await;
    let mut client = short_lived(&standin).await;
    client.send_tagged("IDLE").await;
    assert_eq!(client.line().await, "+ IDLE accepted, awaiting DONE command.");
    assert_eq!(client.line().await, "* BYE Session invalidated - AccessTokenExpired");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn google_challenges_before_it_refuses() {
    let standin = standin().await;
    standin.knobs().google = true;
    let mut client = Client::connect(&standin).await;
    let tag = client.send_tagged(&format!("AUTHENTICATE XOAUTH2 {}", bearer(BOB, "bad"))).await;
    let challenge = client.line().await;
    let challenge = STANDARD.decode(challenge.strip_prefix("+ ").unwrap()).unwrap();
    let challenge: serde_json::Value = serde_json::from_slice(&challenge).unwrap();
    assert_eq!(challenge["status"], "400");
    client.send(b"\r\n").await;
    assert_eq!(
        client.answer(&tag).await.verdict,
        "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"
    );
}

#[tokio::test]
async fn google_takes_oauthbearer() {
    let standin = standin().await;
    standin.knobs().google = true;
    let mut client = Client::connect(&standin).await;
    let token = token(&standin);
    let initial =
        format!("n,a={BOB},\x01host=localhost\x01port=993\x01auth=Bearer {token}\x01\x01");
    let initial = STANDARD.encode(initial);
    client.command(&format!("AUTHENTICATE OAUTHBEARER {initial}")).await.ok();
    client.command("SELECT INBOX").await.ok();
}

#[tokio::test]
async fn the_dialogue_is_kept_without_large_bodies() {
    let standin = standin().await;
    standin.store().deliver(BOB, "INBOX", vec![b'x'; 5000]);
    let mut client = Client::inbox(&standin).await;
    client.command("FETCH 1 BODY.PEEK[]").await.ok();
    let dialogue = standin.dialogue();
    let said = |side: Side, part: &str| {
        dialogue
            .iter()
            .any(|line| line.side == side && line.protocol == "imap" && line.text.contains(part))
    };
    assert!(said(Side::Server, "The Microsoft Exchange IMAP4 service is ready."));
    assert!(said(Side::Client, "AUTHENTICATE XOAUTH2"));
    assert!(said(Side::Server, "<5000 octets>"));
    assert!(!said(Side::Server, "xxxx"));
}

// ----- folders

#[tokio::test]
async fn list_shows_exchanges_folders_with_their_uses() {
    let standin = standin().await;
    let mut client = Client::bob(&standin).await;
    let list = client.command("LIST \"\" \"*\"").await.ok();
    assert_eq!(list.untagged.len(), 6);
    assert_eq!(list.with("INBOX"), "* LIST (\\HasNoChildren) \"/\" INBOX");
    assert_eq!(list.with("Sent"), "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent Items\"");
    let root = client.command("LIST \"\" \"\"").await.ok();
    assert_eq!(root.untagged, ["* LIST (\\Noselect) \"/\" \"\""]);
    let namespace = client.command("NAMESPACE").await.ok();
    assert_eq!(namespace.untagged, ["* NAMESPACE ((\"\" \"/\")) NIL NIL"]);
}

#[tokio::test]
async fn folders_come_and_go() {
    let standin = standin().await;
    let mut client = Client::bob(&standin).await;
    client.command("CREATE Work").await.ok();
    client.command("CREATE \"Work/Last Year\"").await.ok();
    assert!(client.command("CREATE Work").await.verdict.starts_with("NO"));
    let list = client.command("LIST \"\" %").await.ok();
    assert_eq!(list.with("Work"), "* LIST (\\HasChildren) \"/\" Work");
    client.command("RENAME Work Past").await.ok();
    let list = client.command("LIST Past/ *").await.ok();
    assert_eq!(list.untagged, ["* LIST (\\HasNoChildren) \"/\" \"Past/Last Year\""]);
    client.command("UNSUBSCRIBE Past").await.ok();
    assert!(client.command("LSUB \"\" Past").await.ok().untagged.is_empty());
    client.command("SUBSCRIBE Past").await.ok();
    assert_eq!(client.command("LSUB \"\" Past").await.untagged, ["* LSUB () \"/\" Past"]);
    client.command("DELETE \"Past/Last Year\"").await.ok();
    assert!(client.command("SELECT \"Past/Last Year\"").await.verdict.starts_with("NO"));
    assert!(client.command("DELETE INBOX").await.verdict.starts_with("NO"));
}

#[tokio::test]
async fn select_and_status_tell_the_same() {
    let standin = standin().await;
    standin.store().deliver(BOB, "INBOX", NOTE.as_bytes());
    standin.store().deliver(BOB, "INBOX", NOTE.as_bytes());
    let mut client = Client::bob(&standin).await;
    let status = client.command("STATUS inbox (MESSAGES RECENT UIDNEXT UNSEEN)").await.ok();
    assert_eq!(status.untagged, ["* STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT 3 UNSEEN 2)"]);
    let select = client.command("SELECT INBOX").await;
    assert_eq!(select.verdict, "OK [READ-WRITE] SELECT completed.");
    assert_eq!(select.untagged[..2], ["* 2 EXISTS", "* 2 RECENT"]);
    select.with("[UIDVALIDITY ");
    select.with("[UIDNEXT 3]");
    select.with("[UNSEEN 1]");
    select.with("[PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)]");
}

// ----- messages

#[tokio::test]
async fn fetch_gives_the_message_in_all_its_forms() {
    let standin = standin().await;
    standin.store().deliver(BOB, "INBOX", NOTE.as_bytes());
    let mut client = Client::inbox(&standin).await;
    let fetch = client.command("FETCH 1 (UID RFC822.SIZE BODY.PEEK[])").await.ok();
    let size = NOTE.len();
    let whole = format!("* 1 FETCH (UID 1 RFC822.SIZE {size} BODY[] {{{size}}}\r\n{NOTE})");
    assert_eq!(fetch.untagged, [whole]);
    let fetch = client.command("FETCH 1 RFC822.HEADER").await.ok();
    let header = "From: a@contoso.example\r\nSubject: note\r\n\r\n";
    fetch.with(&format!("RFC822.HEADER {{{}}}\r\n{header})", header.len()));
    let fetch = client.command("FETCH 1 BODY.PEEK[HEADER.FIELDS (subject)]").await.ok();
    fetch.with("BODY[HEADER.FIELDS (SUBJECT)] {17}\r\nSubject: note\r\n\r\n)");
    let fetch = client.command("FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (subject)]").await.ok();
    fetch.with("{27}\r\nFrom: a@contoso.example\r\n\r\n)");
    let fetch = client.command("FETCH 1 BODY.PEEK[TEXT]<2.3>").await.ok();
    fetch.with("BODY[TEXT]<2> {3}\r\nort)");
    let fetch = client.command("FETCH 1 BODY.PEEK[TEXT]<99.3>").await.ok();
    fetch.with("BODY[TEXT]<99> {0}\r\n)");
    let fetch = client.command("UID FETCH 1 FLAGS").await.ok();
    assert_eq!(fetch.untagged, ["* 1 FETCH (UID 1 FLAGS (\\Recent))"]);
}

#[tokio::test]
async fn reading_without_peek_marks_as_seen() {
    let standin = standin().await;
    standin.store().deliver(BOB, "INBOX", NOTE.as_bytes());
    let mut client = Client::inbox(&standin).await;
    client.command("FETCH 1 BODY.PEEK[]").await.ok();
    assert!(standin.store().messages(BOB, "INBOX")[0].flags.is_empty());
    let fetch = client.command("FETCH 1 RFC822.TEXT").await.ok();
    fetch.with("RFC822.TEXT {8}\r\nShort.\r\n FLAGS (\\Seen \\Recent))");
    assert_eq!(fetch.untagged.len(), 1, "{fetch:?}");
    assert!(standin.store().messages(BOB, "INBOX")[0].flags.contains(&Flag::Seen));
}

#[tokio::test]
async fn examine_changes_nothing() {
    let standin = standin().await;
    standin.store().deliver(BOB, "INBOX", NOTE.as_bytes());
    let mut client = Client::bob(&standin).await;
    let examine = client.command("EXAMINE INBOX").await;
    assert_eq!(examine.verdict, "OK [READ-ONLY] EXAMINE completed.");
    client.command("FETCH 1 BODY[]").await.ok();
    assert!(client.command("STORE 1 +FLAGS (\\Deleted)").await.verdict.starts_with("NO"));
    client.command("CLOSE").await.ok();
    let messages = standin.store().messages(BOB, "INBOX");
    assert_eq!(messages.len(), 1);
    assert!(messages[0].flags.is_empty());
}

#[tokio::test]
async fn the_envelope_keeps_encoded_words() {
    let standin = standin().await;
    standin.store().deliver(BOB, "INBOX", LETTER.as_bytes());
    let mut client = Client::inbox(&standin).await;
    let fetch = client.command("FETCH 1 ENVELOPE").await.ok();
    let joerg = "((\"=?utf-8?B?SsO2cmc=?=\" NIL \"joerg\" \"fabrikam.example\"))";
    let to =
        "((\"Bob\" NIL \"bob\" \"contoso.example\")(\"Alice\" NIL \"alice\" \"contoso.example\"))";
    assert_eq!(
        fetch.untagged[0],
        format!(
            "* 1 FETCH (ENVELOPE (\"Mon, 2 Nov 2026 23:30:00 -0500\" \
             \"=?utf-8?B?w5xiZXJzaWNodA==?= of the \\\"week\\\"\" \
             {joerg} {joerg} {joerg} {to} NIL NIL NIL \"<1@fabrikam.example>\"))"
        )
    );
}

#[tokio::test]
async fn the_structure_counts_octets_and_lines() {
    let standin = standin().await;
    standin.store().deliver(BOB, "INBOX", LETTER.as_bytes());
    let mut client = Client::inbox(&standin).await;
    let fetch = client.command("FETCH 1 BODY").await.ok();
    assert_eq!(
        fetch.untagged[0],
        "* 1 FETCH (BODY (\
         (\"TEXT\" \"PLAIN\" (\"charset\" \"utf-8\") NIL NIL \"QUOTED-PRINTABLE\" 15 0)\
         (\"APPLICATION\" \"PDF\" (\"name\" \"a.pdf\") NIL NIL \"BASE64\" 8)\
         (\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 203 \
         (NIL \"inner\" ((NIL NIL \"carol\" \"fabrikam.example\")) ((NIL NIL \"carol\" \"fabrikam.example\")) \
         ((NIL NIL \"carol\" \"fabrikam.example\")) NIL NIL NIL NIL NIL) \
         ((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 5 0)(\"TEXT\" \"HTML\" NIL NIL NIL \"7BIT\" 11 0) \"ALTERNATIVE\") \
         12) \"MIXED\"))"
    );
    let fetch = client.command("FETCH 1 BODYSTRUCTURE").await.ok();
    fetch.with("(\"ATTACHMENT\" (\"filename\" \"a.pdf\")) NIL NIL)");
    fetch.with("\"MIXED\" (\"boundary\" \"outer\") NIL NIL NIL)");
}

#[tokio::test]
async fn parts_are_found_by_number() {
    let standin = standin().await;
    standin.store().deliver(BOB, "INBOX", LETTER.as_bytes());
    let mut client = Client::inbox(&standin).await;
    for (section, expected) in [
        ("1", "Gr=C3=BC=C3=9Fe"),
        ("2", "JVBERg=="),
        ("3.1", "plain"),
        ("3.2", "<b>rich</b>"),
        ("3.1.MIME", "Content-Type: text/plain\r\n\r\n"),
        ("3.HEADER.FIELDS (Subject)", "Subject: inner\r\n\r\n"),
    ] {
        let fetch = client.command(&format!("FETCH 1 BODY.PEEK[{section}]")).await.ok();
        let literal = format!("{{{}}}\r\n{expected})", expected.len());
        assert!(fetch.untagged[0].ends_with(&literal), "{section}: {fetch:?}");
    }
    let text = client.command("FETCH 1 BODY.PEEK[3.TEXT]").await.ok();
    assert!(
        text.untagged[0].contains("}\r\n--inner\r\n") && text.untagged[0].ends_with("--inner--)")
    );
    let missing = client.command("FETCH 1 BODY.PEEK[4]").await.ok();
    assert_eq!(missing.untagged, ["* 1 FETCH (BODY[4] NIL)"]);
}

#[tokio::test]
async fn append_takes_flags_and_date() {
    let standin = standin().await;
    let mut client = Client::bob(&standin).await;
    let size = NOTE.len();
    let command =
        format!("APPEND Drafts (\\Draft \\Seen) \"02-Nov-2026 10:00:00 +0100\" {{{size}}}");
    let tag = client.send_tagged(&command).await;
    assert!(client.line().await.starts_with("+ "));
    client.send(format!("{NOTE}\r\n").as_bytes()).await;
    let verdict = client.answer(&tag).await.verdict;
    assert!(verdict.starts_with("OK [APPENDUID ") && verdict.ends_with(" 1] APPEND completed."));
    assert_eq!(&*standin.store().messages(BOB, "Drafts")[0].raw, NOTE.as_bytes());
    client.command("SELECT Drafts").await.ok();
    let fetch = client.command("FETCH 1 (FLAGS INTERNALDATE)").await.ok();
    assert_eq!(
        fetch.untagged,
        ["* 1 FETCH (FLAGS (\\Seen \\Draft \\Recent) INTERNALDATE \" 2-Nov-2026 09:00:00 +0000\")"]
    );
    let tag = client.send_tagged("APPEND Nowhere {1+}").await;
    client.send(b"x\r\n").await;
    assert!(client.answer(&tag).await.verdict.starts_with("NO [TRYCREATE]"));
}

#[tokio::test]
async fn store_adds_removes_and_replaces_flags() {
    let standin = standin().await;
    standin.store().deliver(BOB, "INBOX", NOTE.as_bytes());
    let mut client = Client::inbox(&standin).await;
    let added = client.command("STORE 1 +FLAGS (\\Flagged \\Seen)").await.ok();
    assert_eq!(added.untagged, ["* 1 FETCH (FLAGS (\\Seen \\Flagged \\Recent))"]);
    let removed = client.command("UID STORE 1 -FLAGS (\\Seen)").await.ok();
    assert_eq!(removed.untagged, ["* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent))"]);
    let silent = client.command("STORE 1 FLAGS.SILENT (\\Answered)").await.ok();
    assert!(silent.untagged.is_empty(), "{silent:?}");
    let flags = client.command("FETCH 1 FLAGS").await.ok();
    assert_eq!(flags.untagged, ["* 1 FETCH (FLAGS (\\Answered \\Recent))"]);
}

#[tokio::test]
async fn copy_and_move_tell_the_new_uids() {
    let standin = standin().await;
    for _ in 0..4 {
        standin.store().deliver(BOB, "INBOX", NOTE.as_bytes());
    }
    let mut client = Client::inbox(&standin).await;
    let copied = client.command("COPY 1:2,4 Archive").await.ok();
    assert!(copied.verdict.contains(" 1:2,4 1:3] COPY completed."), "{copied:?}");
    let moved = client.command("UID MOVE 2:3 \"Deleted Items\"").await.ok();
    assert!(moved.untagged[0].starts_with("* OK [COPYUID "), "{moved:?}");
    assert!(moved.untagged[0].ends_with(" 2:3 1:2]"), "{moved:?}");
    assert_eq!(moved.untagged[1..], ["* 3 EXPUNGE", "* 2 EXPUNGE"]);
    assert_eq!(standin.store().messages(BOB, "INBOX").len(), 2);
    assert_eq!(standin.store().messages(BOB, "Deleted Items").len(), 2);
    let refused = client.command("COPY 1 Nowhere").await;
    assert!(refused.verdict.starts_with("NO [TRYCREATE]"), "{refused:?}");
}

#[tokio::test]
async fn expunge_removes_what_is_deleted() {
    let standin = standin().await;
    for _ in 0..5 {
        standin.store().deliver(BOB, "INBOX", NOTE.as_bytes());
    }
    let mut client = Client::inbox(&standin).await;
    client.command("STORE 1,3:4 +FLAGS.SILENT (\\Deleted)").await.ok();
    let some = client.command("UID EXPUNGE 1:3").await.ok();
    assert_eq!(some.untagged, ["* 3 EXPUNGE", "* 1 EXPUNGE"]);
    let rest = client.command("EXPUNGE").await.ok();
    assert_eq!(rest.untagged, ["* 2 EXPUNGE"]);
    client.command("STORE 1 +FLAGS (\\Deleted)").await.ok();
    assert!(client.command("CLOSE").await.ok().untagged.is_empty());
    let left: Vec<u32> = standin.store().messages(BOB, "INBOX").iter().map(|m| m.uid).collect();
    assert_eq!(left, [5]);
}

#[tokio::test]
async fn unselect_keeps_what_is_deleted() {
    let standin = standin().await;
    standin.store().deliver(BOB, "INBOX", NOTE.as_bytes());
    let mut client = Client::inbox(&standin).await;
    client.command("STORE 1 +FLAGS (\\Deleted)").await.ok();
    client.command("UNSELECT").await.ok();
    assert_eq!(client.command("FETCH 1 FLAGS").await.verdict, "BAD Command Error. 12");
    assert_eq!(standin.store().messages(BOB, "INBOX").len(), 1);
}

#[tokio::test]
async fn sessions_learn_of_each_others_changes() {
    let standin = standin().await;
    for _ in 0..3 {
        standin.store().deliver(BOB, "INBOX", NOTE.as_bytes());
    }
    let mut one = Client::inbox(&standin).await;
    let mut other = Client::inbox(&standin).await;
    other.command("STORE 3 +FLAGS (\\Flagged)").await.ok();
    other.command("STORE 1 +FLAGS.SILENT (\\Deleted)").await.ok();
    other.command("EXPUNGE").await.ok();
    // FETCH by number must not renumber (RFC 3501 section 7.4.1), and message 1 is gone.
    let fetch = one.command("FETCH 1:2 UID").await.ok();
    assert!(fetch.untagged.iter().all(|line| !line.contains("EXPUNGE")), "{fetch:?}");
    assert_eq!(fetch.untagged[0], "* 2 FETCH (UID 2)");
    let noop = one.command("NOOP").await.ok();
    assert!(noop.untagged.contains(&"* 1 EXPUNGE".to_owned()), "{noop:?}");
    assert!(one.command("NOOP").await.ok().untagged.is_empty());
    let fetch = one.command("FETCH 2 (UID FLAGS)").await.ok();
    assert_eq!(fetch.untagged, ["* 2 FETCH (UID 3 FLAGS (\\Flagged \\Recent))"]);
}

#[tokio::test]
async fn a_command_that_is_refused_tells_of_deliveries_too() {
    let standin = standin().await;
    let mut client = Client::inbox(&standin).await;
    standin.store().deliver(BOB, "INBOX", NOTE.as_bytes());
    let refused = client.command("FETCH 9 FLAGS").await;
    assert_eq!(refused.verdict, "BAD The specified message set is invalid.");
    assert_eq!(refused.untagged, ["* 1 EXISTS", "* 1 RECENT"]);
    client.command("FETCH 1 FLAGS").await.ok().with("FLAGS (\\Recent)");
}

#[tokio::test]
async fn idle_tells_of_deliveries_as_they_happen() {
    let standin = standin().await;
    let mut client = Client::inbox(&standin).await;
    let tag = client.send_tagged("IDLE").await;
    assert_eq!(client.line().await, "+ IDLE accepted, awaiting DONE command.");
    standin.store().deliver(BOB, "INBOX", NOTE.as_bytes());
    assert_eq!(client.line().await, "* 1 EXISTS");
    assert_eq!(client.line().await, "* 1 RECENT");
    standin.store().deliver(BOB, "INBOX", NOTE.as_bytes());
    assert_eq!(client.line().await, "* 2 EXISTS");
    assert_eq!(client.line().await, "* 2 RECENT");
    client.send(b"DONE\r\n").await;
    assert_eq!(client.answer(&tag).await.verdict, "OK IDLE completed.");
    client.command("FETCH 2 UID").await.ok().with("UID 2");
}

/// A note, the letter and another note that is seen, with a keyword.
async fn archive(standin: &Standin) -> Client {
    for message in [NOTE, LETTER, NOTE] {
        standin.store().deliver(BOB, "INBOX", message.as_bytes());
    }
    let mut client = Client::inbox(standin).await;
    client.command("STORE 3 +FLAGS.SILENT (\\Seen $MDNSent)").await.ok();
    client
}

async fn assert_found(client: &mut Client, expected: &[(&str, &str)]) {
    for (keys, found) in expected {
        let answer = client.command(&format!("SEARCH {keys}")).await.ok();
        let expected = format!("* SEARCH {found}");
        assert_eq!(answer.untagged[0].trim_end(), expected.trim_end(), "{keys}");
    }
}

#[tokio::test]
async fn search_finds_by_number_flag_and_size() {
    let standin = standin().await;
    let mut client = archive(&standin).await;
    let expected = [
        ("ALL", "1 2 3"),
        ("UNSEEN", "1 2"),
        ("SEEN", "3"),
        ("NEW", "1 2"),
        ("OLD", ""),
        ("KEYWORD $MDNSent", "3"),
        ("2:*", "2 3"),
        ("UID 1,3", "1 3"),
        ("NOT 2", "1 3"),
        ("OR 1 SEEN", "1 3"),
        ("(1:2 UNSEEN) FROM contoso", "1"),
        ("LARGER 500", "2"),
        ("SMALLER 500", "1 3"),
    ];
    assert_found(&mut client, &expected).await;
    let uids = client.command("UID SEARCH CHARSET UTF-8 SEEN").await.ok();
    assert_eq!(uids.untagged, ["* SEARCH 3"]);
}

#[tokio::test]
async fn search_finds_by_text_and_date() {
    let standin = standin().await;
    let mut client = archive(&standin).await;
    let expected = [
        ("FROM joerg@", "2"),
        ("SUBJECT note", "1 3"),
        ("HEADER Message-ID \"\"", "2"),
        ("TO ALICE", "2"),
        ("BODY short", "1 3"),
        ("TEXT inner", "2"),
        ("SENTON 2-Nov-2026", "2"),
        ("SENTSINCE 3-Nov-2026", ""),
        ("SENTBEFORE 3-Nov-2026", "2"),
        ("SINCE 1-Jan-2020", "1 2 3"),
        ("BEFORE 1-Jan-2020", ""),
    ];
    assert_found(&mut client, &expected).await;
}

#[tokio::test]
async fn search_reads_encoded_words_in_the_charsets_it_knows() {
    let standin = standin().await;
    let mut client = archive(&standin).await;
    let tag = client.send_tagged("SEARCH CHARSET UTF-8 SUBJECT {9+}").await;
    client.send("Übersich\r\n".as_bytes()).await;
    assert_eq!(client.answer(&tag).await.ok().untagged, ["* SEARCH 2"]);
    let unknown = client.command("SEARCH CHARSET KOI8-R ALL").await;
    assert!(unknown.verdict.starts_with("NO [BADCHARSET"), "{unknown:?}");
}

#[tokio::test]
async fn twenty_megabytes_go_out_and_come_in() {
    let standin = standin().await;
    let mut message = NOTE.as_bytes().to_vec();
    message.resize(20 << 20, b'z');
    standin.store().deliver(BOB, "INBOX", message.clone());
    let mut client = Client::inbox(&standin).await;
    let fetch = client.command("FETCH 1 BODY.PEEK[]").await.ok();
    let literal = fetch.untagged[0].split_once("}\r\n").unwrap().1;
    assert!(literal.as_bytes()[..message.len()] == message[..]);
    let tag = client.send_tagged(&format!("APPEND Archive {{{}}}", message.len())).await;
    assert!(client.line().await.starts_with("+ "));
    client.send(&message).await;
    client.send(b"\r\n").await;
    client.answer(&tag).await.ok();
    assert!(*standin.store().messages(BOB, "Archive")[0].raw == message[..]);
}
