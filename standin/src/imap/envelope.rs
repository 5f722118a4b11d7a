//! `ENVELOPE` (RFC 3501 section 7.4.2): the header of a message, taken apart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_parser::{Addr, Address, Group, Header, HeaderName};

use super::response::Response;

/// Writes the envelope of the message whose header fields these are; `raw` is what their offsets count in.
pub(super) fn write(headers: &[Header<'_>], raw: &[u8], response: &mut Response) {
    let header = Fields { headers, raw };
    response.text("(");
    response.nstring(header.text(&HeaderName::Date).as_deref());
    response.text(" ");
    response.nstring(header.text(&HeaderName::Subject).as_deref());
    let from = header.addresses(&HeaderName::From);
    // RFC 3501: a missing Sender or Reply-To is the same as From.
    let sender = header.addresses(&HeaderName::Sender).or(from);
    let reply_to = header.addresses(&HeaderName::ReplyTo).or(from);
    let recipients = [HeaderName::To, HeaderName::Cc, HeaderName::Bcc];
    let recipients = recipients.map(|name| header.addresses(&name));
    for addresses in [from, sender, reply_to].into_iter().chain(recipients) {
        response.text(" ");
        write_addresses(addresses, response);
    }
    for name in [HeaderName::InReplyTo, HeaderName::MessageId] {
        response.text(" ");
        response.nstring(header.text(&name).as_deref());
    }
    response.text(")");
}

/// The value of a header field on one line, encoded words left as they are.
pub(super) fn raw_value(header: &Header<'_>, raw: &[u8]) -> Vec<u8> {
    let range = header.offset_start as usize..header.offset_end as usize;
    let value = raw.get(range).unwrap_or_default().trim_ascii();
    let line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    value.iter().copied().filter(|byte| !line_end(byte)).collect()
}

#[derive(Clone, Copy)]
struct Fields<'h, 'm> {
    headers: &'h [Header<'m>],
    raw: &'h [u8],
}

impl<'h, 'm> Fields<'h, 'm> {
    fn field(self, name: &HeaderName<'_>) -> Option<&'h Header<'m>> {
        self.headers.iter().find(|header| header.name == *name)
    }

    fn text(self, name: &HeaderName<'_>) -> Option<Vec<u8>> {
        Some(raw_value(self.field(name)?, self.raw))
    }

    fn addresses(self, name: &HeaderName<'_>) -> Option<&'h Address<'m>> {
        self.field(name)?.value.as_address()
    }
}

fn write_addresses(addresses: Option<&Address<'_>>, response: &mut Response) {
    let mut list = Response::default();
    match addresses {
        None => {}
        Some(Address::List(addresses)) => write_list(addresses, &mut list),
        Some(Address::Group(groups)) => {
            for group in groups {
                write_group(group, &mut list);
            }
        }
    }
    if list.segments().is_empty() {
        return response.text("NIL");
    }
    response.text("(");
    response.append(list);
    response.text(")");
}

/// A group is the addresses between two that have no host.
fn write_group(group: &Group<'_>, response: &mut Response) {
    let Some(name) = &group.name else {
        return write_list(&group.addresses, response);
    };
    response.text("(NIL NIL ");
    response.string(encoded(name).as_bytes());
    response.text(" NIL)");
    write_list(&group.addresses, response);
    response.text("(NIL NIL NIL NIL)");
}

fn write_list(addresses: &[Addr<'_>], response: &mut Response) {
    for address in addresses {
        let name = address.name.as_deref().map(encoded);
        let spec = address.address.as_deref().unwrap_or_default();
        let (local, host) = spec.rsplit_once('@').unwrap_or((spec, ""));
        response.text("(");
        response.nstring(name.as_deref().map(str::as_bytes));
        response.text(" NIL ");
        response.string(local.as_bytes());
        response.text(" ");
        response.string(host.as_bytes());
        response.text(")");
    }
}

/// What the parser has decoded is an encoded word on the wire again (RFC 2047).
pub(super) fn encoded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    format!("=?utf-8?B?{}?=", STANDARD.encode(text))
}
