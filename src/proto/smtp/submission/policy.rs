//! What a mailbox's operator decided about the messages that go out through it.

/// How a client's SMTP connection is served once it has logged in. A splice unless somebody says
/// otherwise: it is right for every service and program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Its bytes go straight through.
    #[default]
    Splice,
    /// Its mail transactions are followed.
    Submission,
}

/// What becomes of a sender that isn't permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// It goes out as it is, and the service judges.
    Keep,
    /// It is refused before the message is sent.
    Require,
    /// The mailbox's address takes its place, in MAIL FROM and in the From field.
    Rewrite,
}

/// Who the service is told is sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The mailbox.
    Mailbox,
    /// The permitted address in MAIL FROM. For tokens that belong to an application.
    Follow,
}

/// What the client hears when the service can't log on to the mailbox (`430 4.2.0`), which it calls
/// temporary though only an administrator can end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogonFailure {
    /// The service's own words: the client keeps the mail and tries again.
    Temporary,
    /// A permanent no: the client tells somebody.
    Permanent,
}

/// How the journal names recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// By their number.
    Count,
    /// By their addresses.
    Addresses,
}

/// A small repair of what Exchange refuses and devices write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// A line feed without a carriage return becomes a line end. In DATA alone: BDAT counts octets.
    BareLf,
    /// A missing Date field is added.
    Date,
    /// A missing Message-ID field is added.
    MessageId,
}

/// The repairs by their names in the configuration.
pub const REPAIRS: &[(&str, Repair)] =
    &[("bare_lf", Repair::BareLf), ("date", Repair::Date), ("message_id", Repair::MessageId)];

/// A mailbox's rules for outgoing messages.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How a connection is served; as its listener says where it is `None`.
    pub mode: Option<Mode>,
    /// What becomes of a sender that isn't permitted.
    pub sender: Sender,
    /// The senders permitted beside the mailbox's own address.
    pub permitted: Vec<Pattern>,
    /// Who the service is told is sending.
    pub identity: Identity,
    /// What is mended.
    pub repairs: Vec<Repair>,
    /// Messages on their way to the service at once, at least one.
    pub submissions: usize,
    /// Messages a minute; `None` for as many as come.
    pub per_minute: Option<u32>,
    /// What a failed logon to the mailbox is called.
    pub logon_failure: LogonFailure,
    /// How the journal names recipients.
    pub recipients: Named,
}

/// Exchange Online takes no more from a mailbox at once.
const SUBMISSIONS: usize = 3;

/// What Exchange Online takes from a mailbox a minute before it delays.
const PER_MINUTE: u32 = 30;

impl Default for Policy {
    /// In submission mode, what changes nothing in a message that is well formed.
    fn default() -> Self {
        Self {
            mode: None,
            sender: Sender::Keep,
            permitted: Vec::new(),
            identity: Identity::Mailbox,
            repairs: REPAIRS.iter().map(|(_, repair)| *repair).collect(),
            submissions: SUBMISSIONS,
            per_minute: Some(PER_MINUTE),
            logon_failure: LogonFailure::Temporary,
            recipients: Named::Count,
        }
    }
}

/// What the policy says of a sender.
#[derive(Debug, PartialEq, Eq)]
pub enum Ruling<'a> {
    /// It goes out as it is.
    Pass,
    /// This address takes its place.
    Replace(&'a str),
    /// It is refused.
    Refuse,
}

impl Policy {
    /// Whether `repair` is wanted.
    pub fn mends(&self, repair: Repair) -> bool {
        self.repairs.contains(&repair)
    }

    /// Whether `sender` may stand for `mailbox`. The null reverse-path (RFC 5321 section 4.5.5), of
    /// bounces and read receipts, names nobody and may.
    pub fn permits(&self, sender: &str, mailbox: &str) -> bool {
        sender.is_empty()
            || sender.eq_ignore_ascii_case(mailbox)
            || self.permitted.iter().any(|pattern| pattern.matches(sender))
    }

    /// What becomes of `sender` in `mailbox`.
    pub fn rule<'a>(&self, sender: &str, mailbox: &'a str) -> Ruling<'a> {
        match self.sender {
            _ if self.permits(sender, mailbox) => Ruling::Pass,
            Sender::Keep => Ruling::Pass,
            Sender::Require => Ruling::Refuse,
            Sender::Rewrite => Ruling::Replace(mailbox),
        }
    }

    /// Who the service is told is sending a message from `sender`, which has passed.
    pub fn identity<'a>(&self, sender: &'a str, mailbox: &'a str) -> &'a str {
        let follows = self.identity == Identity::Follow && !sender.is_empty();
        if follows && self.permits(sender, mailbox) { sender } else { mailbox }
    }
}

/// An address in which `*` stands for any characters. Compared without regard to ASCII case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern `text`, which has one `@`; `None` for what can't match an address.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let good = !local.is_empty()
            && !domain.is_empty()
            && !text.chars().any(|c| c.is_control() || c.is_whitespace());
        good.then(|| Self(text.to_ascii_lowercase()))
    }

    /// Whether `address` is one of those meant. A `*` never reaches over the last `@`.
    pub fn matches(&self, address: &str) -> bool {
        let address = address.to_ascii_lowercase();
        match (self.0.rsplit_once('@'), address.rsplit_once('@')) {
            (Some(pattern), Some(address)) => {
                fits(pattern.0, address.0) && fits(pattern.1, address.1)
            }
            _ => false,
        }
    }
}

/// The first part at the start, the last at the end, those between in order.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_within_each_side_of_the_at() {
        for (pattern, address, expected) in [
            ("*@contoso.example", "Scanner@Contoso.Example", true),
            ("*@contoso.example", "scanner@evil.example", false),
            ("*@contoso.example", "a@evil.example@contoso.example", true),
            ("scan-*@contoso.example", "scan-3@contoso.example", true),
            ("scan-*@contoso.example", "print-3@contoso.example", false),
            ("a*b*c@x.example", "aXbYc@x.example", true),
            ("a*b*c@x.example", "ac@x.example", false),
            ("ab*b@x.example", "ab@x.example", false),
            ("*@*.contoso.example", "a@b.contoso.example", true),
            ("*@*.contoso.example", "a@contoso.example", false),
            ("a@x.example", "a@x.example", true),
            ("a@x.example", "a", false),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(address), expected, "{pattern} {address}");
        }
        for text in ["", "contoso.example", "@x", "a@", "a b@x"] {
            assert_eq!(Pattern::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_sender_passes_is_replaced_or_refused() {
        let mailbox = "scanner@contoso.example";
        let permitted = vec![Pattern::parse("*@print.contoso.example").unwrap()];
        let mut policy = Policy { permitted, ..Policy::default() };
        for (sender, ruling) in [
            (Sender::Keep, Ruling::Pass),
            (Sender::Require, Ruling::Refuse),
            (Sender::Rewrite, Ruling::Replace(mailbox)),
        ] {
            policy.sender = sender;
            assert_eq!(policy.rule("root@localhost", mailbox), ruling);
            for permitted in ["", "SCANNER@contoso.example", "3@print.contoso.example"] {
                assert_eq!(policy.rule(permitted, mailbox), Ruling::Pass, "{permitted:?}");
            }
        }
    }

    #[test]
    fn the_identity_follows_permitted_senders_alone() {
        let (mailbox, sender) = ("scanner@contoso.example", "erp@contoso.example");
        let mut policy = Policy { identity: Identity::Follow, ..Policy::default() };
        assert_eq!(policy.identity(sender, mailbox), mailbox);
        policy.permitted = vec![Pattern::parse(sender).unwrap()];
        assert_eq!(policy.identity(sender, mailbox), sender);
        assert_eq!(policy.identity("", mailbox), mailbox);
        policy.identity = Identity::Mailbox;
        assert_eq!(policy.identity(sender, mailbox), mailbox);
    }
}
