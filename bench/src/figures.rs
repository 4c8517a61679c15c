//! Figures of repeated measurements.

/// The results of several rounds.
#[derive(Clone, Debug, Default)]
pub struct Rounds(pub Vec<f64>);

impl Rounds {
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            len if len % 2 == 1 => sorted[len / 2],
            len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
        }
    }

    pub fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    /// Returns the difference of the greatest and the least, as a share of the median.
    pub fn spread(&self) -> f64 {
        let greatest = self.0.iter().copied().fold(f64::NAN, f64::max);
        (greatest - self.least()) / self.median()
    }

    /// Returns the ratios to another one, round by round.
    pub fn over(&self, base: &Self) -> Self {
        Self(self.0.iter().zip(&base.0).map(|(one, other)| one / other).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_count_what_lies_between() {
        let rounds = Rounds(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!((rounds.median(), rounds.least(), rounds.spread()), (2.5, 1.0, 1.2));
        assert_eq!(Rounds(vec![3.0, 8.0]).over(&Rounds(vec![1.0, 2.0])).0, [3.0, 4.0]);
        assert!(Rounds::default().median().is_nan());
    }
}
