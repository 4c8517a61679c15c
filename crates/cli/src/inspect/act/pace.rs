//! Bytes that pass later: `--delay` and `--rate`.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The bytes that wait at most before no more are read.
const MAX_WAITING: usize = 1 << 20;

/// The parts of a second in which a rate is kept.
const PARTS: u64 = 20;

/// The bytes of a direction that wait for their time.
#[derive(Debug)]
pub(in crate::inspect) struct Pace {
    delay: Duration,
    rate: Option<u64>,
    pieces: VecDeque<(Instant, Vec<u8>)>,
    len: usize,
    /// When the rate allows more.
    next: Option<Instant>,
}

impl Pace {
    pub(in crate::inspect) fn new(delay: Option<Duration>, rate: Option<u64>) -> Self {
        let delay = delay.unwrap_or_default();
        Self { delay, rate, pieces: VecDeque::new(), len: 0, next: None }
    }

    /// Returns whether bytes pass at once.
    pub(in crate::inspect) fn is_immediate(&self) -> bool {
        self.delay.is_zero() && self.rate.is_none()
    }

    /// Returns whether no more is to be read.
    pub(in crate::inspect) fn is_full(&self) -> bool {
        self.len >= MAX_WAITING || (self.rate.is_some() && self.len > 0 && self.delay.is_zero())
    }

    /// Adds bytes.
    pub(in crate::inspect) fn push(&mut self, bytes: Vec<u8>, now: Instant) {
        if !bytes.is_empty() {
            self.len += bytes.len();
            self.pieces.push_back((now + self.delay, bytes));
        }
    }

    /// Returns when the next bytes may pass; `None` if there are none.
    pub(in crate::inspect) fn due(&self) -> Option<Instant> {
        let (at, _) = self.pieces.front()?;
        Some(self.next.map_or(*at, |next| next.max(*at)))
    }

    /// Takes bytes that may pass now.
    pub(in crate::inspect) fn take(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.due()? > now {
            return None;
        }
        let (at, mut piece) = self.pieces.pop_front()?;
        if let Some(rate) = self.rate {
            let part = usize::try_from(rate / PARTS).unwrap_or(usize::MAX).max(1);
            if piece.len() > part {
                let rest = piece.split_off(part);
                self.pieces.push_front((at, rest));
            }
            let nanos = piece.len() as u64 * 1_000_000_000 / rate;
            // Counted from when they were due: a timer that is late does not lower the rate.
            let from = self.next.filter(|next| now - *next < Duration::from_millis(100));
            self.next = Some(from.unwrap_or(now) + Duration::from_nanos(nanos));
        }
        self.len -= piece.len();
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pace_keeps_a_delay_and_a_rate() {
        let begin = Instant::now();
        let mut pace = Pace::new(Some(Duration::from_millis(200)), Some(1000));
        pace.push(vec![1; 600], begin);
        pace.push(vec![2; 400], begin);
        assert_eq!(pace.take(begin), None);
        let (mut now, mut all) = (begin, Vec::new());
        while let Some(due) = pace.due() {
            now = now.max(due);
            all.extend(pace.take(now).unwrap());
        }
        assert_eq!(all, [vec![1; 600], vec![2; 400]].concat());
        // The last part begins when the others have had their time.
        assert_eq!(now - begin, Duration::from_millis(200 + 950));
    }

    #[test]
    fn pace_is_full_in_bounds() {
        let mut pace = Pace::new(Some(Duration::from_secs(60)), None);
        while !pace.is_full() {
            pace.push(vec![0; 16 << 10], Instant::now());
        }
        assert_eq!(pace.len, 1 << 20);
        let mut pace = Pace::new(None, Some(10));
        assert!(!pace.is_immediate() && !pace.is_full());
        pace.push(vec![0; 11], Instant::now());
        assert!(pace.is_full());
    }
}
