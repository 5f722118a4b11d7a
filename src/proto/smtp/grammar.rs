//! The lines of SMTP that matter before a mailbox is open. Input is a line without its ending.

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take, take_while, take_while1};
use nom::character::complete::{char, digit1, one_of, space0, space1};
use nom::combinator::{all_consuming, eof, map_res, opt, peek, recognize, rest, verify};
use nom::multi::many0_count;
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

/// A client's command. Verbs are case-insensitive (RFC 5321 section 2.4).
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `ehlo = "EHLO" SP ( Domain / address-literal )`; the name is not checked, see [`command`].
    Ehlo,
    /// `helo = "HELO" SP Domain`
    Helo,
    /// `"STARTTLS"` (RFC 3207 section 4)
    StartTls,
    /// `"AUTH" SP sasl-mech [SP initial-response]` (RFC 4954 section 4)
    Auth {
        /// The mechanism's name as it stood there.
        mechanism: &'a str,
        /// Base64, or `=` for an empty one.
        initial: Option<&'a [u8]>,
    },
    /// `"NOOP" [ SP String ]`
    Noop,
    /// `"RSET"`
    Rset,
    /// `"QUIT"`
    Quit,
    /// `"VRFY" SP String`
    Vrfy,
    /// `"HELP" [ SP String ]`
    Help,
    /// `"MAIL FROM:" Reverse-path [SP Mail-parameters]` (RFC 5321 section 4.1.1.2)
    Mail {
        /// The address, empty for `<>`; `None` where there is none to be seen.
        sender: Option<&'a str>,
    },
    /// One of the commands that follow it: RCPT, DATA.
    Transaction,
    /// `"BDAT" SP chunk-size [ SP "LAST" ]` (RFC 3030 section 2): octets that are no commands follow.
    Bdat,
}

/// Why a line is no command.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfit {
    /// No such verb here.
    Unknown,
    /// The verb's arguments are wrong or missing.
    Arguments,
}

/// Reads a command. By the quirk `any_ehlo_name` the name after EHLO or HELO may be anything, or
/// missing: devices send their serial number, umlauts or nothing, and the name goes no further.
///
/// # Errors
/// [`Unfit`] tells which of the RFC's two answers fits.
pub fn command(line: &[u8]) -> Result<Command<'_>, Unfit> {
    let (arguments, verb) = verb(line).map_err(|_| Unfit::Unknown)?;
    let bare = |command| {
        if arguments.trim_ascii().is_empty() { Ok(command) } else { Err(Unfit::Arguments) }
    };
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => Ok(Command::Ehlo),
        "HELO" => Ok(Command::Helo),
        "STARTTLS" => bare(Command::StartTls),
        "AUTH" => auth(arguments).map(|(_, command)| command).map_err(|_| Unfit::Arguments),
        "NOOP" => Ok(Command::Noop),
        "RSET" => bare(Command::Rset),
        "QUIT" => bare(Command::Quit),
        "VRFY" => Ok(Command::Vrfy),
        "HELP" => Ok(Command::Help),
        "MAIL" => Ok(Command::Mail { sender: sender(arguments).ok().map(|(_, sender)| sender) }),
        "RCPT" | "DATA" => Ok(Command::Transaction),
        "BDAT" => Ok(Command::Bdat),
        _ => Err(Unfit::Unknown),
    }
}

/// `1*ALPHA`, then a space or the line's end.
fn verb(line: &[u8]) -> IResult<&[u8], &str> {
    let word = map_res(take_while1(|b: u8| b.is_ascii_alphabetic()), std::str::from_utf8);
    terminated(word, peek(alt((tag(&b" "[..]), eof)))).parse(line)
}

/// `SP sasl-mech [SP initial-response] *SP`; `sasl-mech = 1*20mech-char` (RFC 4422 section 3.1).
fn auth(arguments: &[u8]) -> IResult<&[u8], Command<'_>> {
    let mechanism = map_res(take_while1(is_mechanism_char), std::str::from_utf8);
    let initial = preceded(space1, take_while1(|b: u8| b.is_ascii_graphic()));
    let (remaining, (mechanism, initial)) =
        all_consuming(preceded(space1, terminated((mechanism, opt(initial)), space0)))
            .parse(arguments)?;
    Ok((remaining, Command::Auth { mechanism, initial }))
}

fn is_mechanism_char(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}

/// `SP "FROM:" Reverse-path`, and whatever follows a space. The path's brackets may be missing, and
/// spaces may stand before it: devices write it so.
fn sender(arguments: &[u8]) -> IResult<&[u8], &str> {
    let from = (space1, tag_no_case(&b"FROM:"[..]), space0);
    let path = alt((delimited(char('<'), path, char('>')), bare_path));
    let path = verify(map_res(path, std::str::from_utf8), |sender: &str| {
        sender.len() <= LONGEST_SENDER && !sender.chars().any(char::is_control)
    });
    preceded(from, terminated(path, peek(alt((tag(&b" "[..]), eof))))).parse(arguments)
}

/// `[ A-d-l ":" ] Mailbox`, or nothing. Source routes are ignored (RFC 5321 section 4.1.1.3).
fn path(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let route = (char('@'), take_while(|b: u8| !b":<>\"".contains(&b)), char(':'));
    let quoted_pair = recognize((char('\\'), take(1usize)));
    let quoted_text = take_while1(|b: u8| b != b'"' && b != b'\\');
    let quoted = recognize((char('"'), many0_count(alt((quoted_text, quoted_pair))), char('"')));
    let plain = take_while1(|b: u8| !b" <>\"\\".contains(&b));
    preceded(opt(route), recognize(many0_count(alt((plain, quoted))))).parse(input)
}

fn bare_path(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|b: u8| !b" <>\"\\,:".contains(&b)).parse(input)
}

/// Octets of a path without its brackets (RFC 5321 section 4.5.3.1.3).
const LONGEST_SENDER: usize = 254;

/// A line of a server's reply.
#[derive(Debug, PartialEq, Eq)]
pub struct ReplyLine<'a> {
    /// The reply code: 200 to 599.
    pub code: u16,
    /// Whether it is the reply's last line.
    pub last: bool,
    /// What follows the code.
    pub text: &'a [u8],
}

/// `Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF` (RFC 5321
/// section 4.2), one line of it.
pub fn reply_line(line: &[u8]) -> Option<ReplyLine<'_>> {
    let code = map_res(verify(digit1, |digits: &[u8]| digits.len() == 3), std::str::from_utf8);
    let code = verify(map_res(code, str::parse::<u16>), |code| (200..600).contains(code));
    let separator = opt(one_of(" -"));
    let parsed: IResult<_, _> = (code, separator, rest).parse(line);
    let (_, (code, separator, text)) = parsed.ok()?;
    (separator.is_some() || text.is_empty()).then_some(ReplyLine {
        code,
        last: separator != Some('-'),
        text,
    })
}

/// A server's whole reply, its lines joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The reply code, which its lines agree in.
    pub code: u16,
    /// The lines' texts. What isn't UTF-8 is replaced.
    pub lines: Vec<String>,
}

impl Reply {
    /// Code and text in one line.
    pub fn text(&self) -> String {
        format!("{} {}", self.code, self.lines.join(" ")).trim_end().to_owned()
    }
}

/// `enhanced-status-code = class "." subject "." detail` (RFC 3463 section 2) and a space, where a
/// reply's text starts with one.
pub fn enhanced_code(text: &str) -> Option<&str> {
    let digits = || take_while::<_, &str, nom::error::Error<&str>>(|c: char| c.is_ascii_digit());
    let code = (one_of("245"), char('.'), digits(), char('.'), digits(), tag(" "));
    let parsed: IResult<&str, &str> = recognize(code).parse(text);
    parsed.ok().map(|(_, code)| code.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let auth = |mechanism, initial| Ok(Command::Auth { mechanism, initial });
        for (line, expected) in [
            (&b"EHLO scanner"[..], Ok(Command::Ehlo)),
            (b"ehlo", Ok(Command::Ehlo)),
            (b"EHLO B\xfcro 1. Stock", Ok(Command::Ehlo)),
            (b"EHLOX", Err(Unfit::Unknown)),
            (b"EHLO\tx", Err(Unfit::Unknown)),
            (b"helo x", Ok(Command::Helo)),
            (b"STARTTLS", Ok(Command::StartTls)),
            (b"STARTTLS now", Err(Unfit::Arguments)),
            (b"AUTH", Err(Unfit::Arguments)),
            (b"AUTH ", Err(Unfit::Arguments)),
            (b"AUTH PLAIN", auth("PLAIN", None)),
            (b"auth login ", auth("login", None)),
            (b"AUTH PLAIN AGEAYg==", auth("PLAIN", Some(&b"AGEAYg=="[..]))),
            (b"AUTH PLAIN =", auth("PLAIN", Some(&b"="[..]))),
            (b"AUTH PLAIN a b", Err(Unfit::Arguments)),
            (b"AUTH PL\xc3\x84IN", Err(Unfit::Arguments)),
            (b"QUIT", Ok(Command::Quit)),
            (b"quit ", Ok(Command::Quit)),
            (b"MAIL FROM:<a@b>", Ok(Command::Mail { sender: Some("a@b") })),
            (b"MAIL", Ok(Command::Mail { sender: None })),
            (b"RCPT TO:<a@b>", Ok(Command::Transaction)),
            (b"BDAT 5 LAST", Ok(Command::Bdat)),
            (b"", Err(Unfit::Unknown)),
            (b"\x16\x03\x01\x02", Err(Unfit::Unknown)),
            (b"GET / HTTP/1.1", Err(Unfit::Unknown)),
        ] {
            assert_eq!(command(line), expected, "{:?}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn senders() {
        let long = format!("MAIL FROM:<{}@b>", "a".repeat(LONGEST_SENDER - 1));
        for (line, expected) in [
            ("MAIL FROM:<>", Some("")),
            ("mail from: <a@b> SIZE=3 AUTH=<>", Some("a@b")),
            ("MAIL FROM:a@b BODY=8BITMIME", Some("a@b")),
            ("MAIL FROM:<@relay.example,@c:a@b>", Some("a@b")),
            (r#"MAIL FROM:<"a>\" b"@c> SIZE=1"#, Some(r#""a>\" b"@c"#)),
            ("MAIL FROM:<ä@b>", Some("ä@b")),
            ("MAIL FROM:", None),
            ("MAIL FROM:<a@b", None),
            ("MAIL FROM:<a@b>x", None),
            ("MAIL FROM:<a b@c>", None),
            ("MAIL FROM:<a\0@b>", None),
            ("MAIL FROM:<a\u{1}@b>", None),
            ("MAIL FROM:<a\u{85}@b>", None),
            ("MAIL FROM <a@b>", None),
            ("MAIL TO:<a@b>", None),
            (long.as_str(), None),
        ] {
            assert_eq!(
                command(line.as_bytes()),
                Ok(Command::Mail { sender: expected }),
                "{line:?}"
            );
        }
        assert_eq!(command(b"MAIL FROM:<\xff@b>"), Ok(Command::Mail { sender: None }));
    }

    #[test]
    fn reply_lines() {
        let line = |code, last, text| Some(ReplyLine { code, last, text });
        for (input, expected) in [
            (&b"250-SIZE 35882577"[..], line(250, false, &b"SIZE 35882577"[..])),
            (b"250 OK", line(250, true, b"OK")),
            (b"334 ", line(334, true, b"")),
            (b"334", line(334, true, b"")),
            (b"250-", line(250, false, b"")),
            (b"250OK", None),
            (b"25 OK", None),
            (b"2500 OK", None),
            (b"999 OK", None),
            (b"", None),
            (b"* OK IMAP", None),
        ] {
            assert_eq!(reply_line(input), expected, "{:?}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn enhanced_codes() {
        assert_eq!(enhanced_code("5.7.139 Authentication unsuccessful"), Some("5.7.139"));
        assert_eq!(enhanced_code("5.7.57 x"), Some("5.7.57"));
        assert_eq!(enhanced_code("Hello 5.7.1 x"), None);
        assert_eq!(enhanced_code("3.7.1 x"), None);
    }
}
