//! Rust source as words: comments, literals and test items left out.

use std::path::Path;

/// One file as the rules see it.
pub(crate) struct Source {
    /// The path from the workspace's root.
    pub(crate) name: String,
    /// `src/proto/imap/grammar.rs` is `["proto", "imap", "grammar"]`; `lib.rs` and `main.rs` are `[]`.
    pub(crate) module: Vec<String>,
    pub(crate) tokens: Vec<Token>,
    /// Lines outside `#[cfg(test)]` items.
    pub(crate) lines: usize,
}

/// A word or one character of punctuation; `::` is one token.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Source {
    /// `inside` is the path below the crate's `src`.
    pub(crate) fn new(name: String, inside: &Path, text: &str) -> Self {
        let mut module: Vec<String> = inside
            .with_extension("")
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        if module == ["lib"] || module == ["main"] {
            module.clear();
        }
        let (tokens, test_lines) = without_tests(&tokens(&blank_text(text)));
        let lines = text.lines().count() - test_lines;
        Self { name, module, tokens, lines }
    }

    pub(crate) fn floor(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    pub(crate) fn at(&self, token: &Token) -> String {
        format!("{}:{}: {}", self.name, token.line, token.text)
    }

    pub(crate) fn naming(&self, words: &[&str]) -> Vec<String> {
        let named = |token: &&Token| words.contains(&token.text.as_str());
        self.tokens.iter().filter(named).map(|token| self.at(token)).collect()
    }

    /// Every path that starts at `crate` or climbs with `super`, written from the crate's root, with its line.
    pub(crate) fn root_paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut paths = Vec::new();
        let mut module = self.module.clone();
        let mut braces = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let token = &self.tokens[at];
            match token.text.as_str() {
                "{" => {
                    let inline = at >= 2 && self.text(at - 2) == "mod";
                    if inline {
                        module.push(self.text(at - 1).to_owned());
                    }
                    braces.push(inline);
                }
                "}" if braces.pop() == Some(true) => drop(module.pop()),
                "crate" if self.text(at + 1) == "::" => {
                    let mut full = Vec::new();
                    at = self.tree(at + 2, &[], &mut full);
                    paths.extend(full.into_iter().map(|path| (token.line, path)));
                    continue;
                }
                "super" => {
                    let mut prefix = module.clone();
                    while self.text(at) == "super" {
                        prefix.pop();
                        at += 2;
                    }
                    let mut full = Vec::new();
                    at = self.tree(at, &prefix, &mut full);
                    paths.extend(full.into_iter().map(|path| (token.line, path)));
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        paths
    }

    /// Reads a path or a use-tree from `at`, appends its leaves and gives where it ends.
    fn tree(&self, mut at: usize, prefix: &[String], leaves: &mut Vec<Vec<String>>) -> usize {
        let mut path = prefix.to_vec();
        loop {
            match self.text(at) {
                "{" => {
                    while ["{", ","].contains(&self.text(at)) && self.text(at + 1) != "}" {
                        at = self.tree(at + 1, &path, leaves);
                        at += if self.text(at) == "as" { 2 } else { 0 };
                    }
                    return at + 1 + usize::from(self.text(at) == ",");
                }
                word => path.push(word.to_owned()),
            }
            if self.text(at + 1) != "::" {
                leaves.push(path);
                return at + 1;
            }
            at += 2;
        }
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }
}

fn tokens(code: &str) -> Vec<Token> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens: Vec<Token> = Vec::new();
    for (index, text) in code.lines().enumerate() {
        let line = index + 1;
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                _ if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            let (token, after) = rest.split_at(length);
            tokens.push(Token { line, text: token.to_owned() });
            rest = after.trim_start();
        }
    }
    tokens
}

/// Takes `#[cfg(test)]` items out; also gives how many lines they had.
fn without_tests(tokens: &[Token]) -> (Vec<Token>, usize) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let (mut lines, mut at) = (0, 0);
    while at < tokens.len() {
        let here = tokens[at..].iter().map(|token| token.text.as_str());
        if !here.take(MARK.len()).eq(MARK) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let end = item_end(tokens, at + MARK.len());
        lines += tokens[end].line - tokens[at].line + 1;
        at = end + 1;
    }
    (kept, lines)
}

/// The closing brace or semicolon of the item that starts at `start`.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" | "[" | "(" => depth += 1,
            "}" if depth == 1 => return at,
            "}" | "]" | ")" => depth -= 1,
            ";" if depth == 0 => return at,
            _ => {}
        }
    }
    tokens.len() - 1
}

/// The text with comments and the insides of literals as blanks; lines stay where they are.
fn blank_text(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut blanked = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        match literal_end(&chars, at) {
            Some(end) => {
                let inside = chars[at..end].iter();
                blanked.extend(inside.map(|c| if *c == '\n' { '\n' } else { ' ' }));
                at = end;
            }
            None => {
                blanked.push(chars[at]);
                at += 1;
            }
        }
    }
    blanked
}

/// Where the comment or literal that starts at `at` ends; none if code stands there.
fn literal_end(chars: &[char], at: usize) -> Option<usize> {
    let after = |needle: &str, from: usize| {
        let needle: Vec<char> = needle.chars().collect();
        let found = chars.get(from..)?.windows(needle.len()).position(|w| w == needle);
        found.map(|position| from + position + needle.len())
    };
    let next = chars.get(at + 1);
    let end = match (chars[at], next) {
        ('/', Some('/')) => return Some(after("\n", at).map_or(chars.len(), |end| end - 1)),
        ('/', Some('*')) => block_comment_end(chars, at),
        ('"', _) => quoted_end(chars, at, '"'),
        ('\'', Some('\\')) => quoted_end(chars, at, '\''),
        ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => at + 3,
        ('r', Some('"' | '#')) if at == 0 || !is_name_part(chars, at - 1) => {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            if chars.get(at + 1 + hashes) != Some(&'"') {
                return None;
            }
            let close = format!("\"{}", "#".repeat(hashes));
            after(&close, at + hashes + 2).unwrap_or(chars.len())
        }
        _ => return None,
    };
    Some(end)
}

/// A letter before an `r` that makes it the end of a name; the `b` and `c` of `br"` and `cr"` do not.
fn is_name_part(chars: &[char], at: usize) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let prefix = ['b', 'c'].contains(&chars[at]) && (at == 0 || !word(chars[at - 1]));
    word(chars[at]) && !prefix
}

fn quoted_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += 1 + usize::from(chars[at] == '\\');
    }
    (at + 1).min(chars.len())
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') if depth == 1 => return at + 2,
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    chars.len()
}
