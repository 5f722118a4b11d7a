//! Two dialogues side by side: what the old program said, and what the service heard.

use std::fmt::Write as _;
use std::time::Instant;

use gatepost_standin::{Line, Side};

use super::program::{By, Said};

/// Characters of a column: both, and what stands between, fit a terminal of 100.
const WIDTH: usize = 47;

/// Longer words in base64 are secrets, or of no use to a reader.
const LONGEST_WORD: usize = 32;

/// The two dialogues in the order in which their lines were said.
pub(super) fn render(said: &[Said], heard: &[Line]) -> String {
    let left = said.iter().map(|line| Entry {
        at: line.at,
        column: Column::Left,
        by: line.by,
        text: line.text.clone(),
    });
    let right = heard.iter().map(|line| Entry {
        at: line.at,
        column: Column::Right,
        by: if line.side == Side::Client { By::Us } else { By::Them },
        text: line.text.clone(),
    });
    let mut entries: Vec<_> = left.chain(right).flat_map(Entry::lines).collect();
    entries.sort_by_key(|entry| entry.at);
    let mut page = String::new();
    row(
        &mut page,
        "THE OLD PROGRAM SAID (> it, < gatepost)",
        "MICROSOFT 365 HEARD (> gatepost, < it)",
    );
    row(&mut page, &"-".repeat(WIDTH), &"-".repeat(WIDTH));
    for (left, right) in pair(&entries) {
        rows(&mut page, &left, &right);
    }
    page
}

#[derive(Clone)]
struct Entry {
    at: Instant,
    column: Column,
    by: By,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Left,
    Right,
}

impl Entry {
    /// A message's body is noted as one entry.
    fn lines(self) -> Vec<Self> {
        let lines = self.text.trim_end().split('\n').map(str::trim_end);
        lines.map(|text| Self { text: shorten(text, self.by), ..self.clone() }).collect()
    }

    fn label(&self) -> String {
        let arrow = if self.by == By::Us { '>' } else { '<' };
        format!("{arrow} {}", self.text)
    }
}

/// The rows. A line that goes through unchanged stands beside itself: it was said on the side that it
/// comes from before it was heard on the other.
fn pair(entries: &[Entry]) -> Vec<(String, String)> {
    let mut taken = vec![false; entries.len()];
    let mut rows = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        if taken[i] {
            continue;
        }
        let origin = if entry.by == By::Us { Column::Left } else { Column::Right };
        let same = |other: &Entry| {
            other.column != entry.column && other.by == entry.by && other.text == entry.text
        };
        let later = i + 1..entries.len();
        let twin =
            later.filter(|_| entry.column == origin).find(|j| !taken[*j] && same(&entries[*j]));
        if let Some(twin) = twin {
            taken[twin] = true;
            rows.push((entry.label(), entry.label()));
        } else if entry.column == Column::Left {
            rows.push((entry.label(), String::new()));
        } else {
            rows.push((String::new(), entry.label()));
        }
    }
    rows
}

fn rows(page: &mut String, left: &str, right: &str) {
    let (left, right) = (wrap(left), wrap(right));
    for i in 0..left.len().max(right.len()) {
        row(page, left.get(i).map_or("", String::as_str), right.get(i).map_or("", String::as_str));
    }
}

fn row(page: &mut String, left: &str, right: &str) {
    // Writing to a string doesn't fail.
    let _ = writeln!(page, "{}", format!("{left:WIDTH$}  |  {right}").trim_end());
}

/// Lines of at most a column's width, the further ones set in. Words that don't fit one are cut.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let word: String = word.chars().take(WIDTH - INDENT.len()).collect();
        let last = lines.len() - 1;
        if lines[last].is_empty() {
            lines[last] = word;
        } else if lines[last].chars().count() + 1 + word.chars().count() <= WIDTH {
            lines[last].push(' ');
            lines[last].push_str(&word);
        } else {
            lines.push(format!("{INDENT}{word}"));
        }
    }
    lines
}

const INDENT: &str = "    ";

/// The line without what is secret or only long: base64, and the password of a LOGIN.
fn shorten(line: &str, by: By) -> String {
    let words: Vec<_> = line.split(' ').collect();
    if let ([tag, "LOGIN", user, _], By::Us) = (words.as_slice(), by) {
        return format!("{tag} LOGIN {user} ********");
    }
    words.into_iter().map(abridge).collect::<Vec<_>>().join(" ")
}

fn abridge(word: &str) -> String {
    let base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=[]".contains(&b);
    if word.len() > LONGEST_WORD && word.bytes().all(base64) {
        return format!("{}... ({} letters)", &word[..8], word.len());
    }
    word.to_owned()
}
