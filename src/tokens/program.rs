//! What a grant wants of this machine: files read, programs run.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

use crate::oauth::{Class, Failure};
use crate::secret::Secret;

/// Octets of a file or an output. Tokens have some KiB; what is larger is something else.
const LONGEST: u64 = 64 * 1024;

/// What the file at `path` holds.
///
/// # Errors
/// It can't be read, or is too large.
pub(super) async fn read(path: &Path) -> Result<Secret<Vec<u8>>, Failure> {
    let content = async { bounded(File::open(path).await?).await }.await;
    content.map_err(|error| {
        let meaning = format!("{} can't be read: {error}", path.display());
        Failure::new(Class::Configure, meaning, "Let gatepost's user read this file")
    })
}

/// What the program prints on its standard output before it ends well, within `patience`. Its standard
/// error goes where gatepost's goes.
///
/// # Errors
/// It doesn't start, fails, prints too much or takes too long. It is ended then.
pub(super) async fn run(words: &[String], patience: Duration) -> Result<Secret<Vec<u8>>, Failure> {
    let (program, arguments) =
        words.split_first().map_or(("", words), |(program, rest)| (program.as_str(), rest));
    let failed = |class, why: String| {
        Failure::new(
            class,
            format!("{program} {why}"),
            "Run the command by hand as gatepost's user",
        )
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(Class::Configure, format!("doesn't start: {error}")))?;
    let output = child.stdout.take();
    let work = async {
        let printed = match output {
            Some(output) => bounded(output).await?,
            None => Secret::new(Vec::new()),
        };
        Ok::<_, io::Error>((printed, child.wait().await?))
    };
    let (printed, status) = timeout(patience, work)
        .await
        .map_err(|_| failed(Class::Retry, format!("takes longer than {patience:?}")))?
        .map_err(|error| failed(Class::Configure, format!("can't be run: {error}")))?;
    match status.success() {
        true => Ok(printed),
        false => Err(failed(Class::Retry, format!("failed ({status})"))),
    }
}

async fn bounded(source: impl AsyncRead + Unpin) -> io::Result<Secret<Vec<u8>>> {
    // Room for most of it at once: growth leaves copies behind.
    let mut content = Vec::with_capacity(16 * 1024);
    source.take(LONGEST + 1).read_to_end(&mut content).await?;
    let content = Secret::new(content);
    match content.reveal().len() as u64 > LONGEST {
        true => Err(io::Error::other(format!("more than {LONGEST} octets"))),
        false => Ok(content),
    }
}
