//! The lines of POP3 that matter before a mailbox is open. Input is a line without its ending.

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while1};
use nom::character::complete::{char, space0, space1};
use nom::combinator::{all_consuming, eof, map, map_res, opt, peek, rest, value};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

/// A client's command. Keywords are case-insensitive (RFC 1939 section 3). It may hold a password and
/// doesn't print.
#[derive(PartialEq, Eq)]
pub enum Command<'a> {
    /// `"CAPA"` (RFC 2449 section 5)
    Capa,
    /// `"USER" SP name`; a name may hold spaces.
    User(&'a [u8]),
    /// `"PASS" SP string`; all behind the first space is the password, spaces included.
    Pass(&'a [u8]),
    /// `"AUTH"`: which mechanisms are there? By the quirk `bare_auth`, as servers before RFC 5034 had it.
    Mechanisms,
    /// `"AUTH" SP mechanism [SP initial-response]` (RFC 5034 section 4)
    Auth {
        /// The mechanism's name as it stood there.
        mechanism: &'a str,
        /// Base64, or `=` for an empty one.
        initial: Option<&'a [u8]>,
    },
    /// `"STLS"` (RFC 2595 section 4)
    Stls,
    /// `"NOOP"`. Before a login by the quirk `early_noop`: some programs probe with it.
    Noop,
    /// `"QUIT"`
    Quit,
    /// `"APOP" SP name SP digest`: needs a password that is kept in clear.
    Apop,
    /// A command that wants an open mailbox.
    Transaction,
}

/// Why a line is no command.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfit {
    /// No such keyword here.
    Unknown,
    /// The keyword's arguments are wrong or missing.
    Arguments,
}

/// Reads a command.
///
/// # Errors
/// [`Unfit`] tells what is wrong with it.
pub fn command(line: &[u8]) -> Result<Command<'_>, Unfit> {
    let (arguments, keyword) = keyword(line).map_err(|_| Unfit::Unknown)?;
    let bare = |command| {
        if arguments.trim_ascii().is_empty() { Ok(command) } else { Err(Unfit::Arguments) }
    };
    match keyword.to_ascii_uppercase().as_str() {
        "CAPA" => bare(Command::Capa),
        "USER" => text(arguments.trim_ascii_end()).map(Command::User),
        "PASS" => text(arguments).map(Command::Pass),
        "AUTH" if arguments.trim_ascii().is_empty() => Ok(Command::Mechanisms),
        "AUTH" => auth(arguments).map(|(_, command)| command).map_err(|_| Unfit::Arguments),
        "STLS" => bare(Command::Stls),
        "NOOP" => bare(Command::Noop),
        "QUIT" => bare(Command::Quit),
        "APOP" => Ok(Command::Apop),
        "STAT" | "LIST" | "RETR" | "DELE" | "RSET" | "TOP" | "UIDL" => Ok(Command::Transaction),
        _ => Err(Unfit::Unknown),
    }
}

/// `keyword = 3*4ALPHA` (RFC 1939 section 3), then a space or the line's end.
fn keyword(line: &[u8]) -> IResult<&[u8], &str> {
    let word = map_res(take_while1(|b: u8| b.is_ascii_alphabetic()), std::str::from_utf8);
    terminated(word, peek(alt((tag(&b" "[..]), eof)))).parse(line)
}

/// `SP 1*OCTET`
fn text(arguments: &[u8]) -> Result<&[u8], Unfit> {
    arguments.strip_prefix(b" ").filter(|text| !text.is_empty()).ok_or(Unfit::Arguments)
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

/// A line of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// `"+OK" [SP text]`
    Ok,
    /// `"-ERR" [SP text]`
    Err,
    /// `"+" SP [base64]` (RFC 5034 section 4); by the quirk `bare_plus` without the space where
    /// nothing follows.
    Challenge(&'a [u8]),
}

/// `single-line = status [SP text]; status = "+OK" / "-ERR"` (RFC 2449 section 3), or a challenge.
pub fn reply(line: &[u8]) -> Option<Reply<'_>> {
    let behind = || alt((eof, preceded(char(' '), rest)));
    let ok = value(Reply::Ok, (tag_no_case(&b"+OK"[..]), behind()));
    let err = value(Reply::Err, (tag_no_case(&b"-ERR"[..]), behind()));
    let challenge = map(preceded(char('+'), behind()), Reply::Challenge);
    let parsed: IResult<_, _> = all_consuming(alt((ok, err, challenge))).parse(line);
    parsed.ok().map(|(_, reply)| reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let auth = |mechanism, initial| Ok(Command::Auth { mechanism, initial });
        for (line, expected) in [
            (&b"CAPA"[..], Ok(Command::Capa)),
            (b"capa ", Ok(Command::Capa)),
            (b"CAPA all", Err(Unfit::Arguments)),
            (b"USER joe", Ok(Command::User(b"joe"))),
            (b"user Joe Public ", Ok(Command::User(b"Joe Public"))),
            (b"USER", Err(Unfit::Arguments)),
            (b"USER ", Err(Unfit::Arguments)),
            (b"PASS  two  spaces ", Ok(Command::Pass(b" two  spaces "))),
            (b"PASS ", Err(Unfit::Arguments)),
            (b"PASS", Err(Unfit::Arguments)),
            (b"PASS\tx", Err(Unfit::Unknown)),
            (b"AUTH", Ok(Command::Mechanisms)),
            (b"AUTH ", Ok(Command::Mechanisms)),
            (b"auth login", auth("login", None)),
            (b"AUTH PLAIN AGEAYg==", auth("PLAIN", Some(&b"AGEAYg=="[..]))),
            (b"AUTH PLAIN =", auth("PLAIN", Some(&b"="[..]))),
            (b"AUTH PLAIN a b", Err(Unfit::Arguments)),
            (b"STLS", Ok(Command::Stls)),
            (b"NOOP", Ok(Command::Noop)),
            (b"QUIT", Ok(Command::Quit)),
            (b"APOP joe c4c9334bac560ecc979e58001b3e22fb", Ok(Command::Apop)),
            (b"RETR 1", Ok(Command::Transaction)),
            (b"", Err(Unfit::Unknown)),
            (b"GET / HTTP/1.1", Err(Unfit::Unknown)),
            (b"\x16\x03\x01\x02", Err(Unfit::Unknown)),
        ] {
            assert!(command(line) == expected, "{:?}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn replies() {
        for (line, expected) in [
            (&b"+OK"[..], Some(Reply::Ok)),
            (b"+OK ready", Some(Reply::Ok)),
            (b"+ok", Some(Reply::Ok)),
            (b"-ERR [AUTH] no", Some(Reply::Err)),
            (b"-err", Some(Reply::Err)),
            (b"+", Some(Reply::Challenge(b""))),
            (b"+ ", Some(Reply::Challenge(b""))),
            (b"+ eyJ9", Some(Reply::Challenge(b"eyJ9"))),
            (b"+OKAY", None),
            (b"-ERROR", None),
            (b"* OK IMAP", None),
            (b"220 smtp", None),
            (b"", None),
        ] {
            assert_eq!(reply(line), expected, "{:?}", String::from_utf8_lossy(line));
        }
    }
}
