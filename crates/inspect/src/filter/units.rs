//! Numbers with units.

use std::time::Duration;

/// Units of bytes and their sizes. Those without `i` count by 1,000 as those with it by 1,024.
const SIZES: [(&str, u64); 12] = [
    ("", 1),
    ("b", 1),
    ("k", 1_000),
    ("kb", 1_000),
    ("m", 1_000_000),
    ("mb", 1_000_000),
    ("g", 1_000_000_000),
    ("gb", 1_000_000_000),
    ("ki", 1 << 10),
    ("kib", 1 << 10),
    ("mi", 1 << 20),
    ("mib", 1 << 20),
];

/// Units of time, in microseconds.
const TIMES: [(&str, u64); 5] =
    [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000)];

/// Returns a number of bytes, such as of `64`, `1.5k` and `1MiB`.
pub(super) fn size(text: &str) -> Option<u64> {
    scaled(text, &SIZES)
}

/// Returns a time in whole microseconds, such as of `500ms` and `1.5s`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    scaled(text, &TIMES).map(Duration::from_micros)
}

/// Returns a time as [`duration`] reads it.
pub(super) fn duration_text(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0 => "0s".to_owned(),
        _ if micros.is_multiple_of(1_000_000) => format!("{}s", micros / 1_000_000),
        _ if micros.is_multiple_of(1_000) => format!("{}ms", micros / 1_000),
        _ => format!("{micros}us"),
    }
}

/// Returns a number times its unit; `None` if it is not valid or more than 2^53.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    if number.ends_with('.') || fraction.len() > 9 {
        return None;
    }
    let mut sum = whole.checked_mul(*factor)?;
    if !fraction.is_empty() {
        let parts = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let fraction: u64 = fraction.parse().ok()?;
        sum = sum.checked_add(fraction.checked_mul(*factor)? / parts)?;
    }
    (sum <= 1 << 53).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        for (text, expected) in [
            ("0", Some(0)),
            ("64", Some(64)),
            ("1k", Some(1_000)),
            ("1.5K", Some(1_500)),
            ("1KiB", Some(1_024)),
            ("2mi", Some(2 << 20)),
            ("0.25kb", Some(250)),
            ("", None),
            ("k", None),
            ("1x", None),
            ("1.", None),
            (".5", None),
            ("1.2.3", None),
            ("99999999999999999999", None),
            ("99999999999g", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
        for (text, micros) in [("1s", 1_000_000), ("1.5ms", 1_500), ("2m", 120_000_000), ("7us", 7)]
        {
            let time = Duration::from_micros(micros);
            assert_eq!(duration(text), Some(time));
            assert_eq!(duration(&duration_text(time)), Some(time));
        }
        assert_eq!((duration("5"), duration("5d")), (None, None));
    }
}
