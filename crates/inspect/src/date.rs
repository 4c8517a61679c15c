//! Times as text (RFC 3339), in UTC.

use std::time::Duration;

const DAY: u64 = 86_400;

/// Returns a time since the Unix epoch as `2026-01-02T03:04:05.678901Z`.
pub(crate) fn to_text(time: Duration) -> String {
    // The end of the year 9999, which keeps the loop short, too.
    let seconds = time.as_secs().min(253_402_300_799);
    let micros = time.subsec_micros();
    let (mut year, mut day, in_day) = (1970, seconds / DAY, seconds % DAY);
    while day >= days_of_year(year) {
        day -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while day >= days_of_month(year, month) {
        day -= days_of_month(year, month);
        month += 1;
    }
    let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
    let day = day + 1;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// Returns the time since the Unix epoch; `None` if it is not valid, or before that.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let (date, time) = text.split_once(['T', 't'])?;
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at(zone);
    let [year, month, day] = numbers(date, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [hour, minute, second] = numbers(time, ':')?;
    // A year of four digits keeps the loop short.
    let is_valid = (1970..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !is_valid || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let days: u64 = (1970..year).map(days_of_year).sum();
    let days = days + (1..month).map(|month| days_of_month(year, month)).sum::<u64>() + day - 1;
    let seconds = days * DAY + hour * 3600 + minute * 60 + second;
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let time = Duration::from_secs(seconds) + Duration::from_micros(digits.parse().ok()?);
    let Some(offset) = zone.strip_prefix(['+', '-']) else {
        return (zone.len() == 1).then_some(time);
    };
    let [hours, minutes] = numbers(offset, ':')?;
    let offset = Duration::from_secs(hours.min(99) * 3600 + minutes.min(99) * 60);
    if zone.starts_with('+') { time.checked_sub(offset) } else { time.checked_add(offset) }
}

fn numbers<const N: usize>(text: &str, separator: char) -> Option<[u64; N]> {
    let parts: Option<Vec<u64>> = text.split(separator).map(|part| part.parse().ok()).collect();
    parts?.try_into().ok()
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_is_written_and_read() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
            (1_767_323_045_678_901, "2026-01-02T03:04:05.678901Z"),
            (4_107_542_399_000_000, "2100-02-28T23:59:59.000000Z"),
        ] {
            let time = Duration::from_micros(micros);
            assert_eq!(to_text(time), text);
            assert_eq!(parse(text), Some(time));
        }
        let time = Some(Duration::from_millis(1_767_323_045_600));
        assert_eq!(parse("2026-01-02T04:04:05.6+01:00"), time);
        assert_eq!(parse("2026-01-01T22:04:05.6-05:00"), time);
        for text in [
            "",
            "2026-01-02",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.xZ",
            "1969-12-31T23:59:59Z",
            "99999999999999-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
