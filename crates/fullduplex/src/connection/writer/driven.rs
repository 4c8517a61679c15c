//! How a writer is driven by its transport's waker and by the driver of its runtime.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Wake;
use std::time::Duration;

use fullduplex_proto::{CloseCause, CloseFrame, ReadyState};

use crate::base::guard;
use crate::base::guard::{DeferredDrop, caught};
use crate::base::stats::ConnectionStats;
use crate::connection::driver::{DeadlineNanos, DrivenConnection};
use crate::connection::writer::Writer;
use crate::transport::Transport;

/// The waker of the transport's writing side, which has the driver write on.
///
/// It does not keep the writer: the writer owns the transport, which keeps the waker.
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
            if let Err(last) = writer.drop_reference() {
                // Within a poll of a transport a lock is held: it is dropped after the poll.
                if guard::polls_transport() {
                    guard::defer_drop(DeferredDrop::Call(Box::new(|| drop(last))));
                } else {
                    let _ = caught(|| drop(last));
                }
            }
        }
    }
}

impl<S: Transport> DrivenConnection for Writer<S> {
    fn flush_deferred(self: Arc<Self>) {
        // Cleared before writing: a wake-up during the write must bring another turn.
        self.deferred.store(false, Ordering::Release);
        let mut state = self.lock();
        state.wrote_this_turn = false;
        self.write(&mut state);
    }

    fn on_timer(self: Arc<Self>, at: DeadlineNanos, now: Duration) -> DeadlineNanos {
        let mut state = self.lock();
        if state.scheduled != at {
            return DeadlineNanos::NEVER;
        }
        state.session.record_received_total(self.counters.received.wire_total());
        if self.saw_message.swap(false, Ordering::Relaxed) {
            state.session.record_message();
        }
        let is_reading =
            self.app_is_reading.load(Ordering::Relaxed) && !state.write_half.has_unread();
        state.session.set_listening(is_reading);
        if state.session.handle_timeout(now) {
            state.wake_reader();
            state.wake_waiters();
        } else {
            self.write(&mut state);
            if state.session.state() != ReadyState::Open {
                // There will be no capacity any more for the tasks that wait for it.
                state.wake_waiters();
            }
        }
        state.scheduled = DeadlineNanos::new(state.session.poll_timeout());
        state.scheduled
    }

    fn close(self: Arc<Self>, frame: Option<CloseFrame>) -> bool {
        Writer::close(&self, frame)
    }

    fn stats(&self) -> ConnectionStats {
        self.counters.snapshot()
    }

    fn cut(self: Arc<Self>) {
        let mut state = self.lock();
        state.cut(CloseCause::Dropped, self.driver.now());
    }
}
