//! However a client's octets arrive, they come to the same.

use proptest::prelude::*;

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
