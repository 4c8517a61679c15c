//! A limit on how often something may happen.

use core::time::Duration;

use crate::timers::{SECOND, micros};

/// A token bucket: `rate` events a second, and a burst of ten times as many.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    rate: u32,
    tokens: u32,
    refilled_at: u64,
}

impl TokenBucket {
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate, tokens: rate.saturating_mul(10), refilled_at: 0 }
    }

    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Takes one token. Returns whether there was one.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        self.take_many(1, now)
    }

    /// Takes `count` tokens. Returns whether there were as many; if not, none is taken.
    pub(crate) fn take_many(&mut self, count: usize, now: Duration) -> bool {
        self.refill(micros(now));
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        match self.tokens.checked_sub(count) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }

    /// Adds the tokens earned since the last refill. Time that did not earn a whole token is kept
    /// for the next one.
    fn refill(&mut self, now: u64) {
        let rate = u64::from(self.rate);
        let elapsed = now.saturating_sub(self.refilled_at);
        let earned = elapsed.saturating_mul(rate) / SECOND;
        if earned > 0 {
            let tokens = u64::from(self.tokens).saturating_add(earned);
            self.tokens = u32::try_from(tokens).unwrap_or(u32::MAX).min(self.burst());
            self.refilled_at = now - elapsed.saturating_mul(rate) % SECOND / rate;
        }
    }

    fn burst(&self) -> u32 {
        self.rate.saturating_mul(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn limits_on_rate_allow_a_burst_of_ten_seconds_worth() {
        let mut b = TokenBucket::new(100);
        assert_eq!((0..5000).filter(|_| b.take(100 * S)).count(), 1000);
    }

    #[test]
    fn limits_on_rate_lose_no_fraction_of_a_token() {
        let mut b = TokenBucket::new(300);
        // A little slower than the rate, and never in step with it.
        assert!((1..100_000).all(|i| b.take(Duration::from_micros(3_334 * i))));
    }

    #[test]
    fn limits_on_rate_refill_with_time() {
        let mut b = TokenBucket::new(5);
        assert_eq!((0..100).filter(|_| b.take(Duration::ZERO)).count(), 50);
        assert_eq!((0..100).filter(|_| b.take(S)).count(), 5);
        assert_eq!((0..100).filter(|_| b.take(1000 * S)).count(), 50);
    }

    /// One and a half tokens at a time, as two and one.
    #[test]
    fn limits_on_rate_keep_half_a_token_for_the_next_time() {
        let mut b = TokenBucket::new(200);
        assert!(b.take_many(2_000, Duration::ZERO));
        for i in 1..1_000_u32 {
            let count = if i % 2 == 0 { 2 } else { 1 };
            assert!(b.take_many(count, Duration::from_micros(7_500) * i), "at step {i}");
            assert!(!b.take(Duration::from_micros(7_500) * i), "no more at step {i}");
        }
    }
}
