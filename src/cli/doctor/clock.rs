//! This host's clock against the authority's.

use std::time::{Duration, SystemTime};

use super::Patient;
use super::report::Check;
use crate::cli::Exit;
use crate::tokens::{Limits, http_client};

/// The skew from which tokens and assertions are refused: what Entra and JWT libraries grant.
const TOO_MUCH: Duration = Duration::from_secs(300);

/// The skew that a host with a working time service doesn't have.
const NOTABLE: Duration = Duration::from_secs(30);

const REMEDY: &str = "Set this host's clock and keep it right with a time service";

/// Asks the authority what time it is.
pub(super) async fn check(patient: &Patient<'_>, url: &str) -> Check {
    let config = patient.config;
    let limits = Limits { connect: config.timeouts.connect, ..Limits::default() };
    let tls = patient.trust.client_config();
    let Ok(http) = http_client(tls, &limits, config.proxy.as_ref()) else {
        return Check::skip("clock", "there is no HTTP client to ask the authority with");
    };
    let sent = SystemTime::now();
    let date = http.date(url, &limits).await;
    // The answer was made at some time between; half of the way is the best guess.
    let here = sent + sent.elapsed().unwrap_or_default() / 2;
    match date {
        Ok(Some(there)) => judge(here, there),
        Ok(None) => Check::warn("clock", "the authority doesn't tell the time in its answer"),
        Err(failure) => {
            Check::fail("http", Exit::Unavailable, failure.meaning).remedy(failure.advice)
        }
    }
}

fn judge(here: SystemTime, there: SystemTime) -> Check {
    let (skew, word) = match here.duration_since(there) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let text = format!("this host's clock is {} s {word} the authority's", skew.as_secs());
    match skew {
        skew if skew >= TOO_MUCH => Check::fail("clock", Exit::Config, text)
            .remedy(REMEDY)
            .commands(vec!["timedatectl set-ntp true".into()]),
        skew if skew >= NOTABLE => Check::warn("clock", text)
            .remedy(REMEDY)
            .commands(vec!["timedatectl set-ntp true".into()]),
        _ => Check::pass("clock", "this host's clock agrees with the authority's"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Outcome;
    use super::*;

    #[test]
    fn skew_counts_both_ways() {
        let there = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (seconds, outcome) in [
            (0, Outcome::Pass),
            (29, Outcome::Pass),
            (30, Outcome::Warn),
            (299, Outcome::Warn),
            (300, Outcome::Fail),
            (86_400, Outcome::Fail),
        ] {
            let skew = Duration::from_secs(seconds);
            assert_eq!(judge(there + skew, there).outcome, outcome, "{seconds} s ahead");
            assert_eq!(judge(there - skew, there).outcome, outcome, "{seconds} s behind");
        }
    }
}
