//! A token bucket: how often something may happen, with room for a burst.

use std::time::Duration;

/// How often something may happen: on average `per_second`, and `burst` at once.
///
/// It can stand for anything that is counted: messages, connections, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many tokens come in a second. With 0, there are those of the burst alone.
    pub per_second: u32,
    /// How many tokens a bucket holds at most, and in the beginning.
    pub burst: u32,
}

impl Rate {
    /// This many in a second, and this many at once.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

/// The tokens of one connection, or of whatever has a [`Rate`]: 16 bytes.
///
/// It has no clock: times are given as durations since any origin that stays, such as the
/// start of the server, and count for 584 years. A time before an earlier one is taken as
/// that one. It is exact: not a part of a token is lost or gained, however the time is cut.
///
/// ```
/// use std::time::Duration;
/// use fullduplex::server::{Bucket, Rate};
///
/// let rate = Rate::new(10, 2);
/// let mut bucket = Bucket::full(rate);
/// let now = Duration::from_secs(7);
/// assert_eq!(bucket.take(rate, 2, now), Ok(()));
/// assert_eq!(bucket.take(rate, 1, now), Err(Duration::from_millis(100)));
/// assert_eq!(bucket.take(rate, 1, now + Duration::from_millis(100)), Ok(()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// In billionths of a token, of which `per_second` come in a nanosecond.
    level: u64,
    /// Nanoseconds since the origin, up to which the level counts.
    at: u64,
}

/// Billionths in one.
const WHOLE: u64 = 1_000_000_000;

impl Bucket {
    /// A bucket with a whole burst in it.
    pub const fn full(rate: Rate) -> Self {
        Self { level: capacity(rate), at: 0 }
    }

    /// Takes this many tokens, all or none. If they are not there, gives how long from `now`
    /// it takes until they are, to the nanosecond, if nobody else takes any;
    /// [`Duration::MAX`] if they never are: more than the burst, or a rate of none.
    pub fn take(&mut self, rate: Rate, tokens: u32, now: Duration) -> Result<(), Duration> {
        self.refill(rate, now);
        let wanted = u64::from(tokens) * WHOLE;
        match self.level.checked_sub(wanted) {
            Some(left) => {
                self.level = left;
                Ok(())
            }
            None if wanted > capacity(rate) || rate.per_second == 0 => Err(Duration::MAX),
            None => {
                let missing = (wanted - self.level).div_ceil(u64::from(rate.per_second));
                // From a time that lies back, the way is longer.
                let back = self.at.saturating_sub(nanos(now));
                Err(Duration::from_nanos(missing.saturating_add(back)))
            }
        }
    }

    /// How many whole tokens there are.
    pub fn available(&mut self, rate: Rate, now: Duration) -> u32 {
        self.refill(rate, now);
        u32::try_from(self.level / WHOLE).unwrap_or(u32::MAX)
    }

    fn refill(&mut self, rate: Rate, now: Duration) {
        let now = nanos(now);
        let passed = u128::from(now.saturating_sub(self.at));
        let level = u128::from(self.level) + passed * u128::from(rate.per_second);
        let capacity = capacity(rate);
        self.level = u64::try_from(level).map_or(capacity, |level| level.min(capacity));
        self.at = self.at.max(now);
    }
}

/// At most 2^32 · 10^9, which is less than 2^62.
const fn capacity(rate: Rate) -> u64 {
    // `u64::from` is not const.
    rate.burst as u64 * WHOLE
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ns(n: u64) -> Duration {
        Duration::from_nanos(n)
    }

    #[test]
    fn rate_allows_a_burst_and_then_the_rate() {
        let rate = Rate::new(3, 2);
        let mut bucket = Bucket::full(rate);
        let start = Duration::from_secs(1);
        assert_eq!(bucket.take(rate, 1, start), Ok(()));
        assert_eq!(bucket.take(rate, 1, start), Ok(()));
        // A third of a second, rounded up.
        assert_eq!(bucket.take(rate, 1, start), Err(ns(333_333_334)));
        assert!(bucket.take(rate, 1, start + ns(333_333_333)).is_err());
        assert_eq!(bucket.take(rate, 1, start + ns(333_333_334)), Ok(()));
        // No part was lost: three tokens come in a whole second.
        assert_eq!(bucket.available(rate, start + ns(999_999_999)), 1);
        assert_eq!(bucket.available(rate, start + ns(1_000_000_000)), 2);
        assert_eq!(bucket.available(rate, Duration::MAX), 2);
        assert_eq!(size_of::<Bucket>(), 16);
    }

    #[test]
    fn rate_refuses_for_ever_what_exceeds_the_burst() {
        let rate = Rate::new(5, 2);
        assert_eq!(Bucket::full(rate).take(rate, 3, Duration::ZERO), Err(Duration::MAX));
        let none = Rate::new(0, 1);
        let mut bucket = Bucket::full(none);
        assert_eq!(bucket.take(none, 1, Duration::ZERO), Ok(()));
        assert_eq!(bucket.take(none, 1, Duration::MAX), Err(Duration::MAX));
        let nothing = Rate::new(u32::MAX, 0);
        assert_eq!(Bucket::full(nothing).take(nothing, 1, Duration::MAX), Err(Duration::MAX));
        assert_eq!(Bucket::full(nothing).take(nothing, 0, Duration::ZERO), Ok(()));
    }

    #[test]
    fn rate_may_change_and_time_may_go_back() {
        let (large, small) = (Rate::new(1, 100), Rate::new(1, 1));
        let mut bucket = Bucket::full(large);
        assert_eq!(bucket.available(small, Duration::ZERO), 1);
        assert_eq!(bucket.take(small, 1, Duration::from_secs(9)), Ok(()));
        assert_eq!(bucket.available(small, Duration::from_secs(3)), 0);
        let wait = bucket.take(small, 1, Duration::from_secs(3)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(7));
        assert_eq!(bucket.take(small, 1, Duration::from_secs(3) + wait), Ok(()));
    }

    proptest! {
        /// Over any time, no more passes than the burst and what the rate brings.
        #[test]
        fn rate_is_never_exceeded(
            per_second: u32,
            burst: u32,
            steps in prop::collection::vec((0..u64::from(u32::MAX), any::<u32>()), 1..100),
        ) {
            let rate = Rate::new(per_second, burst);
            let mut bucket = Bucket::full(rate);
            let (mut now, mut taken) = (0u64, 0u128);
            for (pause, tokens) in steps {
                now += pause;
                let tokens = if burst == 0 { tokens } else { tokens % burst + tokens % 2 };
                match bucket.take(rate, tokens, ns(now)) {
                    Ok(()) => taken += u128::from(tokens),
                    Err(Duration::MAX) => prop_assert!(tokens > burst || per_second == 0),
                    Err(wait) => {
                        // Exactly as long as was said, and no shorter.
                        let mut early = bucket;
                        let later = ns(now) + wait;
                        let just_before = later.saturating_sub(ns(1));
                        prop_assert!(early.take(rate, tokens, just_before).is_err());
                        let mut there = bucket;
                        prop_assert_eq!(there.take(rate, tokens, later), Ok(()));
                    }
                }
                let brought = u128::from(now) * u128::from(per_second) / u128::from(WHOLE);
                prop_assert!(taken <= u128::from(burst) + brought);
            }
        }

        /// However the time is cut, the same tokens come.
        #[test]
        fn rate_is_unchanged_by_reading_it(
            per_second: u32,
            burst: u32,
            pauses in prop::collection::vec(any::<u32>(), 0..50),
        ) {
            let rate = Rate::new(per_second, burst);
            let mut watched = Bucket { level: 0, at: 0 };
            let mut left_alone = watched;
            let mut now = 0;
            for pause in pauses {
                now += u64::from(pause);
                watched.available(rate, ns(now));
            }
            left_alone.available(rate, ns(now));
            prop_assert_eq!(watched, left_alone);
        }

        /// No time and no number makes it panic or hold more than the burst.
        #[test]
        fn rate_survives_any_numbers(
            per_second: u32,
            burst: u32,
            level in 0..=u64::from(u32::MAX) * WHOLE,
            at: u64,
            tokens: u32,
            seconds: u64,
        ) {
            let rate = Rate::new(per_second, burst);
            let mut bucket = Bucket { level, at };
            let _ = bucket.take(rate, tokens, Duration::new(seconds, 999_999_999));
            prop_assert!(bucket.level <= capacity(rate));
            prop_assert!(bucket.at >= at);
        }
    }
}
