//! Dates as the servers print them, always in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// The first of January 1970 was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// A point in time, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Utc {
    pub(crate) year: u64,
    /// 1 to 12.
    pub(crate) month: u64,
    pub(crate) day: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
    pub(crate) millis: u32,
    weekday: &'static str,
}

impl Utc {
    pub(crate) fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// The time that is so many seconds after the start of 1970.
    pub(crate) fn at(seconds: u64) -> Self {
        Self::from(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// `Sun, 23 Nov 2025 11:12:20 +0000`, RFC 5322.
    pub(crate) fn mail(&self) -> String {
        let Self { year, day, hour, minute, second, weekday, .. } = self;
        format!(
            "{weekday}, {day} {} {year} {hour:02}:{minute:02}:{second:02} +0000",
            self.month_name()
        )
    }

    /// The same time as HTTP's `Date` has it, `Sun, 23 Nov 2025 11:12:20 GMT`, RFC 9110 section 5.6.7.
    pub(crate) fn http(&self) -> String {
        let Self { year, day, hour, minute, second, weekday, .. } = self;
        format!(
            "{weekday}, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT",
            self.month_name()
        )
    }

    /// `2025-04-26T18:06:35.781Z`, as in the brackets of SMTP refusals.
    pub(crate) fn iso(&self) -> String {
        let Self { year, month, day, hour, minute, second, millis, .. } = self;
        format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }

    /// `2020-05-08 12:13:30Z`, as in the bodies of the authority.
    pub(crate) fn entra(&self) -> String {
        let Self { year, month, day, hour, minute, second, .. } = self;
        format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
    }

    /// `Jan` to `Dec`.
    pub(crate) fn month_name(&self) -> &'static str {
        MONTHS[(self.month as usize - 1) % 12]
    }
}

/// Seconds since 1970 by a clock that is `skew` seconds ahead.
pub(crate) fn unix(skew: i64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs().saturating_add_signed(skew)
}

impl From<SystemTime> for Utc {
    /// Times before 1970 count as 1970.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = civil(days);
        Self {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            millis: since.subsec_millis(),
            weekday: WEEKDAYS[(days % 7) as usize],
        }
    }
}

/// Days since 1970 as year, month and day. Years start in March here, so that the leap day is their last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_printed_in_every_form() {
        let time = Utc::at(1_588_940_010);
        assert_eq!(time.mail(), "Fri, 8 May 2020 12:13:30 +0000");
        assert_eq!(time.http(), "Fri, 08 May 2020 12:13:30 GMT");
        assert_eq!(time.iso(), "2020-05-08T12:13:30.000Z");
        assert_eq!(time.entra(), "2020-05-08 12:13:30Z");
    }

    #[test]
    fn leap_days_and_year_ends_are_right() {
        assert_eq!(Utc::at(951_782_400).entra(), "2000-02-29 00:00:00Z");
        assert_eq!(Utc::at(951_868_800).entra(), "2000-03-01 00:00:00Z");
        assert_eq!(Utc::at(4_102_444_799).entra(), "2099-12-31 23:59:59Z");
        assert_eq!(Utc::at(0).mail(), "Thu, 1 Jan 1970 00:00:00 +0000");
    }
}
