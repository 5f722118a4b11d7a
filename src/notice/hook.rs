//! A hook: the program or the webhook that is told an event.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::Event;
use crate::secret::Secret;

/// Where an event goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// To a program and its arguments, without a shell: as JSON on its standard input, and as
    /// `GATEPOST_…` in its environment.
    Run(Vec<String>),
    /// To a URL, as a POST of JSON. URLs of chat services are their own passwords.
    Post(Secret<String>),
}

/// For a program that sends a mail across a slow network; others wait behind it.
const LIMIT: Duration = Duration::from_secs(30);

/// All that a program gets of this one's environment, which may hold secrets.
const ENVIRONMENT: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

impl Hook {
    /// Tells `event`.
    ///
    /// # Errors
    /// What kept it from being told, for the journal.
    pub(super) async fn tell(&self, event: &Event, http: &reqwest::Client) -> Result<(), String> {
        let json = Value::Object(event.fields()).to_string();
        let told = async {
            match self {
                Self::Run(words) => run(words, event, json).await,
                Self::Post(url) => post(url, json, http).await,
            }
        };
        within(LIMIT, told).await
    }
}

async fn within(
    limit: Duration,
    told: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    timeout(limit, told).await.unwrap_or_else(|_| Err(format!("it took longer than {limit:?}")))
}

async fn run(words: &[String], event: &Event, json: String) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("it names no program")?;
    let kept = ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let told = event.fields().into_iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (format!("GATEPOST_{}", name.to_uppercase()), text.replace('\0', " "))
    });
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(kept)
        .envs(told)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program} doesn't start: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        // A program that reads the environment alone may close its input.
        let _ = input.write_all(json.as_bytes()).await;
    }
    let status = child.wait().await.map_err(|error| format!("{program}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} failed ({status})")) }
}

async fn post(url: &Secret<String>, json: String, http: &reqwest::Client) -> Result<(), String> {
    let request = http.post(url.reveal()).header("content-type", "application/json").body(json);
    // Without the URL, which may be a secret.
    let response = request.send().await.map_err(|error| chain(&error.without_url()))?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(format!("the webhook answers {status}")) }
}

fn chain(error: &dyn std::error::Error) -> String {
    let links = std::iter::successors(Some(error), |link| link.source());
    links.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::oauth::{Class, Failure};

    #[tokio::test]
    async fn a_program_that_hangs_is_ended() {
        let failure = Failure::new(Class::SignIn, "no", "Do");
        let event = Event::sign_in_needed("alice@contoso.example", &failure, None);
        let words = ["sleep".to_owned(), "600".to_owned()];
        let told = within(Duration::from_millis(50), run(&words, &event, String::new()));
        assert_eq!(told.await.unwrap_err(), "it took longer than 50ms");
    }
}
