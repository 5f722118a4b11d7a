//! However a client's octets arrive, they come to the same.

use proptest::prelude::*;

use gatepost::proto::smtp::headers::{Author, Change, Edits};
use gatepost::proto::smtp::submission::{BareLf, Content, Framing};

use super::dialogue::talk;

const WORDS: &[&[u8]] = &[
    b"MAIL FROM:<a@b.example>\r\n",
    b"RCPT TO:<c@d.example>\r\n",
    b"DATA\r\n",
    b"From: x <y@z.example>\r\n",
    b"\r\n",
    b"\n",
    b".",
    b"text",
    b".\r\n",
    b"BDAT 5\r\n",
    b"BDAT 3 LAST\r\n",
    b"RSET\r\n",
    b"EHLO x\r\n",
    b"AUTH PLAIN AGEAYg==\r\n",
    b"STARTTLS\r\n",
    b"\xff\r\n",
];

proptest! {
    #[test]
    fn a_talk_is_the_same_in_any_pieces(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..24),
        size in 1..20_usize,
    ) {
        let sent = words.concat();
        let pieces: Vec<&[u8]> = sent.chunks(size).collect();
        prop_assert_eq!(talk(&pieces), talk(&[&sent]));
    }
}

const HEADER: &[&[u8]] = &[
    b"From: MFP <root@mfp>\r\n",
    b"From: =?utf-8?Q?B=C3=BCro?=\r\n <root@mfp>,\r\n\tscanner@contoso.example\r\n",
    b"from:scanner@contoso.example\n",
    b"Sender: root@mfp\r\n",
    b"Reply-To: help@contoso.example\r\n",
    b"Date: x\r\n",
    b"Message-ID:\r\n\t<1@x>\r\n",
    b"DKIM-Signature: v=1\r\n",
    b"..dots: x\r\n",
    b"Subject: a\r\n b\n c\r\n",
    b"no field\r\n",
    b"\r\n",
    b"\n",
    b"..\r\n",
];

fn author() -> Edits {
    let author = Author { mailbox: "scanner@contoso.example".to_owned(), permitted: Vec::new() };
    Edits { author: Some(author), ..Edits::default() }
}

fn all() -> Edits {
    let date = Some("Thu, 1 Jan 1970 00:00:00 +0000".to_owned());
    Edits { date, message_id: Some("<1@x>".to_owned()), ..author() }
}

/// What goes out of a message that comes in these pieces, and what is said of it.
fn passed(pieces: &[&[u8]], framing: Option<Framing>, edits: &Edits) -> (Vec<u8>, Vec<Change>) {
    let plain = framing.unwrap_or(Framing::Plain);
    let mut content = Content::new(plain, BareLf::Mend, edits.clone());
    let mut out = Vec::new();
    for piece in pieces {
        match framing {
            Some(_) => drop(content.data(piece, &mut out)),
            None => content.chunk(piece, &mut out),
        }
    }
    if framing.is_none() {
        content.finish(&mut out);
    }
    (out, content.changes().collect())
}

proptest! {
    /// Nor does it matter where a header that is changed, or its end, is cut.
    #[test]
    fn a_message_is_changed_the_same_in_any_pieces(
        fields in proptest::collection::vec(proptest::sample::select(HEADER), 0..10),
        framing in proptest::sample::select(&[Some(Framing::Dotted), Some(Framing::Plain), None][..]),
        edits in proptest::sample::select(vec![author(), all()]),
        size in 1..40_usize,
    ) {
        let sent = [&fields.concat()[..], b".\r\n"].concat();
        let pieces: Vec<&[u8]> = sent.chunks(size).collect();
        let whole = passed(&[&sent], framing, &edits);
        prop_assert_eq!(&passed(&pieces, framing, &edits), &whole);
        // What follows the header is as it was.
        let body = b"\r\n\r\n..body\r\n.\r\n";
        let sent = [&fields.concat()[..], body].concat();
        let (out, _) = passed(&[&sent], framing, &edits);
        let expected: &[u8] = match framing {
            Some(Framing::Dotted) => b"\r\n..body\r\n",
            Some(Framing::Plain) => b"\r\n.body\r\n",
            None => body,
        };
        prop_assert!(out.ends_with(expected), "{:?}", String::from_utf8_lossy(&out));
    }
}
