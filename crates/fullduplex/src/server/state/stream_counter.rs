//! Counting what stands, to know when nothing does any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many of something stand. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamCounter(Arc<StreamCounterShared>);

#[derive(Debug, Default)]
struct StreamCounterShared {
    count: AtomicUsize,
    /// The last one has gone.
    emptied: Notify,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct StreamGuard(Arc<StreamCounterShared>);

impl StreamCounter {
    /// Counts one more, unless so many stand.
    pub(crate) fn enter(&self, limit: usize) -> Option<StreamGuard> {
        let one_more = |count| (count < limit).then_some(count + 1);
        let entered = self.0.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        entered.ok().map(|_| StreamGuard(self.0.clone()))
    }

    /// Waits until none stands.
    pub(crate) async fn emptied(&self) {
        loop {
            // What is notified from here on is not missed.
            let emptied = self.0.emptied.notified();
            if self.0.count.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn counter_goes_up_to_a_limit_and_down_to_zero() {
        let counter = StreamCounter::default();
        counter.emptied().await;
        let held = [counter.enter(2).unwrap(), counter.enter(2).unwrap()];
        assert!(counter.enter(2).is_none());
        let waiting = tokio::spawn({
            let counter = counter.clone();
            async move { counter.emptied().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        waiting.await.unwrap();
        assert!(counter.enter(1).is_some());
    }
}
