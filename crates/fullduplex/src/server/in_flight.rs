//! A bound on the opening handshakes that are under way.
//!
//! When there are too many, the oldest gives way: a client that means it is done within a
//! round trip, while one that only wants to hold a place has held it longest.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

/// The handshakes under way.
#[derive(Debug)]
pub(crate) struct InFlight {
    limit: usize,
    count: Arc<AtomicUsize>,
    /// The oldest first; those that are done are taken out now and then.
    queue: Mutex<VecDeque<Weak<Notify>>>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Ticket {
    evicted: Arc<Notify>,
    count: Arc<AtomicUsize>,
}

impl InFlight {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), count: Arc::default(), queue: Mutex::default() }
    }

    /// Whether more than half of the places are taken.
    #[cfg(feature = "http3")]
    pub(crate) fn is_busy(&self) -> bool {
        self.count.load(Ordering::Relaxed) > self.limit / 2
    }

    /// Counts one more, and makes the oldest give way if that is too many. Gives whether one
    /// had to.
    pub(crate) fn enter(&self) -> (Ticket, bool) {
        let ticket = Ticket { evicted: Arc::new(Notify::new()), count: self.count.clone() };
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() > 2 * self.limit {
            queue.retain(|entry| entry.strong_count() > 0);
        }
        queue.push_back(Arc::downgrade(&ticket.evicted));
        let full = self.count.fetch_add(1, Ordering::Relaxed) >= self.limit;
        if full {
            while let Some(oldest) = queue.pop_front() {
                if let Some(oldest) = oldest.upgrade() {
                    // Kept until it is looked at.
                    oldest.notify_one();
                    break;
                }
            }
        }
        (ticket, full)
    }
}

impl Ticket {
    /// Waits until this handshake has to give way.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Finds out that a connection of many streams has had none for a while, by a look at it now
/// and then.
#[cfg(any(feature = "http2", feature = "http3"))]
#[derive(Default)]
pub(crate) struct Idle(bool);

#[cfg(any(feature = "http2", feature = "http3"))]
impl Idle {
    /// Whether it is idle, and was so the last time.
    pub(crate) fn tick(&mut self, is_idle: bool) -> bool {
        std::mem::replace(&mut self.0, is_idle) && is_idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_way() {
        let in_flight = InFlight::new(2);
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

    #[test]
    fn those_that_are_done_take_no_room() {
        let in_flight = InFlight::new(4);
        for _ in 0..1000 {
            drop(in_flight.enter());
        }
        assert!(in_flight.queue.lock().unwrap().len() <= 10);
    }
}
