//! A day of the Gregorian calendar, in UTC.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A day: how many have passed since 1 January 1970. Until the end of the year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(u32);

/// A text that isn't `YYYY-MM-DD`, or no day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a day such as 2027-12-31")]
pub struct NoDay;

const SECONDS: u64 = 24 * 60 * 60;

/// 31 December 9999, the last day with four digits.
const LAST: u32 = 2_932_896;

impl Day {
    /// The day that `time` falls on.
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u32::try_from(since.as_secs() / SECONDS).unwrap_or(LAST).min(LAST))
    }

    /// The day that comes `days` later.
    #[must_use]
    pub fn after(self, days: u32) -> Self {
        Self(self.0.saturating_add(days).min(LAST))
    }

    /// Its first instant.
    pub fn start(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(u64::from(self.0) * SECONDS)
    }

    /// Year, month and day of the month. The year is counted from March, so that the leap day is its
    /// last, in eras of 400 years, which have all the same number of days.
    fn civil(self) -> (u32, u32, u32) {
        let days = self.0 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let first = (153 * month + 2) / 5;
        let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        (era * 400 + year + carry, month, day - first + 1)
    }

    fn from_civil(year: u32, month: u32, day: u32) -> Option<Self> {
        let shifted = if month > 2 { year } else { year.checked_sub(1)? };
        let (era, year_of_era) = (shifted / 400, shifted % 400);
        let month_from_march = (month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + day.checked_sub(1)?;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let found = Self((era * 146_097 + day_of_era).checked_sub(719_468)?);
        // A day that its month doesn't have would be one of the next month.
        (found.civil() == (year, month, day)).then_some(found)
    }
}

impl FromStr for Day {
    type Err = NoDay;

    fn from_str(text: &str) -> Result<Self, NoDay> {
        let digits = |at: std::ops::Range<usize>| {
            let part = text.get(at).filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
            part.and_then(|part| part.parse::<u32>().ok()).ok_or(NoDay)
        };
        let dashes = text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
        if text.len() != 10 || !dashes {
            return Err(NoDay);
        }
        Self::from_civil(digits(0..4)?, digits(5..7)?, digits(8..10)?).ok_or(NoDay)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (text, number) in [
            ("1970-01-01", 0),
            ("1972-02-29", 789),
            ("2000-03-01", 11_017),
            ("2026-11-22", 20_779),
            ("9999-12-31", LAST),
        ] {
            assert_eq!(text.parse(), Ok(Day(number)), "{text}");
            assert_eq!(Day(number).to_string(), text);
        }
    }

    #[test]
    fn every_day_reads_as_it_is_written() {
        for number in 0..=LAST {
            assert_eq!(Day(number).to_string().parse(), Ok(Day(number)));
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in [
            "",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-04-31",
            "2026-1-01",
            "1969-12-31",
            "2026/01/01",
            "+026-01-01",
            "2026-01-01Z",
            "0000-01-01",
            "2026-01-00",
        ] {
            assert_eq!(text.parse::<Day>(), Err(NoDay), "{text}");
        }
    }

    #[test]
    fn a_moment_falls_on_its_day() {
        let day: Day = "2026-11-22".parse().unwrap();
        assert_eq!(Day::of(day.start()), day);
        assert_eq!(Day::of(day.start() - Duration::from_secs(1)).to_string(), "2026-11-21");
        assert_eq!(day.after(9).to_string(), "2026-12-01");
        assert_eq!(day.after(u32::MAX).to_string(), "9999-12-31");
    }
}
