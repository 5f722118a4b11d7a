//! `BODY` and `BODYSTRUCTURE` (RFC 3501 section 7.4.2): the MIME tree of a message.

use mail_parser::{Attribute, ContentType, MessagePart, MimeHeaders, PartType};

use super::envelope;
use super::response::Response;
use super::section::{Anatomy, enclosed_message, header_end};

/// Whether the extension data, which only `BODYSTRUCTURE` has, is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    Basic,
    Extended,
}

/// Writes the structure of a message.
pub(super) fn write(raw: &[u8], anatomy: &Anatomy<'_>, detail: Detail, response: &mut Response) {
    let parsed = anatomy.parsed();
    let Some((message, root)) = parsed.and_then(|message| Some((message, message.parts.first()?)))
    else {
        return write_shapeless(raw, response);
    };
    let tree = Tree { raw, detail };
    tree.write(message, root, response);
}

/// Octets without a header are a text all the same.
fn write_shapeless(raw: &[u8], response: &mut Response) {
    let body = &raw[header_end(raw)..];
    let (size, lines) = (body.len(), line_count(body));
    let text = format!("(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" {size} {lines})");
    response.text(&text);
}

#[derive(Clone, Copy)]
struct Tree<'r> {
    raw: &'r [u8],
    detail: Detail,
}

impl Tree<'_> {
    fn write(
        self,
        message: &mail_parser::Message<'_>,
        part: &MessagePart<'_>,
        response: &mut Response,
    ) {
        response.text("(");
        match &part.body {
            PartType::Multipart(children) if !children.is_empty() => {
                let children = children.iter();
                for child in children.filter_map(|child| message.parts.get(*child as usize)) {
                    self.write(message, child, response);
                }
                self.write_multipart(part, response);
            }
            _ => self.write_single(part, response),
        }
        response.text(")");
    }

    fn write_multipart(self, part: &MessagePart<'_>, response: &mut Response) {
        let content_type = part.content_type();
        let subtype = content_type.and_then(ContentType::subtype);
        response.text(" ");
        write_upper(subtype.unwrap_or("MIXED"), response);
        if self.detail == Detail::Extended {
            response.text(" ");
            write_parameters(content_type.and_then(ContentType::attributes), response);
            write_placement(part, response);
        }
    }

    fn write_single(self, part: &MessagePart<'_>, response: &mut Response) {
        let kind = Kind::of(part);
        let body = self.body(part);
        write_upper(kind.main, response);
        response.text(" ");
        write_upper(kind.sub, response);
        response.text(" ");
        write_parameters(kind.parameters, response);
        response.text(" ");
        let id = part.content_id().map(|id| format!("<{id}>"));
        response.nstring(id.as_deref().map(str::as_bytes));
        response.text(" ");
        response.nstring(part.content_description().map(str::as_bytes));
        response.text(" ");
        write_upper(part.content_transfer_encoding().unwrap_or("7BIT"), response);
        response.text(&format!(" {}", body.len()));
        if let Some(message) = enclosed_message(part) {
            self.write_enclosed(message, response);
        }
        if enclosed_message(part).is_some() || kind.main.eq_ignore_ascii_case("text") {
            response.text(&format!(" {}", line_count(body)));
        }
        if self.detail == Detail::Extended {
            response.text(" NIL");
            write_placement(part, response);
        }
    }

    fn write_enclosed(self, message: &mail_parser::Message<'_>, response: &mut Response) {
        response.text(" ");
        envelope::write(message.headers(), self.raw, response);
        response.text(" ");
        match message.parts.first() {
            Some(root) => self.write(message, root, response),
            None => write_shapeless(b"", response),
        }
    }

    fn body(&self, part: &MessagePart<'_>) -> &[u8] {
        let range = part.offset_body as usize..part.offset_end as usize;
        self.raw.get(range).unwrap_or_default()
    }
}

/// The type of a part as it is told, which is not always what its header claims.
struct Kind<'p> {
    main: &'p str,
    sub: &'p str,
    parameters: Option<&'p [Attribute<'p>]>,
}

impl<'p> Kind<'p> {
    fn of(part: &'p MessagePart<'_>) -> Self {
        let kind = |main, sub| Self { main, sub, parameters: None };
        if enclosed_message(part).is_some() {
            return kind("MESSAGE", "RFC822");
        }
        let Some(content_type) = part.content_type() else {
            return kind("TEXT", "PLAIN");
        };
        // Neither has the insides that a client would look for: parts, or an envelope.
        let hollow =
            ["multipart", "message"].map(|main| content_type.ctype().eq_ignore_ascii_case(main));
        let status = content_type.subtype().is_some_and(|sub| !sub.eq_ignore_ascii_case("rfc822"));
        match hollow {
            [true, _] => kind("TEXT", "PLAIN"),
            [_, true] if !status => kind("APPLICATION", "OCTET-STREAM"),
            _ => Self {
                main: content_type.ctype(),
                sub: content_type.subtype().unwrap_or("PLAIN"),
                parameters: content_type.attributes(),
            },
        }
    }
}

/// Disposition, language and location.
fn write_placement(part: &MessagePart<'_>, response: &mut Response) {
    response.text(" ");
    match part.content_disposition() {
        None => response.text("NIL"),
        Some(disposition) => {
            response.text("(");
            write_upper(disposition.ctype(), response);
            response.text(" ");
            write_parameters(disposition.attributes(), response);
            response.text(")");
        }
    }
    response.text(" ");
    response.nstring(part.content_language().as_text().map(str::as_bytes));
    response.text(" ");
    response.nstring(part.content_location().map(str::as_bytes));
}

fn write_parameters(parameters: Option<&[Attribute<'_>]>, response: &mut Response) {
    let parameters = parameters.unwrap_or_default();
    if parameters.is_empty() {
        return response.text("NIL");
    }
    for (index, parameter) in parameters.iter().enumerate() {
        response.text(if index == 0 { "(" } else { " " });
        response.string(parameter.name.as_bytes());
        response.text(" ");
        response.string(envelope::encoded(&parameter.value).as_bytes());
    }
    response.text(")");
}

fn write_upper(value: &str, response: &mut Response) {
    response.string(value.to_ascii_uppercase().as_bytes());
}

fn line_count(body: &[u8]) -> usize {
    body.iter().filter(|byte| **byte == b'\n').count()
}
