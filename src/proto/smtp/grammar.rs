//! The lines of SMTP that matter before a mailbox is open. Input is a line without its ending.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, digit1, one_of, space0, space1};
use nom::combinator::{all_consuming, eof, map_res, opt, peek, recognize, rest, verify};
use nom::sequence::{preceded, terminated};
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
    /// One of the commands of a mail transaction: MAIL, RCPT, DATA.
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
        "MAIL" | "RCPT" | "DATA" => Ok(Command::Transaction),
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

    /// A reply of one line.
    pub fn of(code: u16, text: &str) -> Self {
        Self { code, lines: vec![text.to_owned()] }
    }

    /// The reply as it goes on to a client, line endings included. Control characters don't.
    pub fn render(&self) -> String {
        let last = self.lines.len().saturating_sub(1);
        let line = |(at, text): (usize, &String)| {
            let separator = if at == last { ' ' } else { '-' };
            let text: String = text.chars().filter(|c| !c.is_control()).collect();
            format!("{}{separator}{text}\r\n", self.code)
        };
        self.lines.iter().enumerate().map(line).collect()
    }

    /// A yes, or the word to go on.
    pub fn is_positive(&self) -> bool {
        (200..400).contains(&self.code)
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
            (b"MAIL FROM:<a@b>", Ok(Command::Transaction)),
            (b"BDAT 5 LAST", Ok(Command::Bdat)),
            (b"", Err(Unfit::Unknown)),
            (b"\x16\x03\x01\x02", Err(Unfit::Unknown)),
            (b"GET / HTTP/1.1", Err(Unfit::Unknown)),
        ] {
            assert_eq!(command(line), expected, "{:?}", String::from_utf8_lossy(line));
        }
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
