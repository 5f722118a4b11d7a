//! What a diagnosis found: lines for people as they come, one document for scripts at the end.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::cli::Exit;

/// The version of the JSON form. Fields may be added to it; what is there stays.
const VERSION: u32 = 1;

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Check {
    /// Of what: the configuration, a provider, or a mailbox.
    pub(super) subject: String,
    /// Which step of the way.
    pub(super) stage: &'static str,
    /// What came of it.
    pub(super) outcome: Outcome,
    /// What was found.
    pub(super) finding: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
    /// What to run for that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) commands: Vec<String>,
    /// What a script ends with for it, of sysexits.h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exit: Option<Exit>,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// All is well.
    Pass,
    /// Something before it has failed.
    Skip,
    /// It works, or may; something should be looked at.
    Warn,
    /// It doesn't work.
    Fail,
}

impl Check {
    pub(super) fn pass(stage: &'static str, finding: impl Into<String>) -> Self {
        Self::new(stage, Outcome::Pass, finding)
    }

    pub(super) fn skip(stage: &'static str, finding: impl Into<String>) -> Self {
        Self::new(stage, Outcome::Skip, finding)
    }

    pub(super) fn warn(stage: &'static str, finding: impl Into<String>) -> Self {
        Self::new(stage, Outcome::Warn, finding)
    }

    pub(super) fn fail(stage: &'static str, exit: Exit, finding: impl Into<String>) -> Self {
        Self { exit: Some(exit), ..Self::new(stage, Outcome::Fail, finding) }
    }

    fn new(stage: &'static str, outcome: Outcome, finding: impl Into<String>) -> Self {
        let (subject, finding) = (String::new(), finding.into());
        Self { subject, stage, outcome, finding, remedy: None, commands: Vec::new(), exit: None }
    }

    /// The same with what to do about it.
    pub(super) fn remedy(self, text: impl Into<String>) -> Self {
        Self { remedy: Some(text.into()), ..self }
    }

    /// The same with commands for that.
    pub(super) fn commands(self, commands: Vec<String>) -> Self {
        Self { commands, ..self }
    }
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Form {
    /// Lines, each as soon as it is known.
    Text,
    /// One JSON document.
    Json,
}

/// The checks so far.
pub(super) struct Report {
    form: Form,
    subject: String,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    outcome: Outcome,
    exit: u8,
    checks: &'a [Check],
}

impl Report {
    pub(super) fn new(form: Form) -> Self {
        Self { form, subject: String::new(), checks: Vec::new() }
    }

    /// What the next checks are about.
    pub(super) fn about(&mut self, subject: &str) {
        if self.form == Form::Text {
            let gap = if self.checks.is_empty() { "" } else { "\n" };
            say(&format!("{gap}{subject}\n"));
        }
        subject.clone_into(&mut self.subject);
    }

    pub(super) fn add(&mut self, check: Check) {
        let check = Check { subject: self.subject.clone(), ..check };
        if self.form == Form::Text {
            say(&lines(&check));
        }
        self.checks.push(check);
    }

    /// Ends the report: what the worst of its failures ends the program with, and how many there are.
    pub(super) fn close(self) -> (Option<Exit>, usize) {
        let exits = || self.checks.iter().filter_map(|check| check.exit);
        let worst = exits().max_by_key(|exit| exit.gravity());
        if self.form == Form::Json {
            let outcome = self.checks.iter().map(|check| check.outcome).max();
            let document = Document {
                version: VERSION,
                outcome: outcome.unwrap_or(Outcome::Pass),
                exit: worst.map_or(0, |exit| exit as u8),
                checks: &self.checks,
            };
            // Nothing in it can fail to be JSON.
            let text = serde_json::to_string_pretty(&document).unwrap_or_default();
            say(&format!("{text}\n"));
        }
        (worst, exits().count())
    }
}

/// The finding behind its mark, the remedy below it, and each command in a line of its own to be copied.
fn lines(check: &Check) -> String {
    let (mark, colour) = match check.outcome {
        Outcome::Pass => ("ok  ", "32"),
        Outcome::Skip => ("--  ", "2"),
        Outcome::Warn => ("warn", "33"),
        Outcome::Fail => ("FAIL", "1;31"),
    };
    let mark = if coloured() { format!("\x1b[{colour}m{mark}\x1b[0m") } else { mark.to_owned() };
    let mut lines = format!("  {mark} {:8} {}\n", check.stage, check.finding);
    if let Some(remedy) = &check.remedy {
        lines.push_str(&format!("       -> {remedy}.\n"));
    }
    for command in &check.commands {
        lines.push_str(&format!("          {command}\n"));
    }
    lines
}

fn coloured() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !plain
}

fn say(text: &str) {
    // A closed pipe, as of `gatepost doctor | head`, is nobody's problem.
    let _ = io::stdout().write_all(text.as_bytes());
}
