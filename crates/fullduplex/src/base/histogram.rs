//! Histograms of durations.

use std::time::Duration;

/// A histogram of durations.
///
/// ```
/// use fullduplex::server::ServerHandle;
/// use fullduplex::server::stats::Histogram;
///
/// /// The share of round-trip times up to 200 ms.
/// fn fast(handle: &ServerHandle) -> f64 {
///     let times = handle.stats().round_trips;
///     let buckets = Histogram::BOUNDS.iter().zip(times.counts());
///     let fast: u64 = buckets.filter(|(bound, _)| **bound <= 200).map(|(_, count)| count).sum();
///     fast as f64 / times.count() as f64
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; Self::BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    /// The upper bounds of the buckets in milliseconds. The last bucket has no bound.
    pub const BOUNDS: [u64; 13] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

    pub(crate) fn record(&mut self, took: Duration) {
        let bucket = Self::BOUNDS.partition_point(|bound| Duration::from_millis(*bound) < took);
        self.counts[bucket] += 1;
        self.sum += took;
    }

    /// Returns the number of durations in each bucket; the last has no upper bound.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the sum of all durations.
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histogram_sorts_times_into_buckets() {
        let mut histogram = Histogram::default();
        for (micros, bucket) in [(0, 0), (1000, 0), (1001, 1), (10_000_000, 12), (u64::MAX / 4, 13)]
        {
            let before = histogram.counts()[bucket];
            histogram.record(Duration::from_micros(micros));
            assert_eq!(histogram.counts()[bucket], before + 1, "{micros} µs");
        }
        assert_eq!(histogram.count(), 5);
    }
}
