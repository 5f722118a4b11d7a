//! A message on its way into the mailboxes, however it was submitted.

use std::sync::Arc;

use mail_parser::MessageParser;

use crate::cloud::Cloud;

/// Recipients inside get the message into their Inbox; those outside are counted.
pub(crate) fn deliver(cloud: &Cloud, recipients: &[String], message: &Arc<[u8]>) {
    for recipient in recipients {
        let inside = cloud.tenant().mailbox(recipient).map(|account| account.address.clone());
        match inside {
            Some(mailbox) => {
                cloud.store.deliver(&mailbox, "INBOX", Arc::clone(message));
            }
            None => cloud.counters.recipients_relayed.increment(),
        }
    }
}

/// The address in the From field.
pub(crate) fn author(message: &[u8]) -> Option<String> {
    let message = MessageParser::default().parse_headers(message)?;
    Some(message.from()?.first()?.address()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_author_is_the_address_in_from() {
        let message =
            b"To: x@y.example\r\nFrom: \"A, B\" <a.b@contoso.example>\r\n\r\nFrom: z@y.example\r\n";
        assert_eq!(author(message).as_deref(), Some("a.b@contoso.example"));
        assert_eq!(author(b"Subject: x\r\n\r\n"), None);
    }
}
