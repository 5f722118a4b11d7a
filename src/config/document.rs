//! A table of the file, read key by key. The keys that nobody asks for are the unknown ones, so what
//! is known is said in one place: where it is used.

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Date;

use super::problem::Report;
use super::span;

/// A table with the keys that are still unread.
pub(super) struct Section<'i> {
    title: String,
    span: Range<usize>,
    unread: DeTable<'i>,
    known: Vec<String>,
}

/// Words that a key takes, and what they stand for.
pub(super) type Words<T> = [(&'static str, T)];

impl<'i> Section<'i> {
    /// The table of a whole file.
    pub(super) fn root(table: Spanned<DeTable<'i>>) -> Self {
        // A problem with the file as a whole is shown at its first line.
        Self::new("the configuration".to_owned(), 0..0, table.into_inner())
    }

    fn new(title: String, span: Range<usize>, unread: DeTable<'i>) -> Self {
        Self { title, span, unread, known: Vec::new() }
    }

    /// Where the table begins.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Whether `key` is there and unread.
    pub(super) fn has(&self, key: &str) -> bool {
        self.unread.contains_key(key)
    }

    /// Where the value at `key` stands, which is there and unread.
    pub(super) fn place(&self, key: &str) -> Option<Range<usize>> {
        self.unread.get(key).map(Spanned::span)
    }

    /// The text at `key`, with its `${env:NAME}` replaced.
    pub(super) fn text(&mut self, key: &str, report: &Report<'_>) -> Option<Spanned<String>> {
        let value = self.take(key)?;
        text(value, key, report)
    }

    /// The text at `key`, which has to be there.
    pub(super) fn required_text(
        &mut self,
        key: &str,
        report: &Report<'_>,
    ) -> Option<Spanned<String>> {
        if !self.has(key) {
            self.missing(key, report);
        }
        self.text(key, report)
    }

    /// The text at `key`, or the texts of the array there.
    pub(super) fn texts(&mut self, key: &str, report: &Report<'_>) -> Option<Vec<Spanned<String>>> {
        let value = self.take(key)?;
        if value.get_ref().is_str() {
            return text(value, key, report).map(|text| vec![text]);
        }
        let span = value.span();
        let DeValue::Array(array) = value.into_inner() else {
            report.problem(
                span,
                format!("{key:?} has a value of the wrong kind"),
                "text, or an array of texts",
            );
            return None;
        };
        Some(array.into_iter().filter_map(|item| text(item, key, report)).collect())
    }

    /// The file at `key`; a relative path starts at the configuration's folder.
    pub(super) fn file(&mut self, key: &str, report: &Report<'_>) -> Option<Spanned<PathBuf>> {
        self.text(key, report).map(|text| beside(text, report))
    }

    /// The file or the files at `key`.
    pub(super) fn files(&mut self, key: &str, report: &Report<'_>) -> Vec<Spanned<PathBuf>> {
        let texts = self.texts(key, report).unwrap_or_default();
        texts.into_iter().map(|text| beside(text, report)).collect()
    }

    /// What the word at `key` stands for.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &str,
        words: &Words<T>,
        report: &Report<'_>,
    ) -> Option<Spanned<T>> {
        let text = self.text(key, report)?;
        match words.iter().find(|(word, _)| word == text.get_ref()) {
            Some((_, meaning)) => Some(Spanned::new(text.span(), *meaning)),
            None => {
                let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                unknown_word(key, &text, &allowed, report);
                None
            }
        }
    }

    /// Whether `key` says true.
    pub(super) fn switch(&mut self, key: &str, report: &Report<'_>) -> Option<Spanned<bool>> {
        let value = self.take(key)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            let title = format!("{key:?} has a value of the wrong kind");
            report.problem(value.span(), title, "true or false, without quotes");
        }
        found.map(|found| Spanned::new(value.span(), found))
    }

    /// The whole number at `key`.
    pub(super) fn number(
        &mut self,
        key: &str,
        range: &RangeInclusive<u64>,
        report: &Report<'_>,
    ) -> Option<u64> {
        let value = self.take(key)?;
        let number = value.get_ref().as_integer().and_then(|integer| {
            u64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
        });
        let found = number.filter(|number| range.contains(number));
        if found.is_none() {
            let allowed = format!("a whole number from {} to {}", range.start(), range.end());
            report.problem(value.span(), format!("{key:?} is no number that fits"), allowed);
        }
        found
    }

    /// The time span at `key`: text such as `"10s"`, in one form only, so that no reader has to
    /// wonder about a bare number's unit.
    pub(super) fn duration(
        &mut self,
        key: &str,
        range: &RangeInclusive<Duration>,
        report: &Report<'_>,
    ) -> Option<Duration> {
        let value = self.take(key)?;
        let duration = value.get_ref().as_str().and_then(span::read);
        let found = duration.filter(|duration| range.contains(duration));
        if found.is_none() {
            let allowed = format!(
                "text from \"{}\" to \"{}\": a whole number and one of ms, s, m, h",
                span::in_words(*range.start()),
                span::in_words(*range.end())
            );
            report.problem(value.span(), format!("{key:?} is no time that fits"), allowed);
        }
        found
    }

    /// The day at `key`, as in `2027-03-01`.
    pub(super) fn date(&mut self, key: &str, report: &Report<'_>) -> Option<Spanned<Date>> {
        let value = self.take(key)?;
        let span = value.span();
        let date = value.into_inner().as_datetime().and_then(|datetime| datetime.date);
        if date.is_none() {
            let label = "a date without quotes, as in 2027-03-01";
            report.problem(span.clone(), format!("{key:?} is no date"), label);
        }
        date.map(|date| Spanned::new(span, date))
    }

    /// The table at `key`, empty where there is none.
    pub(super) fn section(&mut self, key: &str, report: &Report<'_>) -> Self {
        let title = match self.title.strip_suffix(']') {
            Some(outer) => format!("{outer}.{key}]"),
            None => format!("[{key}]"),
        };
        let value = self.take(key);
        let found = value.and_then(|value| table(value, title.clone(), report));
        found.unwrap_or_else(|| Self::new(title, self.span(), DeTable::new()))
    }

    /// The tables `[[key]]`.
    pub(super) fn sections(&mut self, key: &str, report: &Report<'_>) -> Vec<Self> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let outer = self.title.strip_prefix("[[").and_then(|title| title.strip_suffix("]]"));
        let title =
            outer.map_or_else(|| format!("[[{key}]]"), |outer| format!("[[{outer}.{key}]]"));
        let span = value.span();
        let DeValue::Array(array) = value.into_inner() else {
            let label = format!("write {title}, with two brackets, above each");
            report.problem(span, format!("{key:?} is no list of tables"), label);
            return Vec::new();
        };
        array.into_iter().filter_map(|item| table(item, title.clone(), report)).collect()
    }

    /// The tables `[key.NAME]` with their names, in the names' order.
    pub(super) fn named_sections(
        &mut self,
        key: &str,
        report: &Report<'_>,
    ) -> Vec<(Spanned<String>, Self)> {
        let all = self.section(key, report);
        all.unread
            .into_iter()
            .filter_map(|(name, value)| {
                let name = Spanned::new(name.span(), name.into_inner().into_owned());
                let section = table(value, format!("[{key}.{}]", name.get_ref()), report)?;
                Some((name, section))
            })
            .collect()
    }

    /// All keys of the table with their texts.
    pub(super) fn pairs(self, report: &Report<'_>) -> Vec<(String, String)> {
        let pairs = self.unread.into_iter().filter_map(|(key, value)| {
            let key = key.into_inner().into_owned();
            text(value, &key, report).map(|value| (key, value.into_inner()))
        });
        pairs.collect()
    }

    /// Complains that `key` isn't there.
    pub(super) fn missing(&self, key: &str, report: &Report<'_>) {
        let title = format!("{key:?} is missing in {}", self.title);
        report.problem(self.span(), title, format!("needs {key}"));
    }

    /// Ends the reading: what is unread is unknown.
    pub(super) fn finish(self, report: &Report<'_>) {
        for key in self.unread.keys() {
            let name = key.get_ref().as_ref();
            let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
            let label = nearest(name, &known).map_or_else(
                || format!("{} doesn't have it", self.title),
                |near| format!("did you mean {near:?}?"),
            );
            let title = format!("unknown key {name:?} in {}", self.title);
            report.problem_with_key(
                key.span(),
                title,
                label,
                format!("known here: {}", known.join(", ")),
            );
        }
    }

    fn take(&mut self, key: &str) -> Option<Spanned<DeValue<'i>>> {
        if !self.known.iter().any(|known| known == key) {
            self.known.push(key.to_owned());
        }
        self.unread.remove(key)
    }
}

/// The path in `text`, from the configuration's folder on.
fn beside(text: Spanned<String>, report: &Report<'_>) -> Spanned<PathBuf> {
    let folder = report.path.parent().unwrap_or_else(|| Path::new(""));
    Spanned::new(text.span(), folder.join(text.into_inner()))
}

/// Complains about a word that isn't among the `allowed`.
pub(super) fn unknown_word(
    key: &str,
    text: &Spanned<String>,
    allowed: &[&str],
    report: &Report<'_>,
) {
    let near = nearest(text.get_ref(), allowed);
    let label = near.map_or_else(|| "unknown".to_owned(), |near| format!("did you mean {near:?}?"));
    let title = format!("unknown {key} {:?}", text.get_ref());
    let help = match allowed {
        [] => format!("there is no {key} yet"),
        _ => format!("{key} is one of {}", allowed.join(", ")),
    };
    report.problem_with_help(text.span(), title, label, help);
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |other: &str| strsim::damerau_levenshtein(word, other);
    let near = known.iter().copied().min_by_key(|other| distance(other))?;
    (distance(near) <= word.chars().count().div_ceil(3)).then_some(near)
}

fn table<'i>(
    value: Spanned<DeValue<'i>>,
    title: String,
    report: &Report<'_>,
) -> Option<Section<'i>> {
    let span = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Some(Section::new(title, span, table)),
        other => {
            let kind = other.type_str();
            report.problem(
                span,
                format!("{title} is no table"),
                format!("a table belongs here, not {kind}"),
            );
            None
        }
    }
}

fn text(value: Spanned<DeValue<'_>>, key: &str, report: &Report<'_>) -> Option<Spanned<String>> {
    let span = value.span();
    match value.into_inner() {
        DeValue::String(text) => expand(&text, span, report),
        other => {
            let kind = other.type_str();
            let label = format!("text in quotes belongs here, not {kind}");
            report.problem(span, format!("{key:?} has a value of the wrong kind"), label);
            None
        }
    }
}

/// Replaces each `${env:NAME}` by the variable's value.
fn expand(text: &str, span: Range<usize>, report: &Report<'_>) -> Option<Spanned<String>> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${env:") {
        let Some((name, after)) = after.split_once('}') else {
            report.problem(span, "${env:… without its closing brace", "write ${env:NAME}");
            return None;
        };
        let Ok(value) = std::env::var(name) else {
            let title = format!("the environment variable {name:?} is not set");
            report.problem(span, title, "set it, or write the value here");
            return None;
        };
        expanded += before;
        expanded += &value;
        rest = after;
    }
    expanded += rest;
    Some(Spanned::new(span, expanded))
}
