//! The time before each record.

use std::time::{Duration, Instant};

use jiff::ZonedDateTime;

use super::args::TimeKind;

/// The time as text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    kind: TimeKind,
    start: Instant,
}

impl Clock {
    /// Returns a clock whose relative times begin now.
    pub(crate) fn new(kind: TimeKind) -> Self {
        Self { kind, start: Instant::now() }
    }

    /// Returns the time now; empty if none is shown.
    pub(crate) fn now(self) -> String {
        match self.kind {
            TimeKind::Absolute => ZonedDateTime::now().strftime("%H:%M:%S%.3f").to_string(),
            TimeKind::Relative => relative(self.start.elapsed()),
            TimeKind::None => String::new(),
        }
    }
}

fn relative(time: Duration) -> String {
    format!("+{}.{:03}", time.as_secs(), time.subsec_millis())
}

/// Returns a round trip or another short time for reading, such as `1.24 ms`.
pub(crate) fn short_time(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.2} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_shows_milliseconds() {
        let is_digit = |c: char| if c.is_ascii_digit() { '0' } else { c };
        let shape = |kind| Clock::new(kind).now().chars().map(is_digit).collect::<String>();
        assert_eq!(shape(TimeKind::Absolute), "00:00:00.000");
        assert!(shape(TimeKind::Relative).starts_with("+0.0"));
        assert_eq!(shape(TimeKind::None), "");
        assert_eq!(relative(Duration::from_millis(61_005)), "+61.005");
    }

    #[test]
    fn short_times_have_three_digits() {
        for (micros, expected) in
            [(250, "250 µs"), (1_240, "1.24 ms"), (61_500, "61.50 ms"), (2_500_000, "2.50 s")]
        {
            assert_eq!(short_time(Duration::from_micros(micros)), expected);
        }
    }
}
