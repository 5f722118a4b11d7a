//! Secrets come in four forms: `x` in the file itself or in an environment variable, `x_file`, `x_command` and
//! `x_credential`.

use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use toml::Spanned;

use super::document::Section;
use super::problem::Report;
use crate::secret::Secret;

/// Octets of a secret. A refresh token of Entra has about 2 KiB; what is larger is the wrong file.
const MAX_LENGTH: u64 = 64 * 1024;

/// The wait for a command that prints a secret: long enough for a vault across a slow network, short
/// enough for a start that nobody watches.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// Whether a value may stand in the configuration itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Inline {
    /// It may: it is a hash.
    Welcome,
    /// It may, with a warning.
    Discouraged,
}

/// The forms of one secret as a table has them.
pub(super) struct Forms {
    given: Vec<(Range<usize>, Form)>,
}

enum Form {
    Inline(String),
    File(PathBuf),
    Command(Vec<String>),
    Credential(String),
}

impl Forms {
    /// Takes the four keys of the secret `name`.
    pub(super) fn take(section: &mut Section<'_>, name: &str, report: &Report<'_>) -> Self {
        let mut given = Vec::new();
        if let Some(text) = section.text(name, report) {
            given.push((text.span(), Form::Inline(text.into_inner())));
        }
        if let Some(file) = section.file(&format!("{name}_file"), report) {
            given.push((file.span(), Form::File(file.into_inner())));
        }
        if let Some(words) = section.texts(&format!("{name}_command"), report) {
            let span = words.first().map_or_else(|| section.span(), Spanned::span);
            given.push((span, Form::Command(words.into_iter().map(Spanned::into_inner).collect())));
        }
        if let Some(credential) = section.text(&format!("{name}_credential"), report) {
            given.push((credential.span(), Form::Credential(credential.into_inner())));
        }
        Self { given }
    }

    /// Whether no form is given.
    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Where the first form given stands.
    pub(super) fn span(&self) -> Option<Range<usize>> {
        self.given.first().map(|(span, _)| span.clone())
    }

    /// The file, where that is the form given.
    pub(super) fn file(&self) -> Option<PathBuf> {
        match self.given.first() {
            Some((_, Form::File(path))) => Some(path.clone()),
            _ => None,
        }
    }

    /// The secret itself, called `name` in complaints; `None` where none is given or it can't be had.
    pub(super) fn resolve(
        self,
        name: &str,
        inline: Inline,
        report: &Report<'_>,
    ) -> Option<Spanned<Secret<String>>> {
        if let Some((second, _)) = self.given.get(1) {
            let title = format!("{name:?} is given in more than one form");
            report.problem(second.clone(), title, "one form is enough");
            return None;
        }
        let (span, form) = self.given.into_iter().next()?;
        let in_clear = matches!(form, Form::Inline(_)) && !report.is_variable(&span);
        if inline == Inline::Discouraged && in_clear {
            report.warn(
                &span,
                format!(
                    "{name} stands in the configuration itself; move it to a file of mode 0600 and write {name}_file"
                ),
            );
            report.expose();
        }
        match form.read().and_then(not_empty) {
            Ok(secret) => Some(Spanned::new(span, secret)),
            Err(Complaint { title, label }) => {
                report.problem(span, format!("no {name}: {title}"), label);
                None
            }
        }
    }
}

/// Why a secret can't be had, and what to do.
struct Complaint {
    title: String,
    label: String,
}

fn complaint(title: impl Into<String>, label: impl Into<String>) -> Complaint {
    Complaint { title: title.into(), label: label.into() }
}

impl Form {
    fn read(self) -> Result<Secret<String>, Complaint> {
        match self {
            Self::Inline(text) => Ok(Secret::new(text)),
            Self::File(path) => file(&path),
            Self::Command(words) => command(&words, COMMAND_LIMIT),
            Self::Credential(name) => credential(&name),
        }
    }
}

fn not_empty(secret: Secret<String>) -> Result<Secret<String>, Complaint> {
    if secret.reveal().is_empty() {
        return Err(complaint("it is empty", "this gives nothing"));
    }
    Ok(secret)
}

fn file(path: &Path) -> Result<Secret<String>, Complaint> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    if let Some(chmod) = exposure(&file, path) {
        return Err(complaint(format!("{} can be read by everyone", path.display()), chmod));
    }
    read(file).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Complaint {
    complaint(format!("can't read {}: {error}", path.display()), "this file")
}

/// The command that closes a file which everyone on this machine may read; `None` where it is fine.
///
/// Groups are left to the operator: Kubernetes mounts secrets for a group. So are the secrets that
/// Docker and Podman mount below `/run/secrets`: they are of mode 0444 there, and nobody else is.
pub(super) fn exposure(file: &std::fs::File, path: &Path) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().ok()?.permissions().mode();
        let open = mode & 0o007 != 0 && !path.starts_with("/run/secrets");
        open.then(|| format!("run: chmod o= {}", path.display()))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        None
    }
}

fn credential(name: &str) -> Result<Secret<String>, Complaint> {
    let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
        return Err(complaint(
            "$CREDENTIALS_DIRECTORY is not set, so systemd passed no credentials",
            format!("add LoadCredential={name}:/path to the unit"),
        ));
    };
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(complaint(
            format!("{name:?} is no credential's name"),
            "a name without slashes",
        ));
    }
    let path = Path::new(&folder).join(name);
    let read = std::fs::File::open(&path).and_then(read);
    read.map_err(|error| unreadable(&path, &error))
}

fn command(words: &[String], limit: Duration) -> Result<Secret<String>, Complaint> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(complaint("the command is empty", "[\"program\", \"argument\", …]"));
    };
    let failed = |why: String| complaint(format!("{program} {why}"), "this command");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("doesn't start: {error}")))?;
    let printed = printed(&mut child, limit);
    if printed.is_err() {
        // It may have ended by itself meanwhile; either way it is gone after the wait.
        let _ = child.kill();
        let _ = child.wait();
    }
    printed.map_err(failed)
}

/// What `child` prints before it ends well, or what it did instead.
fn printed(child: &mut Child, limit: Duration) -> Result<Secret<String>, String> {
    let too_long = || format!("took longer than {limit:?}");
    let deadline = Instant::now() + limit;
    let (sender, receiver) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || sender.send(read(output)));
    }
    let output = receiver.recv_timeout(limit).map_err(|_| too_long())?;
    let secret = output.map_err(|error| format!("printed no secret: {error}"))?;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(secret),
            Ok(Some(status)) => return Err(format!("failed ({status})")),
            // It has closed its output, so its end is near.
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
            Ok(None) => return Err(too_long()),
            Err(error) => return Err(format!("can't be waited for: {error}")),
        }
    }
}

/// All of `source`, without the newline that editors and `echo` leave at the end.
fn read(source: impl Read) -> io::Result<Secret<String>> {
    // Room for all of it at once: growth would leave copies behind.
    let mut text = String::with_capacity(4096);
    source.take(MAX_LENGTH + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_LENGTH {
        return Err(io::Error::other(format!("more than {MAX_LENGTH} octets")));
    }
    if text.ends_with('\n') {
        text.pop();
    }
    if text.ends_with('\r') {
        text.pop();
    }
    Ok(Secret::new(text))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let start = Instant::now();
        let complaint =
            command(&words(&["sleep", "600"]), Duration::from_millis(50)).err().unwrap();
        assert!(complaint.title.contains("took longer than 50ms"), "{}", complaint.title);
        assert!(start.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn an_endless_secret_is_none() {
        let complaint = command(&words(&["yes"]), COMMAND_LIMIT).err().unwrap();
        assert!(complaint.title.contains("65536 octets"), "{}", complaint.title);
    }
}
