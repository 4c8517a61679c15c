//! The futures that run in the task of one connection.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use crate::recovery::BoxFuture;

/// The error for foreign code that has panicked. The panic hook has printed the panic.
#[derive(Debug)]
pub(super) struct Panicked;

/// Calls foreign code and catches its panic.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        // The payload of a panic is foreign, too.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
        Panicked
    })
}

/// Futures with a key each, polled by one task. There are few, so that all are polled at each wake.
pub(super) struct Tasks<K, T> {
    running: Vec<(K, BoxFuture<'static, T>)>,
}

impl<K, T> Tasks<K, T> {
    pub(super) fn new() -> Self {
        Self { running: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn push(&mut self, key: K, future: impl Future<Output = T> + Send + 'static) {
        self.running.push((key, Box::pin(future)));
    }

    /// Polls a future once. Returns its output if it is done, and otherwise keeps it.
    pub(super) fn start(
        &mut self,
        key: K,
        future: impl Future<Output = T> + Send + 'static,
        cx: &mut Context<'_>,
    ) -> Option<(K, Result<T, Panicked>)> {
        let mut future: BoxFuture<'static, T> = Box::pin(future);
        match poll_caught(&mut future, cx) {
            Poll::Ready(output) => Some((key, ended(future, output))),
            Poll::Pending => {
                self.running.push((key, future));
                None
            }
        }
    }

    /// Waits until a future is done, or for ever if there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> (K, Result<T, Panicked>) {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(K, Result<T, Panicked>)> {
        for index in 0..self.running.len() {
            let Some((_, future)) = self.running.get_mut(index) else { break };
            let Poll::Ready(output) = poll_caught(future, cx) else { continue };
            let (key, future) = self.running.remove(index);
            if self.running.is_empty() {
                self.running = Vec::new();
            }
            return Poll::Ready((key, ended(future, output)));
        }
        Poll::Pending
    }
}

/// Polls a future of foreign code.
fn poll_caught<T>(
    future: &mut BoxFuture<'static, T>,
    cx: &mut Context<'_>,
) -> Poll<Result<T, Panicked>> {
    match caught(|| future.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
    }
}

/// Drops a future that is done. What it holds is foreign code, whose panic takes the place of the
/// output.
fn ended<T>(future: BoxFuture<'static, T>, output: Result<T, Panicked>) -> Result<T, Panicked> {
    caught(|| drop(future)).and(output)
}

impl<K, T> Drop for Tasks<K, T> {
    fn drop(&mut self) {
        for (_, future) in self.running.drain(..) {
            let _ = caught(|| drop(future));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_end_in_the_order_in_which_they_are_done() {
        let mut tasks = Tasks::new();
        let (send, receive) = tokio::sync::oneshot::channel::<u8>();
        tasks.push("waits", async move { receive.await.unwrap_or(0) });
        tasks.push("is done", async { 1 });
        tasks.push("panics", async { panic!("on purpose") });
        let (key, output) = tasks.next().await;
        assert_eq!((key, output.expect("an output")), ("is done", 1));
        let (key, output) = tasks.next().await;
        assert!(key == "panics" && output.is_err());
        send.send(2).expect("the task waits");
        let (key, output) = tasks.next().await;
        assert_eq!((key, output.expect("an output")), ("waits", 2));
        assert!(tasks.is_empty());
    }

    #[tokio::test]
    async fn tasks_keep_only_what_waits() {
        let mut tasks = Tasks::new();
        let (send, receive) = tokio::sync::oneshot::channel::<u8>();
        poll_fn(|cx| {
            let done = tasks.start("is done", async { 1 }, cx);
            assert!(matches!(done, Some(("is done", Ok(1)))) && tasks.is_empty());
            let panicked = tasks.start("panics", async { panic!("on purpose") }, cx);
            assert!(matches!(panicked, Some(("panics", Err(Panicked)))) && tasks.is_empty());
            Poll::Ready(())
        })
        .await;
        let waits = async move { receive.await.unwrap_or(0) };
        let mut waits = Some(waits);
        poll_fn(|cx| {
            let waits = waits.take().expect("one poll");
            assert!(tasks.start("waits", waits, cx).is_none());
            Poll::Ready(())
        })
        .await;
        send.send(2).expect("the task waits");
        let (key, output) = tasks.next().await;
        assert_eq!((key, output.expect("an output")), ("waits", 2));
    }
}
