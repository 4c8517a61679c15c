//! How a connection is closed, ended and dropped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use fullduplex_proto::close::InvalidClose;
use fullduplex_proto::{CloseCause, CloseCode, CloseFrame, CloseInfo, ReadyState};

use crate::base::guard::caught;
use crate::connection::writer::waiters::WaiterKey;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

/// Returns the Close frame for a code and a reason of the application, or `None` for a Close
/// without a code: that is what 1005 means (RFC 6455 §7.4.1).
pub(crate) fn close_frame(
    code: CloseCode,
    reason: &str,
) -> Result<Option<CloseFrame>, InvalidClose> {
    if code == CloseCode::NO_STATUS && reason.is_empty() {
        return Ok(None);
    }
    CloseFrame::new(code, reason).map(Some)
}

impl<S: Transport> Writer<S> {
    /// Starts the closing handshake. Returns whether it was not started before.
    pub(crate) fn close(self: &Arc<Self>, frame: Option<CloseFrame>) -> bool {
        self.close_locked(&mut self.lock(), frame)
    }

    pub(super) fn close_locked(
        self: &Arc<Self>,
        state: &mut WriterState<S>,
        frame: Option<CloseFrame>,
    ) -> bool {
        self.record_received_total(state);
        let begins = state.session.close(frame, self.driver.now());
        if begins {
            self.write(state);
            self.schedule(state);
            // From now on it waits for the peer's Close.
            state.wake_reader();
        }
        begins
    }

    /// Waits until the connection is closed.
    pub(crate) fn poll_closed(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        key: &mut WaiterKey,
    ) -> Poll<()> {
        let mut state = self.lock();
        if self.check_runtime(&mut state).is_err() {
            // Without a driver no deadline would end it.
            state.session.handle_end(CloseCause::TransportError, self.driver.now());
        }
        if state.session.state() == ReadyState::Closed {
            return Poll::Ready(());
        }
        self.wait(&mut state, cx, Some(key));
        Poll::Pending
    }

    /// Sets whether this end stays open for sending after the peer's Close.
    pub(crate) fn set_half_close(self: &Arc<Self>, allowed: bool) {
        let mut state = self.lock();
        if allowed {
            state.session.allow_half_close();
        } else {
            state.session.end_half_close();
            // A Close of the peer may wait for its answer, the same code and reason (RFC 6455
            // §5.5.1).
            let received = state.session.close_info().filter(|info| info.close_received);
            if let Some(frame) = received.map(|info| info.received.clone()) {
                self.close_locked(&mut state, frame);
            }
        }
    }

    /// Ends the connection, as both directions of the transport ended or it is dropped. Returns
    /// whether the reading half must be dropped at once, too: a socket closes with the second half.
    pub(crate) fn end(&self, cause: CloseCause) -> bool {
        let mut state = self.lock();
        state.session.handle_end(cause, self.driver.now());
        state.wake_waiters();
        state.write_half.give_up();
        cause != CloseCause::Dropped || !state.keeps_transport()
    }

    /// Ends the transport at once, without a Close. `is_last` says that its reading half was
    /// dropped.
    pub(crate) fn abort(&self, is_last: bool) {
        let mut state = self.lock();
        state.write_half.abort(is_last);
        state.cut(CloseCause::Aborted, self.driver.now());
    }

    /// Counts a new sending half.
    pub(crate) fn add_sender(&self) {
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a dropped sending half. With the last one the connection is closed, if the receiving
    /// half was dropped, too.
    pub(crate) fn drop_sender(self: &Arc<Self>) {
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 && self.lock().reader_detached {
            self.close_dropped();
        }
    }

    /// Records that the receiving half was dropped. Returns whether a background task must read, to
    /// finish the closing handshake or because the sending half still works.
    pub(crate) fn drop_reader(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        if state.session.state() == ReadyState::Closed {
            return false;
        }
        state.reader_detached = true;
        state.session.end_half_close();
        drop(state);
        if self.senders.load(Ordering::Acquire) == 0 {
            self.close_dropped();
        }
        true
    }

    /// Closes a connection whose halves were all dropped, unless it is closing already.
    fn close_dropped(self: &Arc<Self>) {
        let code = if std::thread::panicking() {
            CloseCode::INTERNAL_ERROR
        } else {
            CloseCode::GOING_AWAY
        };
        self.close(CloseFrame::new(code, "").ok());
    }

    /// Returns how the connection ended, or how far closing has come; `None` while it is open.
    pub(crate) fn close_info(&self) -> Option<CloseInfo> {
        self.lock().session.close_info().cloned()
    }
}

impl<S> Drop for Writer<S> {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        state.write_half.give_up();
        let wakers = (state.waiters.take(), state.read_waker.take());
        let ended = state.take_held();
        state.session.handle_end(CloseCause::Dropped, self.driver.now());
        let unsent = state.session.take_unsent();
        let observer = ended.observer();
        // This may run while the thread panics, when a second panic would abort the process.
        let dropped = ended.release(self).and(caught(|| drop((wakers, unsent))));
        if let (Err(_), Some(observer)) = (dropped, observer) {
            observer.panicked("what a connection held");
        }
        self.driver.record_dropped();
    }
}
