//! What stands in a message's way here, before Graph has a say.

use std::io;

use super::envelope::Discord;
use super::post::Broken;
use super::verdict::Verdict;
use super::{SIZE, header};
use crate::mailbox::{GraphService, Mailbox};
use crate::proto::Refusal;

pub(super) fn no_token(refusal: &Refusal) -> Verdict {
    Verdict::refused((454, "4.7.0"), refusal.reply(), refusal.explain())
}

pub(super) fn unfit(recipient: &str) -> Verdict {
    let text = format!("Graph can't send to <{recipient}>");
    let explanation = format!("{recipient:?} is no address that a header in ASCII can hold");
    Verdict::refused((553, "5.1.3"), text, explanation)
}

/// The verdict on a message of more than `size` octets, which are the most.
pub fn too_large(size: usize) -> Verdict {
    let way = if size == SIZE { ", or set `large` under [provider.NAME.graph]" } else { "" };
    let explanation = format!(
        "The message has more than {size} octets, which are the most. Scan at a lower resolution{way}, or send by SMTP"
    );
    Verdict::refused((552, "5.3.4"), "Message too large for Graph", explanation)
}

/// Nothing to take out, or not enough.
pub(super) fn unfit_for_draft() -> Verdict {
    Verdict::refused(
        (552, "5.3.4"),
        "Message too large for Graph in its form",
        format!(
            "Of a message of more than {SIZE} octets, Graph takes only the files separately, and without those that can be told apart (base64, directly in multipart/mixed, with a name in ASCII or UTF-8, not signed) this one is still too large. Send files as attachments, or send by SMTP"
        ),
    )
}

pub(super) fn unfit_file() -> Verdict {
    Verdict::refused(
        (552, "5.3.4"),
        "Attachment can't be uploaded to Graph",
        "A file in the message isn't base64, has more than 150 MB, or falls between what Graph takes in one request and in an upload. Send it in another size, or by SMTP",
    )
}

pub(super) fn unfinished() -> Verdict {
    Verdict::refused(
        (451, "4.4.1"),
        "Graph is too slow, try again later",
        "The message's files weren't with Graph before the client would have given up. Check the bandwidth; Graph takes 150 MB of uploads in 5 minutes",
    )
}

pub(super) fn long_header() -> Verdict {
    let explanation = format!("The message's header has more than {} octets", header::LONGEST);
    Verdict::refused((552, "5.3.4"), "Message header too large", explanation)
}

pub(super) fn ambiguous() -> Verdict {
    Verdict::refused(
        (554, "5.6.0"),
        "Message header has a NUL or a bare carriage return",
        "Programs differ in where such a line ends, so that Graph could send to others than the recipients. Correct it in the program",
    )
}

/// The sender policy's no. Graph sends as the header's author, whatever MAIL FROM says.
pub(super) fn not_permitted(author: &str, mailbox: &Mailbox) -> Verdict {
    let address = &mailbox.address;
    Verdict::refused(
        (550, "5.7.1"),
        format!("Author {author} not allowed. Set the device's sender to {address}"),
        format!(
            "From or Sender names {author}, whom `sender = \"require\"` doesn't permit. Set the device's sender to {address}, or permit it in `permitted_senders`"
        ),
    )
}

pub(super) fn disagree(discord: Discord) -> Verdict {
    match discord {
        Discord::Unasked { field, address } => Verdict::refused(
            (554, "5.6.0"),
            format!("{field} names {address}, who is no recipient"),
            format!(
                "Graph sends to everyone in the header, so it would send to {address} in {field} too, whom no RCPT names. Let the program send one message to all its recipients, or send by SMTP"
            ),
        ),
        Discord::Unreadable { field, words } => Verdict::refused(
            (554, "5.6.0"),
            format!("{field} holds no address in: {words}"),
            format!(
                "Graph goes by the addresses in the header, and {words:?} in {field} is none that could be compared with the envelope's. Correct it in the program"
            ),
        ),
    }
}

pub(super) fn no_room(error: &io::Error) -> Verdict {
    let explanation = format!(
        "The message can't be kept until it is sent: {error}. Look at the space in $TMPDIR"
    );
    Verdict::refused((452, "4.3.1"), "Not enough room for the message", explanation)
}

/// Graph, or the way there, said nothing.
pub(super) fn unanswered(broken: Broken, service: &GraphService) -> Verdict {
    let host = service.endpoint.host_str().unwrap_or_default();
    match broken {
        Broken::Before(reason) => Verdict::refused(
            (451, "4.4.1"),
            "Graph can't be reached, try again later",
            format!("{host} can't be reached: {reason}. Check network, firewall and HTTP proxy"),
        ),
        Broken::After(reason) => {
            let explanation = format!(
                "Whether {host} sends the message is unknown: it had all of it, then: {reason}. Look into the mailbox's Sent Items"
            );
            Verdict::unknown((451, "4.4.2"), "took the message and didn't answer", explanation)
        }
        Broken::Spool(error) => no_room(&error),
    }
}
