//! A counter of the streams that a connection serves, which can be waited on to reach zero.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::transport::addresses::ConnectionAddresses;

/// A counter of the open streams of a connection. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct StreamCounter(Arc<StreamCounterShared>);

#[derive(Debug)]
struct StreamCounterShared {
    addresses: ConnectionAddresses,
    count: AtomicUsize,
    /// Notified when the last guard is dropped.
    emptied: Notify,
}

/// A guard of a counted stream; dropping it counts the stream down.
#[derive(Debug)]
pub(crate) struct StreamGuard(Arc<StreamCounterShared>);

impl StreamCounter {
    /// Creates the counter of a connection with these addresses.
    pub(crate) fn new(addresses: ConnectionAddresses) -> Self {
        let (count, emptied) = (AtomicUsize::new(0), Notify::new());
        Self(Arc::new(StreamCounterShared { addresses, count, emptied }))
    }

    /// Counts one more stream; returns `None` if `limit` are open.
    pub(crate) fn try_enter(&self, limit: usize) -> Option<StreamGuard> {
        let one_more = |count| (count < limit).then_some(count + 1);
        let entered = self.0.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        entered.ok().map(|_| StreamGuard(self.0.clone()))
    }

    /// Waits until no stream is open.
    pub(crate) async fn emptied(&self) {
        loop {
            // Registered before the count is read, so that no wake-up is lost between the two.
            let emptied = self.0.emptied.notified();
            if self.0.count.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl AsRef<ConnectionAddresses> for StreamGuard {
    fn as_ref(&self) -> &ConnectionAddresses {
        &self.0.addresses
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
        let counter = StreamCounter::new(ConnectionAddresses::default());
        counter.emptied().await;
        let held = [counter.try_enter(2).unwrap(), counter.try_enter(2).unwrap()];
        assert!(counter.try_enter(2).is_none());
        let waiting = tokio::spawn({
            let counter = counter.clone();
            async move { counter.emptied().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        waiting.await.unwrap();
        assert!(counter.try_enter(1).is_some());
    }
}
