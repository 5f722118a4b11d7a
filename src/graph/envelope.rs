//! Graph has no envelope: a message goes to whom its header names. This makes the two agree.

use std::collections::HashSet;

use super::address::{self, Address, Unreadable};
use super::header::{self, Field};

/// The recipients of an SMTP transaction.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    /// Each once, in the order they came, and as RCPT wrote them.
    recipients: Vec<(Address, String)>,
    known: HashSet<Address>,
}

/// Why header and envelope can't be made to agree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Discord {
    /// The header names somebody who isn't among the recipients, and Graph would send to them too.
    Unasked {
        /// The field.
        field: &'static str,
        /// Who.
        address: String,
    },
    /// What the field holds is no list of addresses.
    Unreadable {
        /// The field.
        field: &'static str,
        /// What stands there in an address's place.
        words: String,
    },
}

impl Envelope {
    /// An envelope for these recipients, as RCPT names them, without their angle brackets. Whoever is
    /// there twice counts once.
    ///
    /// # Errors
    /// The first one that can't stand in a header: an address outside ASCII needs SMTPUTF8, which
    /// Graph has nothing like.
    pub(super) fn new(recipients: &[String]) -> Result<Self, String> {
        let mut envelope = Self::default();
        for recipient in recipients {
            let visible = recipient.bytes().all(|octet| matches!(octet, b' '..=b'~'));
            let parsed = Address::parse(recipient).filter(|_| visible);
            let Some(address) = parsed.filter(|address| reads_as(recipient, address)) else {
                return Err(recipient.clone());
            };
            if envelope.known.insert(address.clone()) {
                envelope.recipients.push((address, recipient.trim().to_owned()));
            }
        }
        Ok(envelope)
    }

    /// The header by which exactly these recipients get the message. Bcc is written anew: it holds
    /// whom To and Cc leave out. Nobody sees it, as Exchange takes it off.
    ///
    /// Whether a service reads more than one To, and whether it sends to those to whom a message was
    /// passed on before, is for it to decide: there is only one To, one Cc, and nobody else.
    pub(super) fn address(&self, header: &[u8]) -> Result<Vec<u8>, Discord> {
        let fields = header::fields(header);
        let mut named = HashSet::new();
        for field in ["To", "Cc"] {
            named.extend(self.named(field, &fields)?);
        }
        for field in ["Resent-To", "Resent-Cc"] {
            self.named(field, &fields)?;
        }
        let unnamed = self.recipients.iter().filter(|(address, _)| !named.contains(address));
        let unnamed: Vec<String> = unnamed.map(|(_, text)| format!("<{text}>")).collect();
        let mut addressed = Vec::with_capacity(header.len());
        if !unnamed.is_empty() {
            // In front, and one a line: neither what comes behind nor a limit of lines can hide it.
            addressed.extend(format!("Bcc: {}\r\n", unnamed.join(",\r\n ")).into_bytes());
        }
        let (mut to, mut cc) = (joined("To", &fields), joined("Cc", &fields));
        for field in fields.iter().filter(|field| !field.is("Bcc") && !field.is("Resent-Bcc")) {
            let join =
                [("To", &mut to), ("Cc", &mut cc)].into_iter().find(|(name, _)| field.is(name));
            match join.and_then(|(_, all)| all.as_mut()) {
                Some(all) => addressed.append(all),
                None => addressed.extend_from_slice(field.0),
            }
        }
        Ok(addressed)
    }

    /// The addresses in all fields of that name.
    fn named(&self, field: &'static str, fields: &[Field<'_>]) -> Result<Vec<Address>, Discord> {
        let named = addresses(field, fields)?;
        match named.iter().find(|address| !self.known.contains(address)) {
            Some(other) => Err(Discord::Unasked { field, address: other.to_string() }),
            None => Ok(named),
        }
    }
}

/// Who a header says has written or sent it.
pub(super) fn authors(header: &[u8]) -> Result<Vec<Address>, Discord> {
    let fields = header::fields(header);
    Ok([addresses("From", &fields)?, addresses("Sender", &fields)?].concat())
}

/// The addresses in all fields of that name.
fn addresses(field: &'static str, fields: &[Field<'_>]) -> Result<Vec<Address>, Discord> {
    let mut found = Vec::new();
    for value in fields.iter().filter(|found| found.is(field)).map(|found| found.value()) {
        let more = address::list(value)
            .map_err(|Unreadable(words)| Discord::Unreadable { field, words })?;
        found.extend(more);
    }
    Ok(found)
}

/// One field in the place of several of that name; `None` where there is at most one.
fn joined(name: &str, fields: &[Field<'_>]) -> Option<Vec<u8>> {
    let all = fields.iter().filter(|field| field.is(name));
    if all.clone().count() < 2 {
        return None;
    }
    let values: Vec<&[u8]> =
        all.map(|field| bare(field.value())).filter(|value| !value.is_empty()).collect();
    match values.is_empty() {
        true => Some(Vec::new()),
        false => Some([name.as_bytes(), b": ", &values.join(&b",\r\n "[..]), b"\r\n"].concat()),
    }
}

/// A list without blanks and commas around it.
fn bare(list: &[u8]) -> &[u8] {
    let is_outside = |octet: &u8| octet.is_ascii_whitespace() || *octet == b',';
    let start = list.iter().position(|octet| !is_outside(octet)).unwrap_or(list.len());
    let end = list.iter().rposition(|octet| !is_outside(octet)).map_or(start, |last| last + 1);
    &list[start..end]
}

/// Whether a recipient in angle brackets is this address and nothing else.
fn reads_as(recipient: &str, address: &Address) -> bool {
    let list = address::list(format!("<{recipient}>").as_bytes());
    list.is_ok_and(|list| list == [address.clone()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn envelope(recipients: &[&str]) -> Envelope {
        let recipients: Vec<String> = recipients.iter().map(|one| (*one).to_owned()).collect();
        Envelope::new(&recipients).unwrap()
    }

    fn addressed(recipients: &[&str], header: &str) -> String {
        String::from_utf8(envelope(recipients).address(header.as_bytes()).unwrap()).unwrap()
    }

    const TWO: &str =
        "From: s@c.example\r\nTo: A <a@c.example>\r\ncc: b@c.example\r\nSubject: x\r\n";

    #[test]
    fn a_header_that_agrees_stays_as_it_is() {
        assert_eq!(addressed(&["a@c.example", "B@C.example", "a@c.example"], TWO), TWO);
    }

    #[test]
    fn who_is_missing_becomes_bcc() {
        let expected = format!("Bcc: <d@c.example>,\r\n <e@c.example>\r\n{TWO}");
        let all = ["a@c.example", "d@c.example", "b@c.example", "e@c.example"];
        assert_eq!(addressed(&all, TWO), expected);
        let bare = "Subject: x\r\n";
        assert_eq!(addressed(&["a@c.example"], bare), "Bcc: <a@c.example>\r\nSubject: x\r\n");
        assert_eq!(addressed(&["a@c.example"], ""), "Bcc: <a@c.example>\r\n");
    }

    #[test]
    fn bcc_holds_only_recipients() {
        let header = format!("Bcc: D <d@c.example>,\r\n f@c.example\r\n{TWO}bcc : root\r\n");
        let expected = format!("Bcc: <d@c.example>\r\n{TWO}");
        assert_eq!(addressed(&["a@c.example", "b@c.example", "d@c.example"], &header), expected);
        assert_eq!(addressed(&["a@c.example", "b@c.example"], &header), TWO);
    }

    #[test]
    fn there_is_one_to_and_one_cc() {
        let header = "To: A <a@c.example>\r\nSubject: x\r\ncc: b@c.example\r\nTO:\r\n b@c.example,\r\nTo:\r\n";
        let expected = "To: A <a@c.example>,\r\n b@c.example\r\nSubject: x\r\ncc: b@c.example\r\n";
        assert_eq!(addressed(&["a@c.example", "b@c.example"], header), expected);
    }

    #[test]
    fn who_got_it_before_counts_for_nobody() {
        let header = "Resent-To: a@c.example\r\nResent-Bcc: x@c.example\r\nSubject: x\r\n";
        let expected = "Bcc: <a@c.example>\r\nResent-To: a@c.example\r\nSubject: x\r\n";
        assert_eq!(addressed(&["a@c.example"], header), expected);
    }

    #[test]
    fn authors_are_those_in_from_and_sender() {
        let header =
            b"From: A <a@c.example>, b@c.example\r\nTo: c@c.example\r\nsender: D@c.example\r\n";
        let found: Vec<String> = authors(header).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["a@c.example", "b@c.example", "d@c.example"]);
        assert!(authors(b"From: root\r\n").is_err());
    }

    #[test]
    fn who_is_no_recipient_must_not_be_named() {
        let discord = envelope(&["a@c.example"]).address(TWO.as_bytes()).unwrap_err();
        assert_eq!(discord, Discord::Unasked { field: "Cc", address: "b@c.example".to_owned() });
        let twice = "To: a@c.example\r\nTo: x@c.example\r\n";
        let resent = "To: a@c.example\r\nResent-Cc: x@c.example\r\n";
        assert!(envelope(&["a@c.example"]).address(resent.as_bytes()).is_err());
        assert!(envelope(&["a@c.example"]).address(twice.as_bytes()).is_err());
        let discord = envelope(&["a@c.example"]).address(b"To: root, a@c.example\r\n").unwrap_err();
        assert_eq!(discord, Discord::Unreadable { field: "To", words: "root".to_owned() });
    }

    #[test]
    fn recipients_that_no_header_can_hold() {
        for bad in [
            "",
            "postmaster",
            "büro@c.example",
            "a@c.example> , <b@c.example",
            "a@c.example,b@c.example",
            "a b@c.example",
            "=?utf-8?Q?a?=@c.example",
            "a@c.example (of",
            "a@c.example\r\nBcc: b@c.example",
        ] {
            assert!(Envelope::new(&[bad.to_owned()]).is_err(), "{bad:?}");
        }
        let quoted = addressed(&["\"a, b\"@c.example"], "");
        assert_eq!(quoted, "Bcc: <\"a, b\"@c.example>\r\n");
    }

    proptest! {
        /// Whatever the header says, either it is refused or the recipients are exactly the envelope's.
        #[test]
        fn nobody_is_added_and_nobody_left_out(
            recipients in proptest::collection::vec("[a-e]@c\\.example", 1..5),
            to in proptest::collection::vec("[a-f]@c\\.example", 0..4),
            cc in proptest::collection::vec("[A-F]@c\\.example", 0..4),
            bcc in proptest::collection::vec("[a-f]@c\\.example", 0..4),
        ) {
            let envelope = Envelope::new(&recipients).unwrap();
            let header = format!("Cc: {}\r\nBcc: {}\r\nTo: {}\r\n", cc.join(","), bcc.join(","), to.join(","));
            if let Ok(addressed) = envelope.address(header.as_bytes()) {
                let fields = header::fields(&addressed);
                let reached = fields.iter().flat_map(|field| address::list(field.value()).unwrap());
                let reached: HashSet<String> = reached.map(|one| one.to_string()).collect();
                let asked: HashSet<String> = recipients.into_iter().collect();
                prop_assert_eq!(reached, asked);
            }
        }
    }
}
