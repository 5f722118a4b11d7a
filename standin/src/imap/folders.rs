//! LIST, LSUB, STATUS and what becomes of the other commands on folders.

use imap_codec::imap_types::mailbox::ListMailbox;
use imap_codec::imap_types::status::StatusDataItemName;

use crate::store::{Flag, Folder, FolderError, Mailbox, Message};

use super::response::{Response, parenthesized};
use super::session::Verdict;

/// The folder that a message should go to is missing.
pub(super) const TRY_CREATE: Verdict =
    Verdict::No("[TRYCREATE] The specified folder does not exist.");

/// The verdict on a command that only changes folders.
pub(super) fn done(result: Result<(), FolderError>) -> Verdict {
    match result {
        Ok(()) => Verdict::Ok,
        Err(FolderError::Missing) => Verdict::No("The specified folder does not exist."),
        Err(FolderError::Exists) => Verdict::No("The specified folder already exists."),
        Err(FolderError::Reserved) => Verdict::No("The specified folder cannot be changed."),
    }
}

/// The names that LIST and LSUB ask for: the reference and the wildcard in one.
pub(super) fn pattern(reference: &str, wildcard: &ListMailbox<'_>) -> String {
    let wildcard = match wildcard {
        ListMailbox::Token(token) => token.as_ref(),
        ListMailbox::String(string) => string.as_ref(),
    };
    // An empty wildcard asks for the delimiter, whatever the reference.
    if wildcard.is_empty() {
        return String::new();
    }
    format!("{reference}{}", String::from_utf8_lossy(wildcard))
}

pub(super) fn list(mailbox: &Mailbox, pattern: &str, response: &mut Response) -> Verdict {
    if pattern.is_empty() {
        response.line("* LIST (\\Noselect) \"/\" \"\"");
        return Verdict::Ok;
    }
    let names = mailbox.folder_names();
    for name in names.iter().filter(|name| matches(pattern, name)) {
        let below = format!("{name}/");
        let children = match names.iter().any(|other| other.starts_with(&below)) {
            true => "\\HasChildren",
            false => "\\HasNoChildren",
        };
        let attributes = [Some(children), special_use(name)];
        response
            .text(&format!("* LIST {} \"/\" ", parenthesized(attributes.into_iter().flatten())));
        response.folder(name);
        response.line("");
    }
    Verdict::Ok
}

pub(super) fn list_subscribed(
    mailbox: &Mailbox,
    pattern: &str,
    response: &mut Response,
) -> Verdict {
    let names = mailbox.subscriptions().into_iter();
    for name in names.filter(|name| matches(pattern, name)) {
        response.text("* LSUB () \"/\" ");
        response.folder(&name);
        response.line("");
    }
    Verdict::Ok
}

pub(super) fn status(
    mailbox: &Mailbox,
    name: &str,
    items: &[StatusDataItemName],
    response: &mut Response,
) -> Verdict {
    let values = mailbox.read(name, |folder| {
        parenthesized(items.iter().filter_map(|item| status_item(folder, item)))
    });
    match values {
        Err(error) => done(Err(error)),
        Ok(values) => {
            response.text("* STATUS ");
            response.folder(name);
            response.line(&format!(" {values}"));
            Verdict::Ok
        }
    }
}

fn status_item(folder: &Folder, item: &StatusDataItemName) -> Option<String> {
    let messages = folder.messages();
    let unseen = |message: &&Message| !message.has(&Flag::Seen);
    match item {
        StatusDataItemName::Messages => Some(format!("MESSAGES {}", messages.len())),
        StatusDataItemName::Recent => Some(format!("RECENT {}", folder.recent())),
        StatusDataItemName::UidNext => Some(format!("UIDNEXT {}", folder.uid_next)),
        StatusDataItemName::UidValidity => Some(format!("UIDVALIDITY {}", folder.uid_validity)),
        StatusDataItemName::Unseen => {
            Some(format!("UNSEEN {}", messages.iter().filter(unseen).count()))
        }
        // Of an extension that is not announced.
        _ => None,
    }
}

/// Exchange tells special uses in every LIST, though it does not announce SPECIAL-USE.
fn special_use(name: &str) -> Option<&'static str> {
    match name {
        "Archive" => Some("\\Archive"),
        "Deleted Items" => Some("\\Trash"),
        "Drafts" => Some("\\Drafts"),
        "Junk Email" => Some("\\Junk"),
        "Sent Items" => Some("\\Sent"),
        _ => None,
    }
}

/// `*` stands for anything, `%` for anything within one level.
///
/// Every prefix of the name that the pattern so far reaches is kept, so that the time stays within the product of the
/// two lengths.
fn matches(pattern: &str, name: &str) -> bool {
    if name == "INBOX" && pattern.eq_ignore_ascii_case(name) {
        return true;
    }
    let name = name.as_bytes();
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for symbol in pattern.bytes() {
        let mut next = vec![false; name.len() + 1];
        for end in 0..=name.len() {
            let last = end.checked_sub(1).map(|index| name[index]);
            let extends = end > 0
                && match symbol {
                    b'*' => next[end - 1],
                    b'%' => next[end - 1] && last != Some(b'/'),
                    literal => reached[end - 1] && last == Some(literal),
                };
            next[end] = extends || (matches!(symbol, b'*' | b'%') && reached[end]);
        }
        reached = next;
    }
    reached[name.len()]
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards_respect_levels() {
        assert!(matches("*", "Work/2026"));
        assert!(!matches("%", "Work/2026"));
        assert!(matches("%/%", "Work/2026"));
        assert!(matches("W*6", "Work/2026"));
        assert!(!matches("W*7", "Work/2026"));
        assert!(matches("inbox", "INBOX"));
        assert!(!matches("inbo", "INBOX"));
        assert!(matches("Sent Items", "Sent Items"));
    }
}
