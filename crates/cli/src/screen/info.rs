//! The lines of `/info`.

use std::fmt::Write as _;
use std::time::Duration;

use fullduplex::{ConnectionStats, DirectionStats};

use super::clock::short_time;
use super::draw::size;
use crate::session::StatsSource;

/// What is known of a connection.
#[derive(Clone)]
pub(crate) struct ConnectionFacts {
    /// What was negotiated: names and values, which may be a peer's.
    pub(crate) negotiated: Vec<(&'static str, String)>,
    /// The counts of its messages and bytes.
    pub(crate) stats: StatsSource,
}

/// What the screen has counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ControlCounts {
    pub(crate) pings: u64,
    pub(crate) round_trips: RoundTrips,
}

/// The times from Pings of the user to their Pongs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoundTrips {
    count: u32,
    last: Duration,
    min: Duration,
    max: Duration,
    sum: Duration,
}

impl RoundTrips {
    pub(crate) fn add(&mut self, time: Duration) {
        self.min = if self.count == 0 { time } else { self.min.min(time) };
        self.max = self.max.max(time);
        self.last = time;
        self.sum += time;
        self.count += 1;
    }

    fn text(&self) -> String {
        if self.count == 0 {
            return "not measured; /ping does".into();
        }
        let [last, min, mean, max] =
            [self.last, self.min, self.sum / self.count, self.max].map(short_time);
        format!("{last}; of {}: min {min}, mean {mean}, max {max}", self.count)
    }
}

/// Returns the lines of `/info`.
pub(crate) fn text(facts: &ConnectionFacts, open: Duration, counts: &ControlCounts) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:12} {value}");
    };
    for (name, value) in &facts.negotiated {
        line(name, value.clone());
    }
    line("open for", format!("{:.1} s", open.as_secs_f64()));
    let ConnectionStats { sent, received, .. } = facts.stats.stats();
    line("sent", direction(&sent));
    let pings = match counts.pings {
        0 => String::new(),
        1 => ", 1 ping".into(),
        pings => format!(", {pings} pings"),
    };
    line("received", direction(&received) + &pings);
    line("round trip", counts.round_trips.text());
    text
}

fn direction(stats: &DirectionStats) -> String {
    let (payload, wire) = (stats.payload, stats.wire);
    let bytes = |bytes: u64| size(usize::try_from(bytes).unwrap_or(usize::MAX));
    let ratio = match payload {
        0 => String::new(),
        payload => format!(" ({} % of the content)", wire * 100 / payload),
    };
    let (text, binary) = (stats.text, stats.binary);
    format!("{text} text, {binary} binary, {}; {} on the wire{ratio}", bytes(payload), bytes(wire))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_summed_up() {
        let mut times = RoundTrips::default();
        assert!(times.text().contains("/ping"));
        for millis in [2, 1, 6] {
            times.add(Duration::from_millis(millis));
        }
        assert_eq!(times.text(), "6.00 ms; of 3: min 1.00 ms, mean 3.00 ms, max 6.00 ms");
    }

    #[test]
    fn info_of_a_direction_has_the_ratio() {
        let mut stats = DirectionStats::default();
        (stats.text, stats.payload, stats.wire) = (3, 2_000, 500);
        assert_eq!(
            direction(&stats),
            "3 text, 0 binary, 2.0 kB; 500 B on the wire (25 % of the content)"
        );
    }
}
