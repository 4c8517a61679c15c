//! A bound on the opening handshakes that are under way.
//!
//! When there are too many, the oldest gives way: a client that means it is done within a
//! round trip, while one that only wants to hold a place has held it longest.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::base::sync::Mutex;
use crate::server::state::connection_limit::LimitReached;

/// The handshakes under way.
#[derive(Debug)]
pub(crate) struct HandshakeLimiter {
    limit: AtomicUsize,
    count: Arc<AtomicUsize>,
    /// The oldest first; those that are done are taken out now and then.
    queue: Mutex<HandshakeQueue>,
}

type HandshakeQueue = VecDeque<(Weak<Notify>, Instant)>;

/// So long an honest handshake may take, also over a bad line, before it gives way to another
/// connection.
const HONEST: Duration = Duration::from_secs(1);

/// One of them.
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

    /// Whether more than half of the places are taken.
    #[cfg(feature = "http3")]
    pub(crate) fn is_busy(&self) -> bool {
        self.count.load(Ordering::Relaxed) > self.limit() / 2
    }

    /// Counts one more, and makes the oldest give way if that is too many. Gives whether one
    /// had to.
    pub(crate) fn enter(&self) -> (PendingHandshake, bool) {
        let ticket =
            PendingHandshake { evicted: Arc::new(Notify::new()), count: self.count.clone() };
        let mut queue = self.queue.lock();
        // Most are done in the order in which they came.
        while queue.front().is_some_and(|(entry, _)| entry.strong_count() == 0) {
            queue.pop_front();
        }
        if queue.len() > self.limit().saturating_mul(2) {
            queue.retain(|(entry, _)| entry.strong_count() > 0);
        }
        queue.push_back((Arc::downgrade(&ticket.evicted), Instant::now()));
        let full = self.count.fetch_add(1, Ordering::Relaxed) >= self.limit();
        if full {
            evict_oldest(&mut queue, |_| true);
        }
        (ticket, full)
    }

    /// Makes the oldest give way, if it has taken longer than one should, where there is no room
    /// for connections at all. One that is nearly done is not given up for one that has yet to
    /// begin, and none for an address that has all of its own places.
    pub(crate) fn make_way_for(&self, refused: LimitReached) {
        let LimitReached::Total(_) = refused else { return };
        let mut queue = self.queue.lock();
        evict_oldest(&mut queue, |since| since.elapsed() > HONEST);
    }

    /// Makes all give way: the server ends.
    pub(crate) fn evict_all(&self) {
        let mut queue = self.queue.lock();
        queue.drain(..).filter_map(|(entry, _)| entry.upgrade()).for_each(|one| one.notify_one());
    }

    /// Makes some of the oldest give way: one in eight, and one at least.
    pub(crate) fn make_room(&self) {
        let mut queue = self.queue.lock();
        for _ in 0..self.count.load(Ordering::Relaxed).div_ceil(8) {
            evict_oldest(&mut queue, |_| true);
        }
    }
}

/// Makes the oldest that is not done give way, if it may by the time when it came.
fn evict_oldest(queue: &mut HandshakeQueue, may: impl Fn(&Instant) -> bool) {
    while let Some((oldest, since)) = queue.front() {
        // Held while its time is looked at, so that no younger one goes in its place.
        let oldest = oldest.upgrade();
        if oldest.is_some() && !may(since) {
            return;
        }
        queue.pop_front();
        if let Some(oldest) = oldest {
            // Kept until it is looked at.
            oldest.notify_one();
            return;
        }
    }
}

impl PendingHandshake {
    /// Waits until this handshake has to give way.
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
        let in_flight = HandshakeLimiter::new(2);
        let (first, full) = in_flight.enter();
        assert!(!full);
        let (second, full) = in_flight.enter();
        assert!(!full);
        drop(first);
        let (_third, full) = in_flight.enter();
        assert!(!full, "the first is done");
        let (_fourth, full) = in_flight.enter();
        assert!(full);
        second.evicted().await;
    }

    #[tokio::test]
    async fn handshake_limit_makes_room_from_the_oldest_on() {
        let in_flight = HandshakeLimiter::new(100);
        let tickets: Vec<_> = (0..9).map(|_| in_flight.enter().0).collect();
        in_flight.make_room();
        tickets[0].evicted().await;
        tickets[1].evicted().await;
        let third = tickets[2].evicted();
        assert!(tokio::time::timeout(Duration::ZERO, third).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn handshake_limit_ends_slow_handshakes_for_new_connections() {
        let in_flight = HandshakeLimiter::new(100);
        let gives_way = async |ticket: &PendingHandshake| {
            tokio::time::timeout(Duration::ZERO, ticket.evicted()).await.is_ok()
        };
        let (done, _) = in_flight.enter();
        let (slow, _) = in_flight.enter();
        tokio::time::advance(Duration::from_millis(1500)).await;
        let (quick, _) = in_flight.enter();
        drop(done);
        in_flight.make_way_for(LimitReached::PerAddress(1));
        assert!(!gives_way(&slow).await, "the address that asks for more has its own places");
        in_flight.make_way_for(LimitReached::Total(3));
        in_flight.make_way_for(LimitReached::Total(3));
        assert!(gives_way(&slow).await);
        assert!(!gives_way(&quick).await);
    }

    #[test]
    fn handshake_limit_leaves_out_finished_handshakes() {
        let in_flight = HandshakeLimiter::new(4);
        for _ in 0..1000 {
            drop(in_flight.enter());
        }
        assert!(in_flight.queue.lock().len() <= 10);
    }
}
