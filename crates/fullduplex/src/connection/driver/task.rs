//! The task of a driver.

use std::cmp::Reverse;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::base::deadline::MAX_WAIT;
use crate::base::guard::caught;
use crate::connection::driver::timer::{DeadlineNanos, Timer};
use crate::connection::driver::{DrivenConnection, Driver};

/// The most connections that are flushed in one turn of the task, and the most timers that expire
/// in one. Then other tasks run: a message to a large group takes long.
const MAX_BATCH: usize = 256;

/// The background task of a [`Driver`].
pub(super) struct DriverTask {
    driver: Arc<Driver>,
    sleep: Pin<Box<Sleep>>,
    /// The deadline that `sleep` is set to.
    armed: DeadlineNanos,
    /// The connections to flush in this turn. Empty between turns, and kept for its memory.
    batch: Vec<Arc<dyn DrivenConnection>>,
}

impl DriverTask {
    pub(super) fn new(driver: Arc<Driver>) -> Self {
        let sleep = Box::pin(tokio::time::sleep(MAX_WAIT));
        Self { driver, sleep, armed: DeadlineNanos::NEVER, batch: Vec::new() }
    }

    /// Runs the timers that are due, and returns the next deadline. Breaks if more are due than
    /// one turn may run.
    fn run_timers(&self) -> ControlFlow<(), DeadlineNanos> {
        for _ in 0..MAX_BATCH {
            let now = self.driver.now();
            let mut shared = self.driver.shared.lock();
            match shared.timers.peek() {
                Some(Reverse(next)) if next.at <= DeadlineNanos::new(Some(now)) => {}
                next => {
                    let next = next.map_or(DeadlineNanos::NEVER, |Reverse(next)| next.at);
                    return ControlFlow::Continue(next);
                }
            }
            let timer = shared.timers.pop();
            drop(shared);
            // Without the lock: the connection may schedule, defer, or be dropped here.
            if let Some(Reverse(Timer { at, connection })) = timer
                && let Some(strong) = connection.upgrade()
                && let Ok(next) = caught(|| strong.on_timer(at, now))
                && next != DeadlineNanos::NEVER
            {
                self.driver.shared.lock().timers.push(Reverse(Timer { at: next, connection }));
            }
        }
        ControlFlow::Break(())
    }
}

impl Future for DriverTask {
    type Output = ();

    // One turn: drop what was left to it, flush a batch, run the timers that are due.
    //
    // No wake-up is lost. The waker is stored under the lock that guards the queues, before they
    // are looked at: what is added after that finds the waker. What is added before is taken here,
    // or left for the next turn, for which the task wakes itself.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let mut shared = this.driver.shared.lock();
        if !shared.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            shared.waker = Some(cx.waker().clone());
        }
        let batch = shared.deferred.len().min(MAX_BATCH);
        this.batch.extend(shared.deferred.drain(..batch));
        let dropping = std::mem::take(&mut shared.dropping);
        drop(shared);
        drop_each(dropping);
        for connection in this.batch.drain(..) {
            // The connection guards calls of foreign code itself. This is for any other panic: it
            // would end the task, and with it the timers of all connections.
            let _ = caught(|| connection.flush_deferred());
        }
        let mut shared = this.driver.shared.lock();
        if !shared.deferred.is_empty() {
            cx.waker().wake_by_ref();
        } else if shared.deferred.capacity() > 4 * MAX_BATCH {
            // It grew for a message to a large group.
            shared.deferred.shrink_to(MAX_BATCH);
        }
        drop(shared);
        loop {
            let ControlFlow::Continue(next) = this.run_timers() else {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            };
            if next != this.armed {
                this.armed = next;
                let at = this.driver.epoch.checked_add(Duration::from_nanos(next.0));
                let at = at.filter(|_| next != DeadlineNanos::NEVER);
                this.sleep.as_mut().reset(at.unwrap_or_else(|| Instant::now() + MAX_WAIT));
            }
            if next == DeadlineNanos::NEVER || this.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for DriverTask {
    /// Marks the driver as shut down, as its runtime is. The next runtime has a new driver.
    fn drop(&mut self) {
        let mut shared = self.driver.shared.lock();
        // With the lock held, so that nothing is added later.
        self.driver.shut_down.store(true, Relaxed);
        let (deferred, dropping) =
            (std::mem::take(&mut shared.deferred), std::mem::take(&mut shared.dropping));
        let timers = std::mem::take(&mut shared.timers);
        drop(shared);
        drop(timers);
        drop_each(deferred);
        drop_each(dropping);
    }
}

/// Drops values that may run foreign code, each guarded: one that panics does not keep the others.
fn drop_each<T>(all: impl IntoIterator<Item = T>) {
    for each in all {
        let _ = caught(|| drop(each));
    }
}
