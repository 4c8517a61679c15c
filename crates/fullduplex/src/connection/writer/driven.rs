//! How a writer is driven by its transport's waker and by the driver of its runtime.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Wake;
use std::time::Duration;

use fullduplex_proto::{CloseCause, CloseFrame, ReadyState};

use crate::base::guard;
use crate::base::guard::{DeferredDrop, caught};
use crate::connection::driver::{DeadlineNanos, DrivenConnection};
use crate::connection::stats::ConnectionStats;
use crate::connection::writer::Writer;
use crate::transport::Transport;

/// The transport takes bytes again: the driver writes on.
pub(crate) struct WriteWaker<S>(Weak<Writer<S>>);

impl<S> WriteWaker<S> {
    pub(super) fn new(writer: &Arc<Writer<S>>) -> Self {
        Self(Arc::downgrade(writer))
    }
}

impl<S: Transport> Wake for WriteWaker<S> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(writer) = self.0.upgrade() {
            writer.defer();
            if let Err(last) = writer.release() {
                // In the middle of a poll, whose lock is held, it waits for the end of that.
                if guard::polls_transport() {
                    guard::hold(DeferredDrop::Call(Box::new(|| drop(last))));
                } else {
                    let _ = caught(|| drop(last));
                }
            }
        }
    }
}

impl<S: Transport> DrivenConnection for Writer<S> {
    fn flush_deferred(self: Arc<Self>) {
        // Before writing: a wake during it must bring another turn.
        self.deferred.store(false, Ordering::Release);
        let mut inner = self.lock();
        inner.hot = false;
        self.write(&mut inner);
    }

    fn fire(self: Arc<Self>, at: DeadlineNanos, now: Duration) -> DeadlineNanos {
        let mut inner = self.lock();
        if inner.scheduled != at {
            return DeadlineNanos::NEVER;
        }
        inner.session.record_received_total(self.counters.received.wire_total());
        if self.talked.swap(false, Ordering::Relaxed) {
            inner.session.record_message();
        }
        let listening = self.listening.load(Ordering::Relaxed) && !inner.write_half.has_unread();
        inner.session.set_listening(listening);
        if inner.session.handle_timeout(now) {
            inner.wake_reader();
            inner.wake_waiters();
        } else {
            self.write(&mut inner);
            if inner.session.state() != ReadyState::Open {
                // Those who wait for room wait in vain.
                inner.wake_waiters();
            }
        }
        inner.scheduled = DeadlineNanos::new(inner.session.poll_timeout());
        inner.scheduled
    }

    fn close(self: Arc<Self>, frame: Option<CloseFrame>) -> bool {
        Writer::close(&self, frame)
    }

    fn stats(&self) -> ConnectionStats {
        self.counters.read()
    }

    fn cut(self: Arc<Self>) {
        let mut inner = self.lock();
        inner.cut(CloseCause::Dropped, self.driver.now());
    }
}
