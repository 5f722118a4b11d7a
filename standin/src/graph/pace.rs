//! How many requests come, and who is told to come later.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::knobs::AuthorityFailure;

/// The requests since a moment.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<Option<(Instant, u32)>>);

impl Pace {
    /// Counts a request where so many may come in such a time; the answer to one too many.
    pub(super) fn throttle(&self, (most, window): (u32, Duration)) -> Option<AuthorityFailure> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (start, count) = counted.filter(|(start, _)| now < *start + window).unwrap_or((now, 0));
        *counted = Some((start, count + 1));
        let rest = (start + window).saturating_duration_since(now);
        (count >= most).then(|| AuthorityFailure {
            status: 429,
            body: r#"{"error":{"code":"TooManyRequests","message":"Too many requests."}}"#.into(),
            retry_after: Some(format!("{:.3}", rest.as_secs_f64())),
            times: None,
        })
    }
}
