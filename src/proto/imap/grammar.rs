//! The commands and responses of IMAP that matter before a mailbox is open.

use std::borrow::Cow;

use nom::branch::alt;
use nom::bytes::complete::{
    escaped, is_not, tag, tag_no_case, take_while, take_while_m_n, take_while1,
};
use nom::character::complete::{char, crlf, one_of, space0, u32 as number};
use nom::combinator::{all_consuming, map, map_res, opt, rest};
use nom::multi::length_data;
use nom::sequence::{delimited, preceded, separated_pair, terminated};
use nom::{IResult, Parser};
/// `command = tag SP ( command-any / command-nonauth )`, as much as a client may say before login.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `"CAPABILITY"`
    Capability,
    /// `"NOOP"`
    Noop,
    /// `"LOGOUT"`
    Logout,
    /// `"ID" SP id-params-list` (RFC 2971 section 3.1); what the client says of itself is not read.
    Id,
    /// `"STARTTLS"`
    StartTls,
    /// `login = "LOGIN" SP userid SP password`
    Login {
        /// `userid = astring`
        user: Text<'a>,
        /// `password = astring`
        password: Text<'a>,
    },
    /// `authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]`
    Authenticate {
        /// The mechanism's name as it stood there.
        mechanism: &'a str,
        /// Base64, or `=` for an empty one.
        initial: Option<&'a [u8]>,
    },
}

/// The octets of an `astring`. They may be a password: they are wiped where they had to be copied,
/// and don't print.
#[derive(PartialEq, Eq)]
pub struct Text<'a>(Cow<'a, [u8]>);

impl Text<'_> {
    /// As UTF-8, which RFC 6855 asks for and old clients in ASCII speak anyway.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(octets) = &mut self.0 {
            zeroize::Zeroize::zeroize(octets);
        }
    }
}

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[text]")
    }
}

/// Why a line is no command.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It doesn't start with a tag and a word.
    NoCommand,
    /// No such command, or none that is allowed before login.
    Unknown {
        /// The tag to answer under.
        tag: String,
    },
    /// The command's arguments are wrong or missing.
    Arguments {
        /// The tag to answer under.
        tag: String,
    },
}

/// Reads a whole command with its literals inline and without its last line ending.
///
/// # Errors
/// [`Unfit`] with the tag to answer under, where there is one.
pub fn command(input: &[u8]) -> Result<(&str, Command<'_>), Unfit> {
    let (input, (tag, name)) = prelude(input).map_err(|_| Unfit::NoCommand)?;
    let parsed = match name.to_ascii_uppercase().as_str() {
        "CAPABILITY" => bare(input, Command::Capability),
        "NOOP" => bare(input, Command::Noop),
        "LOGOUT" => bare(input, Command::Logout),
        "STARTTLS" => bare(input, Command::StartTls),
        "ID" => all_consuming(map(rest, |_| Command::Id)).parse(input),
        "LOGIN" => all_consuming(login).parse(input),
        "AUTHENTICATE" => all_consuming(authenticate).parse(input),
        _ => return Err(Unfit::Unknown { tag: tag.to_owned() }),
    };
    let (_, command) = parsed.map_err(|_| Unfit::Arguments { tag: tag.to_owned() })?;
    Ok((tag, command))
}

/// The tag of a command that is not whole.
pub fn tag_of(input: &[u8]) -> Option<&str> {
    prelude(input).ok().map(|(_, (tag, _))| tag)
}

/// A command without arguments; a stray space behind it does no harm.
fn bare<'a>(input: &'a [u8], command: Command<'a>) -> IResult<&'a [u8], Command<'a>> {
    let (input, _) = all_consuming(space0).parse(input)?;
    Ok((input, command))
}

/// `tag SP 1*ALPHA`
fn prelude(input: &[u8]) -> IResult<&[u8], (&str, &str)> {
    let name = map_res(take_while1(|b: u8| b.is_ascii_alphanumeric()), std::str::from_utf8);
    separated_pair(command_tag, char(' '), name).parse(input)
}

/// `tag = 1*<any ASTRING-CHAR except "+">`, of a length that clients use: it stands in each answer.
fn command_tag(input: &[u8]) -> IResult<&[u8], &str> {
    let tag_char = |b: u8| b.is_ascii() && is_astring_char(b) && b != b'+';
    map_res(take_while_m_n(1, LONGEST_TAG, tag_char), std::str::from_utf8).parse(input)
}

const LONGEST_TAG: usize = 128;

/// `SP userid SP password`
fn login(input: &[u8]) -> IResult<&[u8], Command<'_>> {
    let arguments = preceded(char(' '), separated_pair(astring, char(' '), astring));
    map(terminated(arguments, space0), |(user, password)| Command::Login { user, password })
        .parse(input)
}

/// `SP auth-type [SP initial-resp]`; `initial-resp = base64 / "="` (RFC 4959 section 7)
fn authenticate(input: &[u8]) -> IResult<&[u8], Command<'_>> {
    let mechanism_char = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let mechanism = map_res(take_while1(mechanism_char), std::str::from_utf8);
    let initial = preceded(char(' '), take_while1(|b: u8| b.is_ascii_graphic()));
    let arguments = preceded(char(' '), terminated((mechanism, opt(initial)), space0));
    map(arguments, |(mechanism, initial)| Command::Authenticate { mechanism, initial }).parse(input)
}

/// `astring = 1*ASTRING-CHAR / string`; `string = quoted / literal`
fn astring(input: &[u8]) -> IResult<&[u8], Text<'_>> {
    let atom = map(take_while1(is_astring_char), |octets| Text(Cow::Borrowed(octets)));
    alt((atom, quoted, literal)).parse(input)
}

/// `ASTRING-CHAR = ATOM-CHAR / resp-specials`; by the quirk `utf8_atom` octets above ASCII too, since
/// clients send such names and passwords without quotes.
fn is_astring_char(b: u8) -> bool {
    !b.is_ascii_control() && !b" (){%*\"\\".contains(&b)
}

/// `quoted = DQUOTE *QUOTED-CHAR DQUOTE`;
/// `QUOTED-CHAR = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials`
fn quoted(input: &[u8]) -> IResult<&[u8], Text<'_>> {
    let text = opt(escaped(is_not("\"\\\r\n\0"), '\\', one_of("\"\\")));
    map(delimited(char('"'), text, char('"')), |text: Option<&[u8]>| {
        Text(unescaped(text.unwrap_or_default()))
    })
    .parse(input)
}

fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut octets = text.iter();
    while let Some(octet) = octets.next() {
        let octet = if *octet == b'\\' { octets.next() } else { Some(octet) };
        plain.extend(octet);
    }
    Cow::Owned(plain)
}

/// `literal = "{" number ["+"] "}" CRLF *CHAR8`
fn literal(input: &[u8]) -> IResult<&[u8], Text<'_>> {
    let ending = alt((crlf, tag(&b"\n"[..])));
    let announcement = delimited(char('{'), number, (opt(char('+')), char('}'), ending));
    map(length_data(announcement), |octets| Text(Cow::Borrowed(octets))).parse(input)
}

/// The literal that a line announces at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal {
    /// Its octets.
    pub octets: u32,
    /// Whether the client waits for a continuation before it sends them.
    pub synchronising: bool,
}

/// `"{" number ["+"] "}"` at the end of `line`, a line without its ending.
pub fn announced_literal(line: &[u8]) -> Option<Literal> {
    let start = memchr::memrchr(b'{', line)?;
    let parsed: IResult<_, _> =
        all_consuming(delimited(char('{'), (number, opt(char('+'))), char('}')))
            .parse(&line[start..]);
    let (_, (octets, plus)) = parsed.ok()?;
    Some(Literal { octets, synchronising: plus.is_none() })
}

/// A server's response, one line of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Response<'a> {
    /// `continue-req = "+" SP ( resp-text / base64 ) CRLF`; the space may be missing (protocol practice).
    Continuation(&'a [u8]),
    /// `"*" SP capability-data`
    Capability(Vec<String>),
    /// `"*" SP ( "OK" / "NO" / "BAD" / "PREAUTH" / "BYE" ) SP resp-text`, or under a tag.
    Status {
        /// `None` for `*`.
        tag: Option<&'a str>,
        /// The condition.
        condition: Condition,
        /// What follows it.
        text: &'a [u8],
    },
    /// Anything else that starts with `*`.
    Untagged,
}

/// The condition of a status response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `OK`
    Ok,
    /// `NO`
    No,
    /// `BAD`
    Bad,
    /// `PREAUTH`
    PreAuth,
    /// `BYE`
    Bye,
}

/// Reads a response line without its ending; `None` where it is none.
pub fn response(line: &[u8]) -> Option<Response<'_>> {
    let continuation = map(preceded((char('+'), opt(char(' '))), rest), Response::Continuation);
    let untagged =
        preceded(tag(&b"* "[..]), alt((capability_data, untagged_status, untagged_other)));
    alt((continuation, untagged, tagged_status)).parse(line).ok().map(|(_, response)| response)
}

/// `capability-data = "CAPABILITY" *(SP capability)`
fn capability_data(input: &[u8]) -> IResult<&[u8], Response<'_>> {
    map(capability_list, Response::Capability).parse(input)
}

fn capability_list(input: &[u8]) -> IResult<&[u8], Vec<String>> {
    let words = take_while(|b: u8| b != b']');
    map(preceded(tag_no_case(&b"CAPABILITY "[..]), words), |words: &[u8]| {
        let words = words.split(|b| *b == b' ').filter_map(capability);
        words.map(str::to_owned).collect()
    })
    .parse(input)
}

/// `capability = ("AUTH=" auth-type) / atom`. What isn't one is dropped: it will be told to clients
/// and to the journal.
fn capability(word: &[u8]) -> Option<&str> {
    let fit = !word.is_empty() && word.iter().all(u8::is_ascii_graphic);
    fit.then(|| std::str::from_utf8(word).ok()).flatten()
}

fn untagged_status(input: &[u8]) -> IResult<&[u8], Response<'_>> {
    map(status, |(condition, text)| Response::Status { tag: None, condition, text }).parse(input)
}

fn untagged_other(input: &[u8]) -> IResult<&[u8], Response<'_>> {
    map(rest, |_| Response::Untagged).parse(input)
}

fn tagged_status(input: &[u8]) -> IResult<&[u8], Response<'_>> {
    map(separated_pair(command_tag, char(' '), status), |(tag, (condition, text))| {
        Response::Status { tag: Some(tag), condition, text }
    })
    .parse(input)
}

/// `condition [SP resp-text]`
fn status(input: &[u8]) -> IResult<&[u8], (Condition, &[u8])> {
    let condition = alt((
        map(tag_no_case(&b"OK"[..]), |_| Condition::Ok),
        map(tag_no_case(&b"NO"[..]), |_| Condition::No),
        map(tag_no_case(&b"BAD"[..]), |_| Condition::Bad),
        map(tag_no_case(&b"PREAUTH"[..]), |_| Condition::PreAuth),
        map(tag_no_case(&b"BYE"[..]), |_| Condition::Bye),
    ));
    let text = alt((preceded(char(' '), rest), nom::combinator::eof));
    (condition, text).parse(input)
}

/// The capabilities in `resp-text-code = "[" capability-data "]"`, where `text` starts with them.
pub fn capability_code(text: &[u8]) -> Option<Vec<String>> {
    let parsed: IResult<_, _> = preceded(char('['), capability_list).parse(text);
    parsed.ok().map(|(_, capabilities)| capabilities)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(line: &[u8]) -> Option<(String, String)> {
        match command(line) {
            Ok((_, Command::Login { user, password })) => {
                Some((user.as_str()?.to_owned(), password.as_str()?.to_owned()))
            }
            _ => None,
        }
    }

    #[test]
    fn login_takes_atoms_quoted_strings_and_literals_in_either_argument() {
        let known = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        for (line, expected) in [
            (&b"a LOGIN joe secret"[..], known("joe", "secret")),
            (b"a login joe@contoso.example p]w+{", None),
            (b"a login joe@contoso.example p]w+", known("joe@contoso.example", "p]w+")),
            (b"a LOGIN \"joe\" \"se\\\"cr\\\\et\"", known("joe", "se\"cr\\et")),
            (b"a LOGIN \"\" \"\"", known("", "")),
            (b"a LOGIN joe {6}\r\nse\r\ncr", known("joe", "se\r\ncr")),
            (b"a LOGIN {3+}\r\njoe {2}\r\npw", known("joe", "pw")),
            (b"a LOGIN {3+}\njoe \"pw\" ", known("joe", "pw")),
            ("a LOGIN jürgen pässwörd".as_bytes(), known("jürgen", "pässwörd")),
            ("a LOGIN \"jürgen\" \"ключ\"".as_bytes(), known("jürgen", "ключ")),
            (b"a LOGIN joe", None),
            (b"a LOGIN joe \"open", None),
            (b"a LOGIN joe \"bad\\escape\"", None),
            (b"a LOGIN joe {9}\r\nshort", None),
            (b"a LOGIN joe a b", None),
            (b"a LOGIN  joe pw", None),
        ] {
            assert_eq!(login(line), expected, "{:?}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn other_commands() {
        let unknown = |tag: &str| Err(Unfit::Unknown { tag: tag.to_owned() });
        let arguments = |tag: &str| Err(Unfit::Arguments { tag: tag.to_owned() });
        let authenticate =
            |mechanism, initial| Ok(("x.1", Command::Authenticate { mechanism, initial }));
        for (line, expected) in [
            (&b"a1 capability"[..], Ok(("a1", Command::Capability))),
            (b"a1 NOOP ", Ok(("a1", Command::Noop))),
            (b"a1 NOOP x", arguments("a1")),
            (b"1 LOGOUT", Ok(("1", Command::Logout))),
            (b"1 ID (\"name\" \"x\")", Ok(("1", Command::Id))),
            (b"1 ID NIL", Ok(("1", Command::Id))),
            (b"x.1 AUTHENTICATE PLAIN", authenticate("PLAIN", None)),
            (b"x.1 AUTHENTICATE plain AGEAYg==", authenticate("plain", Some(&b"AGEAYg=="[..]))),
            (b"x.1 AUTHENTICATE PLAIN =", authenticate("PLAIN", Some(&b"="[..]))),
            (b"x.1 AUTHENTICATE", arguments("x.1")),
            (b"a1 SELECT INBOX", unknown("a1")),
            (b"a1", Err(Unfit::NoCommand)),
            (b"+ LOGIN a b", Err(Unfit::NoCommand)),
            (b"", Err(Unfit::NoCommand)),
            (b"EHLO x", unknown("EHLO")),
        ] {
            assert_eq!(command(line), expected, "{:?}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn literals_are_announced_at_the_end_of_a_line() {
        let literal = |octets, synchronising| Some(Literal { octets, synchronising });
        for (line, expected) in [
            (&b"a LOGIN {5}"[..], literal(5, true)),
            (b"a LOGIN {5+}", literal(5, false)),
            (b"a LOGIN {5-}", None),
            (b"a LOGIN {5} ", None),
            (b"a LOGIN {}", None),
            (b"a LOGIN {99999999999}", None),
            (b"a LOGIN \"{5}\"", None),
        ] {
            assert_eq!(announced_literal(line), expected, "{:?}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn responses() {
        let status = |tag, condition, text| Some(Response::Status { tag, condition, text });
        for (line, expected) in [
            (&b"* OK ready"[..], status(None, Condition::Ok, &b"ready"[..])),
            (
                b"* BYE Connection is closed. 13",
                status(None, Condition::Bye, b"Connection is closed. 13"),
            ),
            (
                b"a1 NO AUTHENTICATE failed.",
                status(Some("a1"), Condition::No, b"AUTHENTICATE failed."),
            ),
            (b"a1 OK", status(Some("a1"), Condition::Ok, b"")),
            (
                b"* CAPABILITY IMAP4rev1 SASL-IR",
                Some(Response::Capability(vec!["IMAP4rev1".into(), "SASL-IR".into()])),
            ),
            (b"* LIST () \"/\" \"\"", Some(Response::Untagged)),
            (b"* OKAY", Some(Response::Untagged)),
            (b"+", Some(Response::Continuation(b""))),
            (b"+ ", Some(Response::Continuation(b""))),
            (b"+ eyJ9", Some(Response::Continuation(b"eyJ9"))),
            (b"Server Unavailable. 15", None),
            (b"", None),
        ] {
            assert_eq!(response(line), expected, "{:?}", String::from_utf8_lossy(line));
        }
        assert_eq!(capability_code(b"[CAPABILITY A B] hi"), Some(vec!["A".into(), "B".into()]));
        assert_eq!(capability_code(b"hello [CAPABILITY A]"), None);
    }
}
