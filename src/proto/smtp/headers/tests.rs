use super::*;
use crate::proto::smtp::submission::Pattern;

const MAILBOX: &str = "scanner@contoso.example";

fn rewriting() -> Edits {
    let permitted = vec![Pattern::parse("*@print.contoso.example").unwrap()];
    let author = Author { mailbox: MAILBOX.to_owned(), permitted };
    Edits { author: Some(author), ..Edits::default() }
}

fn applied(edits: &Edits, block: &str) -> (String, Vec<Change>) {
    let (text, changes) = edits.apply(block.as_bytes());
    (String::from_utf8(text).unwrap(), changes)
}

#[test]
fn the_author_becomes_the_mailbox_and_the_old_one_gets_the_replies() {
    for (before, after) in [
        (
            "From: root@localhost.lan\r\n",
            "From: <scanner@contoso.example>\r\nReply-To: root@localhost.lan\r\n",
        ),
        (
            "from : \"Scanner, 3rd floor\" <root@mfp>\r\n",
            "From: \"Scanner, 3rd floor\" <scanner@contoso.example>\r\nReply-To: \"Scanner, 3rd floor\" <root@mfp>\r\n",
        ),
        (
            "From: =?utf-8?Q?B=C3=BCro?=\r\n =?utf-8?Q?_Nord?=\r\n <root@mfp>\r\n",
            "From: =?utf-8?Q?B=C3=BCro?=\r\n =?utf-8?Q?_Nord?=\r\n <scanner@contoso.example>\r\nReply-To: =?utf-8?Q?B=C3=BCro?=\r\n =?utf-8?Q?_Nord?=\r\n <root@mfp>\r\n",
        ),
        (
            "From: a@x.example, b@y.example\r\n",
            "From: <scanner@contoso.example>\r\nReply-To: a@x.example, b@y.example\r\n",
        ),
        (
            "From: a@x.example\r\nFrom: b@y.example\r\n",
            "From: <scanner@contoso.example>\r\nReply-To: a@x.example\r\n",
        ),
        (
            "Reply-To: help@contoso.example\r\nFrom: root@mfp\r\n",
            "Reply-To: help@contoso.example\r\nFrom: <scanner@contoso.example>\r\n",
        ),
        ("From: Scanner\r\n", "From: <scanner@contoso.example>\r\n"),
        ("Subject: x\r\n", "From: <scanner@contoso.example>\r\nSubject: x\r\n"),
    ] {
        for (prefix, suffix) in [("", "\r\n"), ("Subject: y\r\n folded\r\n", "To: z@x\r\n\r\n")] {
            let (text, changes) = applied(&rewriting(), &format!("{prefix}{before}{suffix}"));
            let added = after.starts_with("From: <scanner@contoso.example>\r\nSubject: x");
            let expected = match added {
                true => format!("From: <{MAILBOX}>\r\n{prefix}{before}{suffix}"),
                false => format!("{prefix}{after}{suffix}"),
            };
            assert_eq!(text, expected, "{before}");
            assert!(changes.contains(&Change::From));
        }
    }
}

#[test]
fn a_permitted_author_stays_octet_by_octet() {
    for from in [
        "From: SCANNER@contoso.example\r\n",
        "From:scanner@contoso.example\r\n",
        "From: \"x@evil.example\" <scanner@contoso.example>\r\n",
        "From: scanner@contoso.example (x@evil.example)\r\n",
        "From: 3\r\n\t<3@print.contoso.example>\r\n",
    ] {
        let block = format!("Subject: x\r\n{from}\r\n");
        assert_eq!(applied(&rewriting(), &block), (block.clone(), vec![]), "{from}");
    }
    let (text, _) =
        applied(&rewriting(), "From: scanner@contoso.example <ceo@contoso.example>\r\n\r\n");
    assert!(text.starts_with("From: <scanner@contoso.example>\r\nReply-To: "), "{text}");
}

#[test]
fn a_sender_is_permitted_or_the_mailbox_and_several_authors_have_one() {
    let several = "From: 3@print.contoso.example, 4@print.contoso.example\r\n";
    let mailbox = "Sender: <scanner@contoso.example>\r\n";
    for (before, after) in [
        (format!("Sender: 3@print.contoso.example\r\n{several}"), None),
        (several.to_owned(), Some(format!("{several}{mailbox}"))),
        (format!("sender:\r\n root@mfp\r\n{several}"), Some(format!("{mailbox}{several}"))),
        (
            "From: scanner@contoso.example\r\nSender: root@mfp\r\n".to_owned(),
            Some(format!("From: scanner@contoso.example\r\n{mailbox}")),
        ),
    ] {
        let (text, changes) = applied(&rewriting(), &format!("{before}\r\n"));
        assert_eq!(text, format!("{}\r\n", after.as_ref().unwrap_or(&before)));
        assert_eq!(changes, after.map(|_| Change::Sender).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_signed_message_is_left_alone() {
    for field in [
        "DKIM-Signature: v=1; a=rsa-sha256\r\n",
        "Content-Type: multipart/signed; protocol=x\r\n",
        "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"\r\n",
        "content-type:\r\n Application/PKCS7-MIME; name=smime.p7m\r\n",
    ] {
        let block = format!("From: root@mfp\r\n{field}\r\n");
        let edits = Edits { date: Some("now".to_owned()), ..rewriting() };
        assert_eq!(applied(&edits, &block), (block.clone(), vec![Change::LeftSigned]));
    }
}

#[test]
fn what_is_missing_is_added_and_what_is_there_stays() {
    let edits = Edits {
        author: None,
        date: Some("Thu, 1 Jan 1970 00:00:00 +0000".to_owned()),
        message_id: Some("<1@x>".to_owned()),
    };
    let both = "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\nMessage-ID: <1@x>\r\n";
    let all = vec![Change::Date, Change::MessageId];
    for (before, after) in [
        ("Subject: x\r\n\r\n", format!("{both}Subject: x\r\n\r\n")),
        ("\r\n", format!("{both}\r\n")),
        // No header at all: the text that follows must not become one.
        ("", format!("{both}\r\n")),
        (
            "From root Thu Jan 1 00:00:00 1970\r\nTo: x\r\n\r\n",
            format!("From root Thu Jan 1 00:00:00 1970\r\n{both}To: x\r\n\r\n"),
        ),
    ] {
        assert_eq!(applied(&edits, before), (after, all.clone()), "{before}");
    }
    let there = "date: x\r\nMESSAGE-ID: y\r\n\r\n";
    assert_eq!(applied(&edits, there), (there.to_owned(), vec![]));
}

#[test]
fn a_header_ends_at_its_blank_line_or_where_it_stops_being_one() {
    for (text, end) in [
        ("A: b\r\n c\r\n\r\nbody: x\r\n", Some(12)),
        ("\r\nbody", Some(2)),
        ("Hello world\r\nA: b\r\n\r\n", Some(0)),
        ("A: b\r\nno field\r\n\r\n", Some(6)),
        (" indented\r\n", Some(0)),
        ("From root Thu Jan  1 00:00:00 1970\r\nA: b\r\n\r\nx", Some(44)),
        ("A: b\r\nB: c", None),
    ] {
        assert_eq!(Scan::default().end(text.as_bytes()), end, "{text:?}");
        let mut scan = Scan::default();
        let found = (0..=text.len()).find_map(|cut| scan.end(&text.as_bytes()[..cut]));
        assert_eq!(found, end, "{text:?} in pieces");
    }
}
