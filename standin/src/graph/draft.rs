//! A message before it is sent: MIME, or Graph's own JSON turned into it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::MessageParser;
use serde_json::Value;

use super::fields;
use super::refusal::Refusal;
use crate::calendar::Utc;
use crate::entropy;

/// The length of an encoded line (RFC 2045 section 6.8).
const LINE: usize = 76;

/// A file that comes along.
#[derive(Clone, Debug)]
pub(super) struct Attachment {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) octets: Vec<u8>,
}

/// A message that can be sent.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) mime: Vec<u8>,
    pub(super) attachments: Vec<Attachment>,
}

impl Draft {
    /// Reads a request's `text/plain` body, the whole message in base64.
    pub(super) fn from_base64(body: &[u8]) -> Result<Self, Refusal> {
        let mime = STANDARD.decode(body.trim_ascii()).map_err(|_| invalid_base64())?;
        Ok(Self { mime, attachments: Vec::new() })
    }

    /// Reads Graph's resource `message`.
    pub(super) fn from_json(message: &Value) -> Result<Self, Refusal> {
        let attachments = message["attachments"].as_array().into_iter().flatten();
        Ok(Self {
            mime: mime(message),
            attachments: attachments.map(attachment).collect::<Result<_, _>>()?,
        })
    }

    /// The addresses in To, Cc and Bcc.
    pub(super) fn recipients(&self) -> Vec<String> {
        let Some(message) = MessageParser::default().parse_headers(&self.mime) else {
            return Vec::new();
        };
        let lists = [message.to(), message.cc(), message.bcc()].into_iter().flatten();
        let addresses = lists.flat_map(|list| list.iter()).filter_map(|one| one.address());
        addresses.map(String::from).collect()
    }

    /// The message with its attachments in it, from `mailbox` where it doesn't say.
    pub(super) fn finish(&self, mailbox: &str) -> Vec<u8> {
        let (fields, body) = fields::split(&self.mime);
        let mut message = Vec::with_capacity(self.mime.len());
        if !fields.iter().any(|field| fields::is_named(field, "From")) {
            message.extend(format!("From: <{mailbox}>\r\n").bytes());
        }
        if self.attachments.is_empty() {
            message.extend(&self.mime);
            return message;
        }
        let is_content = |field: &&[u8]| field.to_ascii_lowercase().starts_with(b"content-");
        let (content, rest): (Vec<&[u8]>, Vec<&[u8]>) = fields.into_iter().partition(is_content);
        let boundary = format!("standin-{}", entropy::guid());
        message.extend(rest.concat());
        message.extend(
            format!(
                "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
            )
            .bytes(),
        );
        message.extend(content.concat());
        message.extend(body);
        for attachment in &self.attachments {
            message.extend(format!("\r\n--{boundary}\r\n").bytes());
            attachment.write(&mut message);
        }
        message.extend(format!("\r\n--{boundary}--\r\n").bytes());
        message
    }
}

impl Attachment {
    fn write(&self, message: &mut Vec<u8>) {
        let (name, content_type) =
            (printable(&self.name).replace('"', ""), printable(&self.content_type));
        let head = format!(
            "Content-Type: {content_type}\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n"
        );
        message.extend(head.bytes());
        message.extend(wrapped(&self.octets));
    }
}

/// Reads Graph's resource `fileAttachment`.
pub(super) fn attachment(value: &Value) -> Result<Attachment, Refusal> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let octets = STANDARD.decode(text("contentBytes")).map_err(|_| invalid_base64())?;
    let content_type = Some(text("contentType")).filter(|content_type| !content_type.is_empty());
    let content_type = content_type.unwrap_or_else(|| "application/octet-stream".into());
    Ok(Attachment { name: text("name"), content_type, octets })
}

/// A message of one part from the properties of the resource.
fn mime(message: &Value) -> Vec<u8> {
    let mut header = String::new();
    let mut field = |name: &str, value: String| {
        if !value.is_empty() {
            header.push_str(&format!("{name}: {}\r\n", printable(&value)));
        }
    };
    field("From", address(&message["from"]));
    field("To", addresses(&message["toRecipients"]));
    field("Cc", addresses(&message["ccRecipients"]));
    field("Bcc", addresses(&message["bccRecipients"]));
    field("Reply-To", addresses(&message["replyTo"]));
    field("Subject", encoded(message["subject"].as_str().unwrap_or_default()));
    field("Date", Utc::now().mail());
    field("Message-ID", format!("<{}@contoso.example>", entropy::guid()));
    for custom in message["internetMessageHeaders"].as_array().into_iter().flatten() {
        let text = |name: &str| custom[name].as_str().unwrap_or_default().to_owned();
        field(&printable(&text("name")), text("value"));
    }
    let body = &message["body"];
    let html = body["contentType"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("html"));
    field("MIME-Version", "1.0".into());
    field("Content-Type", format!("text/{}; charset=utf-8", if html { "html" } else { "plain" }));
    field("Content-Transfer-Encoding", "base64".into());
    let mut mime = format!("{header}\r\n").into_bytes();
    mime.extend(wrapped(body["content"].as_str().unwrap_or_default().as_bytes()));
    mime
}

fn addresses(list: &Value) -> String {
    let all: Vec<_> = list.as_array().into_iter().flatten().map(address).collect();
    all.join(", ")
}

fn address(recipient: &Value) -> String {
    let address = recipient["emailAddress"]["address"].as_str();
    address.map(|address| format!("<{address}>")).unwrap_or_default()
}

/// An encoded word (RFC 2047) where the text needs one.
fn encoded(text: &str) -> String {
    match text.is_ascii() {
        true => text.to_owned(),
        false => format!("=?utf-8?B?{}?=", STANDARD.encode(text)),
    }
}

/// The text in one line.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

fn wrapped(octets: &[u8]) -> Vec<u8> {
    let encoded = STANDARD.encode(octets);
    let lines = encoded.as_bytes().chunks(LINE);
    lines.flat_map(|line| line.iter().chain(b"\r\n")).copied().collect()
}

fn invalid_base64() -> Refusal {
    let message = "Invalid base64 string for MIME content.";
    Refusal::bad_request("ErrorMimeContentInvalidBase64String", message)
}
