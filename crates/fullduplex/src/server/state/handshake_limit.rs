//! A limit on the number of pending opening handshakes.
//!
//! Beyond the limit the oldest is ended: an honest client is done within a round trip, while a
//! client that only wants to occupy the server has been pending for longest.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::base::sync::Mutex;
use crate::server::state::connection_limit::LimitReached;

/// The time that an honest handshake may take, also over a bad line, before it is ended in favor
/// of another connection.
const HONEST: Duration = Duration::from_secs(1);

/// A limiter of pending handshakes.
#[derive(Debug)]
pub(crate) struct HandshakeLimiter {
    limit: AtomicUsize,
    count: Arc<AtomicUsize>,
    /// The pending handshakes, the oldest first. Finished ones are removed lazily.
    queue: Mutex<HandshakeQueue>,
}

type HandshakeQueue = VecDeque<(Weak<Notify>, Instant)>;

/// A pending handshake, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct PendingHandshake {
    evicted: Arc<Notify>,
    count: Arc<AtomicUsize>,
}

impl HandshakeLimiter {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1).into(), count: Arc::default(), queue: Mutex::default() }
    }

    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit.max(1), Ordering::Relaxed);
    }

    fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Returns whether more than half of the limit is in use.
    #[cfg(feature = "http3")]
    pub(crate) fn is_busy(&self) -> bool {
        self.count.load(Ordering::Relaxed) > self.limit() / 2
    }

    /// Counts one more handshake, and ends the oldest if that exceeds the limit. Returns whether
    /// it did.
    pub(crate) fn enter(&self) -> (PendingHandshake, bool) {
        let pending =
            PendingHandshake { evicted: Arc::new(Notify::new()), count: self.count.clone() };
        let mut queue = self.queue.lock();
        // Most finish in the order in which they began.
        while queue.front().is_some_and(|(entry, _)| entry.strong_count() == 0) {
            queue.pop_front();
        }
        if queue.len() > self.limit().saturating_mul(2) {
            queue.retain(|(entry, _)| entry.strong_count() > 0);
        }
        queue.push_back((Arc::downgrade(&pending.evicted), Instant::now()));
        let full = self.count.fetch_add(1, Ordering::Relaxed) >= self.limit();
        if full {
            evict_oldest(&mut queue, |_| true);
        }
        (pending, full)
    }

    /// Ends the oldest handshake if it is slow, after a connection was rejected because the total
    /// limit is reached. A handshake that is nearly done is not ended for one that has yet to
    /// begin, nor is any for an address that has used up its own limit.
    pub(crate) fn evict_slow_for(&self, limit: LimitReached) {
        let LimitReached::Total(_) = limit else { return };
        let mut queue = self.queue.lock();
        evict_oldest(&mut queue, |since| since.elapsed() > HONEST);
    }

    /// Ends all pending handshakes, as the server shuts down.
    pub(crate) fn evict_all(&self) {
        let mut queue = self.queue.lock();
        queue.drain(..).filter_map(|(entry, _)| entry.upgrade()).for_each(|one| one.notify_one());
    }

    /// Ends the oldest eighth of the pending handshakes, at least one.
    pub(crate) fn evict_some(&self) {
        let mut queue = self.queue.lock();
        for _ in 0..self.count.load(Ordering::Relaxed).div_ceil(8) {
            evict_oldest(&mut queue, |_| true);
        }
    }
}

/// Ends the oldest pending handshake, if `may_evict` says so of its start.
fn evict_oldest(queue: &mut HandshakeQueue, may_evict: impl Fn(&Instant) -> bool) {
    while let Some((oldest, since)) = queue.front() {
        // Upgraded before the check, so that it can't finish in between and a younger one be ended.
        let oldest = oldest.upgrade();
        if oldest.is_some() && !may_evict(since) {
            return;
        }
        queue.pop_front();
        if let Some(oldest) = oldest {
            // `Notify` stores the permit until the handshake waits for it.
            oldest.notify_one();
            return;
        }
    }
}

impl PendingHandshake {
    /// Waits until this handshake has to end.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for PendingHandshake {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn handshake_limit_ends_the_oldest() {
        let handshakes = HandshakeLimiter::new(2);
        let (first, full) = handshakes.enter();
        assert!(!full);
        let (second, full) = handshakes.enter();
        assert!(!full);
        drop(first);
        let (_third, full) = handshakes.enter();
        assert!(!full, "the first is done");
        let (_fourth, full) = handshakes.enter();
        assert!(full);
        second.evicted().await;
    }

    #[tokio::test]
    async fn handshake_limit_makes_room_from_the_oldest_on() {
        let handshakes = HandshakeLimiter::new(100);
        let pending: Vec<_> = (0..9).map(|_| handshakes.enter().0).collect();
        handshakes.evict_some();
        pending[0].evicted().await;
        pending[1].evicted().await;
        let third = pending[2].evicted();
        assert!(tokio::time::timeout(Duration::ZERO, third).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn handshake_limit_ends_slow_handshakes_for_new_connections() {
        let handshakes = HandshakeLimiter::new(100);
        let is_evicted = async |pending: &PendingHandshake| {
            tokio::time::timeout(Duration::ZERO, pending.evicted()).await.is_ok()
        };
        let (done, _) = handshakes.enter();
        let (slow, _) = handshakes.enter();
        tokio::time::advance(Duration::from_millis(1500)).await;
        let (quick, _) = handshakes.enter();
        drop(done);
        handshakes.evict_slow_for(LimitReached::PerAddress(1));
        assert!(!is_evicted(&slow).await, "the address that asks for more has its own places");
        handshakes.evict_slow_for(LimitReached::Total(3));
        handshakes.evict_slow_for(LimitReached::Total(3));
        assert!(is_evicted(&slow).await);
        assert!(!is_evicted(&quick).await);
    }

    #[test]
    fn handshake_limit_leaves_out_finished_handshakes() {
        let handshakes = HandshakeLimiter::new(4);
        for _ in 0..1000 {
            drop(handshakes.enter());
        }
        assert!(handshakes.queue.lock().len() <= 10);
    }
}
