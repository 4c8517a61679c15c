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

use crate::base::deadline::FAR;
use crate::base::guard::caught;
use crate::connection::driver::timer::{DeadlineNanos, Timer};
use crate::connection::driver::{DrivenConnection, Driver};

/// How many are flushed, or fired, before other tasks have their turn: a message to very many
/// takes long.
const TURN: usize = 256;

/// The driver's task.
pub(super) struct DriverTask {
    driver: Arc<Driver>,
    sleep: Pin<Box<Sleep>>,
    armed: DeadlineNanos,
    /// Those whose turn it is; empty between turns.
    turn: Vec<Arc<dyn DrivenConnection>>,
}

impl DriverTask {
    pub(super) fn new(driver: Arc<Driver>) -> Self {
        let sleep = Box::pin(tokio::time::sleep(FAR));
        Self { driver, sleep, armed: DeadlineNanos::NEVER, turn: Vec::new() }
    }

    /// Fires what is due, and gives the next deadline; breaks off when others should have
    /// their turn.
    fn fire(&self) -> ControlFlow<(), DeadlineNanos> {
        for _ in 0..TURN {
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
            if let Some(Reverse(Timer { at, driven })) = timer
                && let Some(strong) = driven.upgrade()
                && let Ok(next) = caught(|| strong.fire(at, now))
                && next != DeadlineNanos::NEVER
            {
                self.driver.shared.lock().timers.push(Reverse(Timer { at: next, driven }));
            }
        }
        ControlFlow::Break(())
    }
}

impl Future for DriverTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let mut shared = this.driver.shared.lock();
        if !shared.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            shared.waker = Some(cx.waker().clone());
        }
        let turn = shared.deferred.len().min(TURN);
        this.turn.extend(shared.deferred.drain(..turn));
        let dropping = std::mem::take(&mut shared.dropping);
        drop(shared);
        drop_each(dropping);
        for driven in this.turn.drain(..) {
            // What it calls of others it guards itself. This keeps the others' time whatever
            // happens, as the task is that of all connections.
            let _ = caught(|| driven.flush_deferred());
        }
        let mut shared = this.driver.shared.lock();
        if !shared.deferred.is_empty() {
            cx.waker().wake_by_ref();
        } else if shared.deferred.capacity() > 4 * TURN {
            // What a message to many left behind.
            shared.deferred.shrink_to(TURN);
        }
        drop(shared);
        loop {
            let ControlFlow::Continue(next) = this.fire() else {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            };
            if next != this.armed {
                this.armed = next;
                let at = this.driver.epoch.checked_add(Duration::from_nanos(next.0));
                let at = at.filter(|_| next != DeadlineNanos::NEVER);
                this.sleep.as_mut().reset(at.unwrap_or_else(|| Instant::now() + FAR));
            }
            if next == DeadlineNanos::NEVER || this.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for DriverTask {
    /// The runtime is shut down; a new one on this thread gets a new driver.
    fn drop(&mut self) {
        let mut shared = self.driver.shared.lock();
        // With the lock held, so that nothing comes after.
        self.driver.gone.store(true, Relaxed);
        let (deferred, dropping) =
            (std::mem::take(&mut shared.deferred), std::mem::take(&mut shared.dropping));
        let timers = std::mem::take(&mut shared.timers);
        drop(shared);
        drop(timers);
        drop_each(deferred);
        drop_each(dropping);
    }
}

/// Drops things that may run foreign code, each by itself.
fn drop_each<T>(all: impl IntoIterator<Item = T>) {
    for each in all {
        let _ = caught(|| drop(each));
    }
}
