//! A harness for cancellation: futures are dropped where they wait.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Polls a future as often as its task is woken, until it is ready or has been pending
/// `times` times; then drops it.
pub async fn poll_at_most<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut pending = 0;
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if pending + 1 >= times => Poll::Ready(None),
        Poll::Pending => {
            pending += 1;
            Poll::Pending
        }
    })
    .await
}

/// Runs a future to its end in spite of drops: `make` makes it anew each time, and it is
/// dropped when it has been pending once, then twice, and so on up to `most` times, and
/// from there always after `most`. A yield between lets others run.
///
/// For an operation that is safe to cancel, what comes out is the same as if it had been
/// awaited once.
pub async fn retry_cancelled<T>(most: usize, mut make: impl AsyncFnMut(usize) -> Option<T>) -> T {
    let mut times = 1;
    loop {
        if let Some(output) = make(times).await {
            return output;
        }
        times = (times + 1).min(most);
        yield_now().await;
    }
}

/// Lets other tasks run.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls once, without a task.
pub fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A waker that counts how often it was woken.
#[derive(Debug, Default)]
pub struct CountingWaker(AtomicUsize);

impl CountingWaker {
    /// Returns a counter, and the waker that increments it.
    pub fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::new(Self::default());
        (counter.clone(), Waker::from(counter))
    }

    /// Returns how often it was woken.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cancel_drops_a_future_after_a_number_of_waits() {
        let twice = || async {
            yield_now().await;
            yield_now().await;
            7
        };
        assert_eq!(poll_at_most(twice(), 2).await, None);
        assert_eq!(poll_at_most(twice(), 3).await, Some(7));
        assert_eq!(retry_cancelled(5, async |n| poll_at_most(twice(), n).await).await, 7);
    }

    #[test]
    fn cancel_counts_wakes() {
        let (counter, waker) = CountingWaker::new();
        waker.wake_by_ref();
        waker.wake();
        assert_eq!(counter.count(), 2);
    }
}
