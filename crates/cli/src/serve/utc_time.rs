//! The time of day for the log.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the time, such as `2026-11-30T15:04:05.678Z` (RFC 3339).
pub(super) fn utc_now() -> String {
    // A clock before 1970 is not set at all.
    format_utc(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Returns the day of a time, such as `2026-11-30`.
pub(crate) fn utc_day(time: SystemTime) -> String {
    let mut text = format_utc(time.duration_since(UNIX_EPOCH).unwrap_or_default());
    text.truncate(10);
    text
}

fn format_utc(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let millis = since_1970.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Returns the year, month and day of the number of days since 1970-01-01. Years begin in March
/// here, so that the leap day is the last one.
fn civil_date(days: u64) -> (u64, u64, u64) {
    // 0000-03-01 is 719,468 days before 1970-01-01. An era has 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leap_days = day_of_era / 1460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months of 31, 30, 31, 30, 31 days: 153 days in five months.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_day_is_the_date() {
        assert_eq!(utc_day(UNIX_EPOCH + Duration::from_secs(86_400 * 31)), "1970-02-01");
    }

    #[test]
    fn utc_time_is_that_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_868_799, "2000-02-29T23:59:59.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(format_utc(Duration::from_secs(seconds)), expected);
        }
        assert!(format_utc(Duration::from_millis(1_234)).ends_with("01.234Z"));
    }
}
