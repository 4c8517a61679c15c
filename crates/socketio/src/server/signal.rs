//! What wakes the task of a connection for something that is not a packet.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A signal to one task. Waiting for it costs less than for a `Notify`, as the waker stays.
#[derive(Default)]
pub(super) struct TaskSignal {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_set: bool,
    waker: Option<Waker>,
}

impl TaskSignal {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the signal, and wakes the task. Setting it again before the task has seen it does
    /// nothing.
    pub(super) fn set(&self) {
        let mut state = self.lock();
        let waker = if state.is_set { None } else { state.waker.clone() };
        state.is_set = true;
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Is ready if the signal is set, and unsets it. Otherwise this task is the one that is woken.
    pub(super) fn poll_set(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_set {
            state.is_set = false;
            return Poll::Ready(());
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            let before = state.waker.replace(cx.waker().clone());
            drop(state);
            // Foreign code, which must not run under the lock.
            drop(before);
        }
        Poll::Pending
    }

    /// Forgets the task, whose memory the waker keeps.
    pub(super) fn forget_task(&self) {
        let waker = self.lock().waker.take();
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn signal_wakes_its_task_once() {
        let signal = Arc::new(TaskSignal::default());
        let task = {
            let signal = signal.clone();
            tokio::spawn(async move { poll_fn(|cx| signal.poll_set(cx)).await })
        };
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        signal.set();
        signal.set();
        task.await.expect("no panic");
        let is_set = poll_fn(|cx| Poll::Ready(signal.poll_set(cx).is_ready())).await;
        assert!(!is_set);
        signal.forget_task();
        assert!(signal.lock().waker.is_none());
    }
}
