//! How long a client waits before it connects again.

use std::time::Duration;

/// How long to wait before connecting again: a random time up to a bound that doubles with
/// each failure ("full jitter"), so that the clients of a server which went down don't come
/// back all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound after the first failure. Default: 1 s.
    pub first: Duration,
    /// The largest bound. Default: 60 s. A server's `Retry-After` may ask for up to ten
    /// times as much.
    pub most: Duration,
    /// A connection that stood so long was a success: the next failure is a first one.
    /// Default: 10 s.
    pub stable_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            most: Duration::from_secs(60),
            stable_after: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// The wait after so many failures in a row, and what the server asked for.
    pub(super) fn wait(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let bound = self.first.saturating_mul(1 << failures.saturating_sub(1).min(30));
        let random = bound.min(self.most).mul_f64(rand::random::<f64>());
        let asked = asked.unwrap_or_default().min(self.most.saturating_mul(10));
        // The jitter comes on top: everybody was told the same time.
        asked.saturating_add(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_and_is_spread() {
        let backoff = Backoff::default();
        for (failures, bound) in [(1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (u32::MAX, 60.0)] {
            let waits: Vec<f64> =
                (0..2000).map(|_| backoff.wait(failures, None).as_secs_f64()).collect();
            let mean = waits.iter().sum::<f64>() / 2000.0;
            assert!(waits.iter().all(|wait| (0.0..=bound).contains(wait)));
            assert!((mean / bound - 0.5).abs() < 0.05, "{mean} of {bound}");
        }
        let asked = Some(Duration::from_secs(100));
        let wait = backoff.wait(1, asked).as_secs();
        assert!((100..=101).contains(&wait));
        assert!(backoff.wait(1, Some(Duration::MAX)) <= Duration::from_secs(601));
    }
}
