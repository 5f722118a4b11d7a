//! Client secrets and certificates, and their last days.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tracing::{error, warn};

use super::{Event, Notices};
use crate::store::Announced;

/// Days before the end at which it is announced. A renewal needs whoever administers the tenant, and
/// they may be on holiday.
const STAGES: [u32; 4] = [0, 1, 7, 30];

const DAY: u64 = 24 * 3600;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// The year.
    pub year: u16,
    /// From 1.
    pub month: u8,
    /// From 1.
    pub day: u8,
}

/// The end of what a provider's application proves itself by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The provider's name in the configuration.
    pub provider: String,
    /// What ends.
    pub proof: Proof,
    /// The first day on which it may not work any more.
    pub date: Date,
}

/// What an application proves itself by, and loses at a known time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A client secret.
    Secret,
    /// A client certificate.
    Certificate,
}

impl Proof {
    /// What replaces it.
    fn renewal(self) -> &'static str {
        match self {
            Self::Secret => {
                "make a new one at the authority, put it into the configuration with its \
                 client_secret_expires, and restart"
            }
            Self::Certificate => {
                "make a new one, register it with the application beside the old one, put it in the \
                 old one's place, and restart"
            }
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "client secret",
            Self::Certificate => "client certificate",
        })
    }
}

/// The expiries to look at, and who is told.
pub struct Expiries {
    expiries: Vec<Expiry>,
    announced: Arc<Announced>,
    notices: Notices,
}

impl Expiries {
    /// Announces the `expiries` in the journal and by `notices`; what was announced stands in
    /// `announced`.
    pub fn new(expiries: Vec<Expiry>, announced: Arc<Announced>, notices: Notices) -> Self {
        Self { expiries, announced, notices }
    }

    /// Announces what is due at `now`; how many announcements the journal got. Waits for the disk.
    pub fn announce(&self, now: SystemTime) -> usize {
        let due = self.expiries.iter().filter_map(|expiry| Some((expiry, expiry.stage(now)?)));
        due.filter(|(expiry, (days_left, stage))| {
            let event = Event::secret_expiring(expiry, *days_left, *stage);
            let subject = format!("journal: {}", event.subject());
            let is_new = !self.announced.has(&subject, &event.what());
            if is_new {
                expiry.journal(*days_left);
                if let Err(trouble) = self.announced.note(&subject, &event.what()) {
                    warn!("this will be said again after a restart: {trouble}");
                }
            }
            self.notices.raise(event);
            is_new
        })
        .count()
    }
}

impl Expiry {
    /// The days left at `now`, and the announcement that is due.
    fn stage(&self, now: SystemTime) -> Option<(u32, u32)> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let seconds = (self.date.days_since_1970() * DAY).saturating_sub(now);
        let days_left = u32::try_from(seconds.div_ceil(DAY)).unwrap_or(u32::MAX);
        let stage = STAGES.into_iter().find(|stage| days_left <= *stage)?;
        Some((days_left, stage))
    }

    fn journal(&self, days_left: u32) {
        let Self { provider, proof, date } = self;
        let renewal = proof.renewal();
        match days_left {
            0 => error!(provider, "the {proof} has expired ({date}): {renewal}"),
            _ => warn!(provider, days_left, "the {proof} expires on {date}: {renewal}"),
        }
    }
}

impl Date {
    /// After Howard Hinnant's `days_from_civil`: years begin in March, so that leap days end them.
    fn days_since_1970(self) -> u64 {
        let (month, day) = (u64::from(self.month), u64::from(self.day));
        let year = u64::from(self.year) - u64::from(month <= 2);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let since_0000 = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
        since_0000.saturating_sub(719_468)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn expiry(year: u16, month: u8, day: u8) -> Expiry {
        let date = Date { year, month, day };
        Expiry { provider: "contoso".to_owned(), proof: Proof::Secret, date }
    }

    #[test]
    fn days_are_counted_as_the_calendar_has_them() {
        for ((year, month, day), days) in [
            ((1970, 1, 1), 0),
            ((1970, 3, 1), 59),
            ((2000, 2, 29), 11_016),
            ((2024, 12, 31), 20_088),
            ((2027, 3, 1), 20_878),
        ] {
            assert_eq!(
                expiry(year, month, day).date.days_since_1970(),
                days,
                "{year}-{month}-{day}"
            );
        }
    }

    #[test]
    fn the_announcement_due_is_the_last_one_passed() {
        let expiry = expiry(2027, 3, 1);
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(20_878 * DAY);
        for (before, stage) in [
            (31 * DAY, None),
            (30 * DAY, Some((30, 30))),
            (7 * DAY + 1, Some((8, 30))),
            (7 * DAY, Some((7, 7))),
            (DAY, Some((1, 1))),
            (1, Some((1, 1))),
            (0, Some((0, 0))),
        ] {
            assert_eq!(expiry.stage(end - Duration::from_secs(before)), stage, "{before}");
        }
        assert_eq!(expiry.stage(end + Duration::from_secs(400 * DAY)), Some((0, 0)));
    }
}
