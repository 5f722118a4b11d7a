//! What is wrong with a configuration, collected while it is read and shown with its lines.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use zeroize::Zeroizing;

use super::excerpt::{Excerpt, Hidden};
use super::secret::exposure;

/// The configuration file itself can't be read.
#[derive(Debug, thiserror::Error)]
#[error("can't read the configuration {}: {source}", path.display())]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Reads the file; it may hold secrets, so the text is wiped when dropped.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, Unreadable> {
    std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|source| Unreadable { path: path.to_owned(), source })
}

/// Where problems and warnings are written down while a file is read.
pub(super) struct Report<'i> {
    pub(super) path: &'i Path,
    source: &'i str,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Warning>>,
    exposed: Cell<bool>,
}

/// Something that works, but should change, and the offsets of the values it is about.
struct Warning {
    text: String,
    offsets: Vec<usize>,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    span: Range<usize>,
    title: String,
    label: String,
    help: Option<String>,
    shows: Shows,
}

/// How much of its line a problem shows.
#[derive(Clone, Copy, Debug)]
enum Shows {
    /// All but known secrets.
    Line,
    /// Nothing behind the key: whatever an unknown key holds may be a secret.
    Key,
}

impl<'i> Report<'i> {
    pub(super) fn new(path: &'i Path, source: &'i str) -> Self {
        Self {
            path,
            source,
            problems: RefCell::default(),
            warnings: RefCell::default(),
            exposed: Cell::new(false),
        }
    }

    /// Whether the text at `span` is all of it an environment variable's.
    pub(super) fn is_variable(&self, span: &Range<usize>) -> bool {
        let text = self.source.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
        let name = text.strip_prefix("${env:").and_then(|text| text.strip_suffix('}'));
        name.is_some_and(|name| !name.contains('}'))
    }

    /// The problem `title` at `span`, where `label` says what would be right.
    pub(super) fn problem(
        &self,
        span: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
    ) {
        let (title, label) = (title.into(), label.into());
        self.problems.borrow_mut().push(Problem {
            span,
            title,
            label,
            help: None,
            shows: Shows::Line,
        });
    }

    /// The same, with what to do on a line of its own.
    pub(super) fn problem_with_help(
        &self,
        span: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let (title, label, help) = (title.into(), label.into(), Some(help.into()));
        self.problems.borrow_mut().push(Problem { span, title, label, help, shows: Shows::Line });
    }

    /// The same, showing nothing behind the key: what stands there may be a secret.
    pub(super) fn problem_with_key(
        &self,
        span: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let (title, label, help) = (title.into(), label.into(), Some(help.into()));
        self.problems.borrow_mut().push(Problem { span, title, label, help, shows: Shows::Key });
    }

    /// Something about the value at `span` that works, but should change. The same words about
    /// many values become one warning.
    pub(super) fn warn(&self, span: &Range<usize>, text: impl Into<String>) {
        let (text, mut warnings) = (text.into(), self.warnings.borrow_mut());
        match warnings.iter_mut().find(|warning| warning.text == text) {
            Some(warning) => warning.offsets.push(span.start),
            None => warnings.push(Warning { text, offsets: vec![span.start] }),
        }
    }

    /// Notes that the file holds a secret in clear.
    pub(super) fn expose(&self) {
        self.exposed.set(true);
    }

    /// The number of the line that `span` begins in.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        Excerpt::line_number(self.source, span.start)
    }

    /// The warnings, or all the problems if there is one.
    pub(super) fn close(self) -> Result<Vec<String>, Invalid> {
        let mut problems = self.problems.into_inner();
        if problems.is_empty() {
            let mut warnings = self.warnings.into_inner();
            warnings.sort_by_key(|warning| warning.offsets.first().copied());
            let mut texts: Vec<String> =
                warnings.iter().map(|warning| warning.render(self.source)).collect();
            texts.extend(self.exposed.get().then(|| readable_by_all(self.path)).flatten());
            return Ok(texts);
        }
        problems.sort_by_key(|problem| problem.span.start);
        Err(Invalid::new(self.path, self.source, &problems))
    }
}

/// What to say of a configuration with secrets that everyone on this machine may read.
fn readable_by_all(path: &Path) -> Option<String> {
    let file = std::fs::File::open(path).ok()?;
    let chmod = exposure(&file, path)?;
    Some(format!("{} holds secrets and can be read by everyone; {chmod}", path.display()))
}

/// Lines that a warning names before only their number is.
const LINES: usize = 3;

impl Warning {
    fn render(&self, source: &str) -> String {
        let lines: Vec<String> = self
            .offsets
            .iter()
            .take(LINES)
            .map(|offset| Excerpt::line_number(source, *offset).to_string())
            .collect();
        let word = if self.offsets.len() == 1 { "line" } else { "lines" };
        let more = match self.offsets.len().saturating_sub(LINES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{word} {}{more}: {}", lines.join(", "), self.text)
    }
}

/// Problems shown before only their number is: beyond it, they mostly have one cause.
const SHOWN: usize = 20;

/// A configuration that can't be used: all that is wrong with it, ready to print.
#[derive(Debug)]
pub struct Invalid {
    path: String,
    shown: Vec<(Problem, Excerpt)>,
    count: usize,
}

impl Invalid {
    /// What keeps the file from being TOML.
    pub(super) fn syntax(path: &Path, source: &str, error: &toml::de::Error) -> Self {
        let (title, label) = ("this isn't TOML".to_owned(), error.message().to_owned());
        let span = error.span().unwrap_or_default();
        Self::new(path, source, &[Problem { span, title, label, help: None, shows: Shows::Line }])
    }

    fn new(path: &Path, source: &str, problems: &[Problem]) -> Self {
        let hidden = Hidden::scan(source);
        let show = |problem: &Problem| {
            let excerpt = Excerpt::new(source, &problem.span, &hidden);
            let excerpt = match problem.shows {
                Shows::Line => excerpt,
                Shows::Key => excerpt.without_value(),
            };
            (problem.clone(), excerpt)
        };
        Self {
            path: path.display().to_string(),
            shown: problems.iter().take(SHOWN).map(show).collect(),
            count: problems.len(),
        }
    }

    /// The problems as text, with their lines; secrets are left out.
    pub fn render(&self, renderer: &Renderer) -> String {
        let mut text = String::new();
        for (problem, excerpt) in &self.shown {
            text += &self.render_one(problem, excerpt, renderer);
            text += "\n\n";
        }
        match self.count {
            1 => text += "the configuration has a problem",
            count => text += &format!("the configuration has {count} problems"),
        }
        if self.count > SHOWN {
            text += &format!(", the first {SHOWN} are shown");
        }
        text
    }

    fn render_one(&self, problem: &Problem, excerpt: &Excerpt, renderer: &Renderer) -> String {
        let snippet = Snippet::source(excerpt.text.as_str())
            .line_start(excerpt.line)
            .path(self.path.as_str())
            .annotation(
                AnnotationKind::Primary.span(excerpt.span.clone()).label(problem.label.as_str()),
            );
        let mut group = Level::ERROR.primary_title(problem.title.as_str()).element(snippet);
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

impl std::error::Error for Invalid {}
