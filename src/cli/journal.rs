//! Where the journal goes and how much it holds.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{Log, LogFormat, LogLevel};

/// Starts the journal on the standard error. `verbose` counts the `-v` of the command line, each of
/// which lets through a level more than `log` does.
///
/// # Errors
/// There is one already.
pub(super) fn start(log: Log, verbose: u8) -> Result<(), TryInitError> {
    let level = raise(log.level, verbose);
    tracing_subscriber::registry().with(form(log.format)).with(targets(level)).try_init()
}

fn form(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    // systemd notes the time itself.
    let own_time = std::env::var_os("JOURNAL_STREAM").is_none();
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(colours).with_target(false);
    match format {
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
        LogFormat::Text if own_time => lines.boxed(),
        LogFormat::Text => lines.without_time().boxed(),
    }
}

/// gatepost's own words at `level`. Of the crates below it only warnings: at their lower levels they
/// print what they send, and that is secrets. No setting opens this.
fn targets(level: LevelFilter) -> Targets {
    let others = level.min(LevelFilter::WARN);
    Targets::new().with_default(others).with_target("gatepost", level)
}

fn raise(level: LogLevel, verbose: u8) -> LevelFilter {
    let steps = [
        (LogLevel::Error, LevelFilter::ERROR),
        (LogLevel::Warn, LevelFilter::WARN),
        (LogLevel::Info, LevelFilter::INFO),
        (LogLevel::Debug, LevelFilter::DEBUG),
        (LogLevel::Trace, LevelFilter::TRACE),
    ];
    let wanted = steps.iter().position(|(step, _)| *step == level).unwrap_or_default();
    let raised = steps.get(wanted + usize::from(verbose)).or_else(|| steps.last());
    raised.map_or(LevelFilter::INFO, |(_, filter)| *filter)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn each_v_lets_a_level_more_through() {
        assert_eq!(raise(LogLevel::Info, 0), LevelFilter::INFO);
        assert_eq!(raise(LogLevel::Info, 1), LevelFilter::DEBUG);
        assert_eq!(raise(LogLevel::Info, 2), LevelFilter::TRACE);
        assert_eq!(raise(LogLevel::Error, 1), LevelFilter::WARN);
        assert_eq!(raise(LogLevel::Trace, 200), LevelFilter::TRACE);
    }

    #[test]
    fn no_crate_that_handles_secrets_says_more_than_warnings() {
        let targets = targets(LevelFilter::TRACE);
        for target in ["hyper", "hyper_util::client", "reqwest::connect", "rustls::conn", "h2"] {
            assert!(targets.would_enable(target, &Level::WARN), "{target}");
            assert!(!targets.would_enable(target, &Level::INFO), "{target}");
        }
        assert!(targets.would_enable("gatepost::relay", &Level::TRACE));
    }
}
