//! Latencies, kept to within 1.6%: 64 steps for each power of two.

const STEPS: u64 = 64;

#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; (64 * STEPS) as usize], total: 0 }
    }
}

impl Histogram {
    pub fn record(&mut self, value: u64) {
        self.counts[slot(value)] += 1;
        self.total += 1;
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// The value that a share of all (0 to 1) does not exceed.
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (slot, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank.max(1) {
                return highest(slot as u64);
            }
        }
        0
    }
}

fn slot(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let shift = value.ilog2() - STEPS.ilog2();
    (u64::from(shift) * STEPS + (value >> shift)) as usize
}

/// The highest value of a slot.
fn highest(slot: u64) -> u64 {
    if slot < 2 * STEPS {
        return slot;
    }
    let shift = slot / STEPS - 1;
    let step = slot - shift * STEPS;
    ((step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histogram_finds_a_value_within_a_sixty_fourth() {
        for value in [0, 1, 63, 64, 65, 127, 128, 129, 1000, 123_456, 987_654_321] {
            let mut histogram = Histogram::default();
            histogram.record(value);
            let found = histogram.quantile(0.5);
            assert!(found >= value && found - value <= value / 64, "{value}: {found}");
        }
    }

    #[test]
    fn histogram_quantiles_count_from_below() {
        let mut histogram = Histogram::default();
        (1..=60).for_each(|value| histogram.record(value));
        assert_eq!(histogram.quantile(0.5), 30);
        assert_eq!(histogram.quantile(1.0), 60);
        assert_eq!(histogram.total(), 60);
    }
}
