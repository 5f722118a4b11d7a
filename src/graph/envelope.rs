//! Graph has no envelope: a message goes to whom its header names. This makes the two agree.

use std::collections::HashSet;

use super::address::{self, Address, Unreadable};
use super::header::{self, Field};

/// The recipients of an SMTP transaction.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    recipients: Vec<(Address, String)>,
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
            if !envelope.has(&address) {
                envelope.recipients.push((address, recipient.trim().to_owned()));
            }
        }
        Ok(envelope)
    }

    /// The header by which exactly these recipients get the message. Bcc is written anew: it holds
    /// whom To and Cc leave out. Nobody sees it, as Exchange takes it off.
    pub(super) fn address(&self, header: &[u8]) -> Result<Vec<u8>, Discord> {
        let fields = header::fields(header);
        let mut named = HashSet::new();
        for field in ["To", "Cc"] {
            named.extend(self.named(field, &fields)?);
        }
        let unnamed = self.recipients.iter().filter(|(address, _)| !named.contains(address));
        let unnamed: Vec<String> = unnamed.map(|(_, text)| format!("<{text}>")).collect();
        let mut addressed = Vec::with_capacity(header.len());
        if !unnamed.is_empty() {
            // In front, and one a line: neither what comes behind nor a limit of lines can hide it.
            addressed.extend(format!("Bcc: {}\r\n", unnamed.join(",\r\n ")).into_bytes());
        }
        let kept = fields.iter().filter(|field| !field.is("Bcc"));
        kept.for_each(|field| addressed.extend_from_slice(field.0));
        Ok(addressed)
    }

    /// The addresses in all fields of that name.
    fn named(&self, field: &'static str, fields: &[Field<'_>]) -> Result<Vec<Address>, Discord> {
        let mut named = Vec::new();
        for value in fields.iter().filter(|found| found.is(field)).map(|found| found.value()) {
            let addresses = address::list(value)
                .map_err(|Unreadable(words)| Discord::Unreadable { field, words })?;
            if let Some(other) = addresses.iter().find(|address| !self.has(address)) {
                return Err(Discord::Unasked { field, address: other.to_string() });
            }
            named.extend(addresses);
        }
        Ok(named)
    }

    fn has(&self, address: &Address) -> bool {
        self.recipients.iter().any(|(known, _)| known == address)
    }
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
    fn who_is_no_recipient_must_not_be_named() {
        let discord = envelope(&["a@c.example"]).address(TWO.as_bytes()).unwrap_err();
        assert_eq!(discord, Discord::Unasked { field: "Cc", address: "b@c.example".to_owned() });
        let twice = "To: a@c.example\r\nTo: x@c.example\r\n";
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
