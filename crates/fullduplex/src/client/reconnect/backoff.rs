//! The delay before a client reconnects.

use std::time::Duration;

use fullduplex_proto::ConfigError;

use crate::base::random::fraction;
use crate::base::setters::setters;

/// Exponential backoff with full jitter.
///
/// The delay before reconnecting is random, up to a bound that doubles with each failure in a
/// row. The jitter keeps the clients of a restarted server from reconnecting at the same time.
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex::client::Backoff;
///
/// let backoff = Backoff::default()
///     .initial(Duration::from_millis(100))
///     .max(Duration::from_secs(5));
/// assert_eq!(backoff.stable_after, Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The bound after the first failure. Default: 1 s.
    pub initial: Duration,
    /// The largest bound. A delay that the server requests with `Retry-After` is limited to ten
    /// times this. Default: 60 s.
    pub max: Duration,
    /// The time after which a connection counts as a success: the next failure is then the first
    /// in a row. Default: 10 s.
    pub stable_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(60),
            stable_after: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    setters! {
        initial: Duration, ".";
        max: Duration, ".";
        stable_after: Duration, ".";
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// The first setting that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::require_time(self.initial, "backoff.initial")?;
        let is_in_range = self.max >= self.initial;
        ConfigError::require(is_in_range, "backoff.max", "be at least backoff.initial")
    }

    /// Returns the delay after `failures` in a row, or after a `Retry-After` of the server.
    pub(super) fn delay(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let bound = self.initial.saturating_mul(1 << failures.saturating_sub(1).min(30));
        let random = bound.min(self.max).mul_f64(fraction());
        let retry_after = retry_after.unwrap_or_default().min(self.max.saturating_mul(10));
        // With jitter added, as the server may send the same value to all clients.
        retry_after.saturating_add(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_and_is_spread() {
        let backoff = Backoff::default();
        for (failures, bound) in [(1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (u32::MAX, 60.0)] {
            let delays: Vec<f64> =
                (0..2000).map(|_| backoff.delay(failures, None).as_secs_f64()).collect();
            let mean = delays.iter().sum::<f64>() / 2000.0;
            assert!(delays.iter().all(|delay| (0.0..=bound).contains(delay)));
            assert!((mean / bound - 0.5).abs() < 0.05, "{mean} of {bound}");
        }
        let retry_after = Some(Duration::from_secs(100));
        let delay = backoff.delay(1, retry_after).as_secs();
        assert!((100..=101).contains(&delay));
        assert!(backoff.delay(1, Some(Duration::MAX)) <= Duration::from_secs(601));
    }
}
