//! What clients hear of gatepost itself in the middle of their messages.

use crate::proto::smtp::grammar::Reply;
use crate::proto::{Cause, Refusal};

pub(super) fn not_permitted(sender: &str, mailbox: &str) -> Reply {
    let printable = |text: &str| text.replace(|c: char| !c.is_ascii_graphic(), "?");
    let (sender, mailbox) = (printable(sender), printable(mailbox));
    Reply::of(
        550,
        &format!("5.7.1 Sender {sender} not allowed. Set the device's sender to {mailbox}"),
    )
}

pub(super) fn out_of_order() -> Reply {
    Reply::of(503, "5.5.1 Send MAIL first")
}

pub(super) fn no_chunks() -> Reply {
    Reply::of(502, "5.5.1 BDAT is not offered")
}

pub(super) fn crowded() -> Refusal {
    Refusal::new(
        Cause::UpstreamUnavailable,
        "as many messages wait for this mailbox as may; give some devices mailboxes of their own",
    )
}
