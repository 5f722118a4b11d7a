//! The line that a problem stands in, without the secrets that may stand there too.

use std::ops::Range;

/// What is printed for a value that must not be.
const MASK: &str = "[hidden]";

/// Where the file holds values that may be secrets, right or wrong, well-formed or not.
pub(super) struct Hidden(Vec<Range<usize>>);

/// One line, fit to be printed.
#[derive(Debug)]
pub(super) struct Excerpt {
    /// Its number, from 1.
    pub(super) line: usize,
    pub(super) text: String,
    /// The part of `text` that the problem is about.
    pub(super) span: Range<usize>,
}

impl Excerpt {
    pub(super) fn new(source: &str, span: &Range<usize>, hidden: &Hidden) -> Self {
        let at = boundary(source, span.start);
        let start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = source[at..].find('\n').map_or(source.len(), |newline| at + newline);
        let line = Self::line_number(source, at);
        let end = start + source[start..end].trim_end_matches('\r').len();
        let visible = hidden.first_within(&(start..end)).unwrap_or(end);
        let mut text = source[start..visible].to_owned();
        if visible < end {
            text += MASK;
        }
        let from = boundary(&text, at.min(visible) - start);
        let to =
            if span.end > visible { text.len() } else { boundary(&text, span.end.max(at) - start) };
        Self { line, span: from..to.max(from), text }
    }

    /// The same line without what the key is set to that the problem is about, or whose value it is
    /// about.
    pub(super) fn without_value(mut self) -> Self {
        let before = self.text.get(..self.span.start).unwrap_or_default();
        if before.trim_end().ends_with('=') {
            self.text.truncate(self.span.start);
            self.text += MASK;
            self.span = self.span.start..self.text.len();
            return self;
        }
        let rest = self.text.get(self.span.end..);
        if let Some(equals) = rest.and_then(|rest| rest.find('=')) {
            self.text.truncate(self.span.end + equals);
            self.text += "= ";
            self.text += MASK;
        }
        self
    }

    /// The number of the line that holds the octet at `offset`, from 1.
    pub(super) fn line_number(source: &str, offset: usize) -> usize {
        let before = &source.as_bytes()[..offset.min(source.len())];
        memchr::memchr_iter(b'\n', before).count() + 1
    }
}

impl Hidden {
    /// Reads the file as loosely as it may have been written: a line with a secret's key hides all
    /// behind its `=`, and so on to the end of what looks like its value.
    pub(super) fn scan(source: &str) -> Self {
        let mut hidden = Vec::new();
        let mut value = Value::None;
        let mut start = 0;
        for line in source.split_inclusive('\n') {
            let end = start + line.trim_end_matches(['\n', '\r']).len();
            let from = match value {
                Value::Until(quotes) => {
                    if line.contains(quotes) {
                        value = Value::None;
                    }
                    Some(0)
                }
                Value::Loose if is_part_of_value(line) => Some(0),
                _ => {
                    let from = secret_value(line);
                    value = from.map_or(Value::None, |from| Value::after(&line[from..]));
                    from
                }
            };
            hidden.extend(from.map(|from| start + from..end));
            start += line.len();
        }
        Self(hidden)
    }

    fn first_within(&self, line: &Range<usize>) -> Option<usize> {
        let index = self.0.partition_point(|hidden| hidden.start < line.start);
        self.0.get(index).map(|hidden| hidden.start).filter(|start| *start <= line.end)
    }
}

/// The nearest place at or before `offset` that is not within a character of `text`.
fn boundary(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// How a secret's value goes on in the lines below it.
#[derive(Clone, Copy)]
enum Value {
    None,
    /// A multi-line string, to the quotes that end it.
    Until(&'static str),
    /// Nothing that ends anywhere for sure.
    Loose,
}

impl Value {
    fn after(rest: &str) -> Self {
        let rest = rest.trim_start();
        for quotes in ["\"\"\"", "'''"] {
            if let Some(text) = rest.strip_prefix(quotes) {
                return if text.contains(quotes) { Self::None } else { Self::Until(quotes) };
            }
        }
        Self::Loose
    }
}

/// Whether a line below a secret's key may still belong to its value.
fn is_part_of_value(line: &str) -> bool {
    let line = line.trim();
    !(line.is_empty() || line.starts_with(['#', '[']) || line.contains('='))
}

/// Where the first value of a secret begins in `line`.
fn secret_value(line: &str) -> Option<usize> {
    line.match_indices('=').map(|(at, _)| at).find_map(|at| {
        let key = line[..at].trim_end().trim_end_matches(['"', '\'']);
        let from = key.rfind(|c: char| !is_key(c)).map_or(0, |before| before + 1);
        let space = line[at + 1..].len() - line[at + 1..].trim_start_matches(' ').len();
        holds_secret(key.get(from..)?).then_some(at + 1 + space)
    })
}

fn is_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Keys whose names tell of secrets without holding one.
const HARMLESS: &[&str] =
    &["_file", "_command", "_credential", "_endpoint", "_request", "_response", "_checks"];

/// Whether `key`, misspelt as it may be, is for a secret.
fn holds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    if HARMLESS.iter().any(|end| key.ends_with(end)) {
        return false;
    }
    ["secret", "pass", "token"].iter().any(|word| key.contains(word))
        || ["client_secret", "password", "password_hash", "refresh_token", "service_account"]
            .iter()
            .any(|word| strsim::normalized_damerau_levenshtein(&key, word) > 0.6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(source: &str, word: &str) -> Excerpt {
        let start = source.find(word).unwrap();
        Excerpt::new(source, &(start..start + word.len()), &Hidden::scan(source))
    }

    #[test]
    fn a_line_is_shown_with_its_number_and_span() {
        let shown = excerpt("a = 1\nhost = \"x\"\nb = 2\n", "\"x\"");
        assert_eq!((shown.line, shown.text.as_str(), shown.span), (2, "host = \"x\"", 7..10));
    }

    #[test]
    fn values_of_secrets_are_hidden_however_they_are_written() {
        let sources = [
            "client_secret = \"hunter2\"",
            "client_secret=\"hunter2",
            "  \"client_secret\" = 'hunter2'",
            "clientsecret = hunter2",
            "cilent_scret = hunter2",
            "pasword = hunter2",
            "refresh_tokn = hunter2",
            "password_hash = \"hunter2\"",
            "x = { user = \"a\", password = \"hunter2\" }",
            "password = \"\"\"\nhunter2\n\"\"\"",
            "password = '''\nab=c\nhunter2'''",
            "password =\n  \"hunter2\"",
            "password = [\n  \"hunter2\",\n]",
            "provider.contoso.client_secret = \"hunter2\"",
        ];
        for source in sources {
            let shown = excerpt(source, "hunter2");
            assert!(!shown.text.contains("hunter2"), "{source}: {shown:?}");
            assert!(shown.span.end <= shown.text.len(), "{source}: {shown:?}");
        }
    }

    #[test]
    fn what_comes_after_a_secret_is_shown_again() {
        let source = "password = \"\"\"\nhunter2\n\"\"\"\nhost = \"x\"\nclient_secret_file = \"y\"";
        assert_eq!(excerpt(source, "\"x\"").text, "host = \"x\"");
        assert_eq!(excerpt(source, "\"y\"").text, "client_secret_file = \"y\"");
    }

    proptest::proptest! {
        #[test]
        fn any_span_of_any_text_is_shown_within_its_line(
            source in "(password ?= ?)?(\"\"\"|\\n|[a-z=é\"' ]){0,40}",
            start in 0_usize..60,
            length in 0_usize..60,
        ) {
            let shown = Excerpt::new(&source, &(start..start + length), &Hidden::scan(&source));
            proptest::prop_assert!(shown.text.get(shown.span.clone()).is_some(), "{:?}", shown);
            proptest::prop_assert!(!shown.text.contains('\n'));
        }
    }
}
