//! Submission mode: following a client's mail transactions (RFC 5321 section 3.3, RFC 6409) instead of
//! handing its bytes on.
//!
//! [`Talk`] reads a client's commands and says what each asks for; [`Content`] passes a message on,
//! octet by octet, and mends its header; [`Replies`] reads what the service says. None of them waits
//! or holds a message.

mod command;
mod content;
mod date;
mod policy;
mod replies;
mod talk;

pub use command::{Mail, Path, Recipient};
pub use content::{BareLf, Content, Framing, Taken};
pub use date::date_time;
pub use policy::{
    Identity, LogonFailure, Mode, Named, Pattern, Policy, REPAIRS, Repair, Ruling, Sender,
};
pub use replies::Replies;
pub use talk::{Chunk, Event, Talk};
