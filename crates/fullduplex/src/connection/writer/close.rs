//! How a connection is closed, ended and dropped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use fullduplex_proto::{CloseCause, CloseCode, CloseFrame, CloseInfo, ReadyState};

use crate::base::guard::caught;
use crate::connection::writer::waiters::WaiterKey;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

impl<S: Transport> Writer<S> {
    /// Begins the closing handshake, unless that was done.
    pub(crate) fn close(self: &Arc<Self>, frame: Option<CloseFrame>) -> bool {
        self.close_locked(&mut self.lock(), frame)
    }

    pub(super) fn close_locked(
        self: &Arc<Self>,
        inner: &mut WriterState<S>,
        frame: Option<CloseFrame>,
    ) -> bool {
        self.note_total(inner);
        let begins = inner.session.close(frame, self.driver.now());
        if begins {
            self.write(inner);
            self.schedule(inner);
            // The reader has to wait for the peer's answer from now on.
            inner.wake_reader();
        }
        begins
    }

    /// Waits until the connection is closed.
    pub(crate) fn poll_closed(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        key: &mut WaiterKey,
    ) -> Poll<()> {
        let mut inner = self.lock();
        if self.check_runtime(&mut inner).is_err() {
            // Nobody keeps its deadlines any more.
            inner.session.handle_end(CloseCause::TransportError, self.driver.now());
        }
        if inner.session.state() == ReadyState::Closed {
            return Poll::Ready(());
        }
        self.wait(&mut inner, cx, Some(key));
        Poll::Pending
    }

    /// Keeps this end open for sending when the peer has sent all.
    pub(crate) fn allow_half_close(&self) {
        self.lock().session.allow_half_close();
    }

    /// Both directions of the transport ended, or it is to be dropped. Gives whether the reader
    /// is to be dropped at once, too, and with both of them a socket.
    pub(crate) fn end(&self, cause: CloseCause) -> bool {
        let mut inner = self.lock();
        inner.session.handle_end(cause, self.driver.now());
        inner.wake_waiters();
        inner.write_half.give_up();
        cause != CloseCause::Dropped || !inner.leaves_end()
    }

    /// Counts a new sending half.
    pub(crate) fn add_sender(&self) {
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// A sending half was dropped. With the last one the connection ends, if its receiving
    /// half is gone too.
    pub(crate) fn drop_sender(self: &Arc<Self>) {
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 && self.lock().lingers {
            self.close_dropped();
        }
    }

    /// The receiving half was dropped. Gives whether somebody must read in its place: to
    /// finish the closing, or because the sending half still works.
    pub(crate) fn drop_reader(self: &Arc<Self>) -> bool {
        let mut inner = self.lock();
        if inner.session.state() == ReadyState::Closed {
            return false;
        }
        inner.lingers = true;
        inner.session.end_half_close();
        drop(inner);
        if self.senders.load(Ordering::Acquire) == 0 {
            self.close_dropped();
        }
        true
    }

    /// Nobody uses the connection any more, and nobody closed it.
    fn close_dropped(self: &Arc<Self>) {
        let code = if std::thread::panicking() {
            CloseCode::INTERNAL_ERROR
        } else {
            CloseCode::GOING_AWAY
        };
        self.close(CloseFrame::new(code, "").ok());
    }

    pub(crate) fn close_info(&self) -> Option<CloseInfo> {
        self.lock().session.close_info().cloned()
    }
}

impl<S> Drop for Writer<S> {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        inner.write_half.give_up();
        let wakers = (inner.waiters.take(), inner.woken.take(), inner.reader.take());
        let ended = inner.release();
        inner.session.handle_end(CloseCause::Dropped, self.driver.now());
        let unsent = inner.session.take_unsent();
        let observer = ended.observer();
        // This may be within a panic, where another one would end the process.
        let dropped = ended.let_go(self).and(caught(|| drop((wakers, unsent))));
        if let (Err(_), Some(observer)) = (dropped, observer) {
            observer.panicked("what a connection held");
        }
        self.driver.note_gone();
    }
}
