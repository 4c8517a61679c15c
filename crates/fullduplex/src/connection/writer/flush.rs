//! When and how the send queue is written to the transport.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};

use bytes::Buf;
use fullduplex_proto::{CloseCause, ReadyState, SendError, TransportAction};
use tokio::io::AsyncWrite;

use crate::base::buffers;
use crate::base::error::Error;
use crate::base::guard;
use crate::base::guard::{DeferredDrop, Panicked};
use crate::base::message_memory;
use crate::base::stats::DirectionCounters;
use crate::connection::driver::DeadlineNanos;
use crate::connection::writer::driven::WriteWaker;
use crate::connection::writer::lock::UnlockFlags;
use crate::connection::writer::send::FlushPolicy;
use crate::connection::writer::waiters::WaiterKey;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

/// The most slices that one vectored write takes.
const MAX_SLICES: usize = 64;

impl<S: Transport> Writer<S> {
    /// Writes the queue as `flush` says, or at once if it is full.
    #[inline]
    pub(crate) fn apply_flush(self: &Arc<Self>, state: &mut WriterState<S>, flush: FlushPolicy) {
        let is_full = state.check_ready().is_err();
        self.apply_flush_with(state, flush, is_full);
    }

    /// Writes the queue as `flush` says, or at once if the caller has found that it `is_full`.
    #[inline]
    pub(crate) fn apply_flush_with(
        self: &Arc<Self>,
        state: &mut WriterState<S>,
        flush: FlushPolicy,
        is_full: bool,
    ) {
        let now = match flush {
            FlushPolicy::Now => true,
            FlushPolicy::Auto => !state.wrote_this_turn,
            FlushPolicy::Deferred => false,
        };
        if now || is_full {
            state.wrote_this_turn = true;
            self.write(state);
        } else {
            self.defer_locked();
        }
    }

    /// Asks the driver to write what was queued under the lock, which the caller holds.
    ///
    /// So a relaxed load is enough: the driver clears the flag before it takes the lock to write.
    /// If the flag is seen set, the driver has yet to clear it, or to take the lock after that, and
    /// finds what was queued. If it is seen unset, it is set again.
    #[inline]
    pub(crate) fn defer_locked(self: &Arc<Self>) {
        if !self.deferred.load(Ordering::Relaxed) {
            self.defer();
        }
    }

    /// Returns whether the driver has yet to write what was queued.
    #[inline]
    pub(crate) fn awaits_driver(&self) -> bool {
        self.deferred.load(Ordering::Relaxed)
    }

    /// Asks the driver to write in its next turn. Takes no lock of the writer, as the transport may
    /// call this, by its waker, while it is polled under that lock.
    pub(super) fn defer(self: &Arc<Self>) {
        if !self.deferred.swap(true, Ordering::AcqRel) {
            self.driver.defer(self.clone());
        }
    }

    /// Drops a reference while a lock is held, of the library or of a transport. If it is the last
    /// one, the driver drops the writer. If the driver's runtime is shut down, the writer is
    /// returned, and the caller must drop it after the lock is released.
    #[inline]
    pub(crate) fn drop_reference(self: Arc<Self>) -> Result<(), Box<dyn Send>> {
        Arc::into_inner(self).map_or(Ok(()), |last| {
            let driver = last.driver.clone();
            driver.drop_later(Box::new(last))
        })
    }

    /// Fails if the runtime is shut down: without a driver, queued messages would never leave.
    #[inline]
    pub(crate) fn check_runtime(&self, state: &mut WriterState<S>) -> Result<(), SendError> {
        if !self.driver.is_shut_down() {
            return Ok(());
        }
        state.write_error.get_or_insert(io::ErrorKind::NotConnected);
        state.wake_reader();
        state.wake_waiters();
        Err(SendError::Closing)
    }

    /// Writes as much as the transport takes. An error ends the connection.
    ///
    /// Waiting tasks are woken only if bytes were taken or the queue became empty. Each task writes
    /// before it waits. So if every write woke the others, two waiting tasks would wake each other
    /// in turn, without end, while the transport takes nothing.
    pub(crate) fn write(self: &Arc<Self>, state: &mut WriterState<S>) {
        // After a failure the writing side is shut down first, and ends with the peer's direction.
        let shut_down = state.shut_down && !state.is_finished();
        let done = state.is_flushed() && (shut_down || !state.wants_shutdown());
        if done || state.write_error.is_some() || state.released {
            return;
        }
        if guard::polls_transport_of(self.address()) {
            // The transport itself calls this, while it is polled for reading.
            return self.defer();
        }
        let (flushed, taken) = (state.is_flushed(), self.counters.sent.wire_total());
        let (polled, holds) = guard::polled(self.address(), || self.poll_write(state));
        let mut moved = self.counters.sent.wire_total() != taken || state.is_flushed() != flushed;
        if holds {
            state.on_unlock.add(UnlockFlags::HELD);
        }
        let polled = polled.unwrap_or_else(|Panicked| {
            state.on_unlock.add(UnlockFlags::PANIC);
            state.session.handle_end(CloseCause::TransportError, self.driver.now());
            Poll::Ready(Err(io::Error::other("the transport panicked")))
        });
        match polled {
            Poll::Ready(Err(error)) => {
                state.write_error = Some(error.kind());
                state.wake_reader();
                state.wake_waiters();
            }
            Poll::Ready(Ok(())) if state.is_finished() => {
                state.session.handle_end(CloseCause::TransportEnd, self.driver.now());
                state.wake_reader();
            }
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        while state.has_lagging() && state.queue_lagging(self.low_water as usize) {
            // There is capacity again. Broadcast messages that wait go before anything else.
            moved = true;
            self.defer();
        }
        let has_capacity = state.session.buffered() <= self.low_water as usize;
        let ended = state.session.state() == ReadyState::Closed;
        if (moved && has_capacity) || ended {
            state.wake_waiters();
        }
        if ended {
            state.on_unlock.add(UnlockFlags::END);
        }
    }

    fn poll_write(self: &Arc<Self>, state: &mut WriterState<S>) -> Poll<io::Result<()>> {
        // Most writes succeed. The writer's waker costs an allocation, so it is used only in a
        // second poll, after one with a waker that does nothing.
        let sent = &self.counters.sent;
        let polled = state.poll_write(&mut Context::from_waker(Waker::noop()), sent);
        if polled.is_ready() {
            return polled;
        }
        let waker = Waker::from(Arc::new(WriteWaker::new(self)));
        state.poll_write(&mut Context::from_waker(&waker), sent)
    }

    /// Schedules the next deadline of the session with the driver, if it is earlier than before.
    pub(crate) fn schedule(self: &Arc<Self>, state: &mut WriterState<S>) {
        let next = DeadlineNanos::new(state.session.poll_timeout());
        if next < state.scheduled {
            state.scheduled = next;
            let weak = Arc::downgrade(self);
            self.driver.schedule(next, weak);
        }
    }

    /// Waits until all that was queued has left.
    pub(crate) fn poll_flush(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        key: Option<&mut WaiterKey>,
    ) -> Poll<Result<(), Error>> {
        let mut state = self.lock();
        self.write(&mut state);
        if state.is_flushed() {
            return Poll::Ready(Ok(()));
        }
        // Without a driver, nothing would write what is left.
        let _ = self.check_runtime(&mut state);
        if state.write_error.is_some() || state.session.state() == ReadyState::Closed {
            return Poll::Ready(Err(state.flush_error()));
        }
        self.wait(&mut state, cx, key);
        Poll::Pending
    }
}

impl<S: Transport> WriterState<S> {
    /// Lends the session a buffer of the thread's pool to queue into, if it has none.
    #[inline]
    pub(crate) fn ensure_buffer(&mut self) {
        if self.session.wants_buffer() {
            self.session.lend_buffer(buffers::take_write());
        }
    }

    /// Fails if no message can be queued now.
    #[inline]
    pub(crate) fn check_ready(&self) -> Result<(), SendError> {
        self.check_writer()?;
        self.session.check_ready()
    }

    /// Fails if the writer, not the session, has a reason to queue nothing: an error of writing, or
    /// broadcast messages that wait. A fragmented message goes on, as those wait for its end.
    #[inline]
    pub(crate) fn check_writer(&self) -> Result<(), SendError> {
        if self.write_error.is_some() {
            return Err(SendError::Closing);
        }
        let waits = self.has_lagging()
            && self.session.state() == ReadyState::Open
            && !self.session.is_fragmenting();
        if waits { Err(SendError::Full) } else { Ok(()) }
    }

    /// Whether broadcast messages wait for capacity.
    #[inline]
    fn has_lagging(&self) -> bool {
        self.waiters.as_ref().is_some_and(|waiters| !waiters.lagging.is_empty())
    }

    /// Queues one broadcast message that waits, if there is capacity. Returns whether it did.
    fn queue_lagging(&mut self, low_water: usize) -> bool {
        if self.session.buffered() > low_water || self.session.is_fragmenting() {
            return false;
        }
        self.ensure_buffer();
        let Some(waiters) = &mut self.waiters else { return false };
        let lagging = &mut waiters.lagging;
        let sent = match lagging.first().map(|first| self.session.send_prepared(first)) {
            // It still waits. The report has counted it as delivered.
            Some(Err(SendError::Full | SendError::MessageUnderWay)) => return false,
            sent => matches!(sent, Some(Ok(()))),
        };
        let sent_or_dropped = lagging.pop().map(DeferredDrop::Prepared);
        if waiters.is_empty() {
            self.waiters = None;
        }
        // It is queued now, or it can't be sent any more, and neither can those after it.
        if let Some(message) = sent_or_dropped {
            self.drop_later(message);
        }
        sent
    }

    /// Returns whether the transport has taken everything, and was flushed.
    #[inline]
    pub(crate) fn is_flushed(&self) -> bool {
        !self.session.wants_write() && !self.needs_flush
    }

    /// Returns whether both directions have ended.
    fn is_finished(&self) -> bool {
        self.shut_down && self.session.transport() == TransportAction::Finish
    }

    /// Returns whether the writing side of the transport must be shut down when all has left.
    fn wants_shutdown(&self) -> bool {
        matches!(self.session.transport(), TransportAction::Finish | TransportAction::Drain)
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        sent: &DirectionCounters,
    ) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let mut outgoing = self.session.outgoing();
            let mut write_half = Pin::new(&mut self.write_half);
            let chunk = outgoing.chunk();
            let polled = if chunk.len() == outgoing.remaining() || !write_half.is_write_vectored() {
                write_half.as_mut().poll_write(cx, chunk)
            } else {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let filled = outgoing.chunks_vectored(&mut slices);
                write_half.as_mut().poll_write_vectored(cx, &slices[..filled])
            };
            let Poll::Ready(written) = polled? else { return Poll::Pending };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let mut holds = false;
            outgoing.advance_with(written, |spent| {
                if let Some(spent) = message_memory::recycle_large(spent) {
                    guard::defer_drop(DeferredDrop::Payload(spent));
                    holds = true;
                }
            });
            if holds {
                self.on_unlock.add(UnlockFlags::HELD);
            }
            sent.add_wire(written);
            self.needs_flush = true;
        }
        if let Some(buffer) = self.session.take_buffer() {
            buffers::return_write(buffer);
        }
        if self.needs_flush {
            ready!(Pin::new(&mut self.write_half).poll_flush(cx))?;
            self.needs_flush = false;
        }
        if self.wants_shutdown() && !self.shut_down {
            // A socket is closed next anyway, once the peer's direction has ended. That saves a
            // system call.
            if !(self.session.read_ended() && self.write_half.ends_when_dropped()) {
                ready!(Pin::new(&mut self.write_half).poll_shutdown(cx))?;
            }
            self.shut_down = true;
            self.wake_reader();
        }
        Poll::Ready(Ok(()))
    }

    /// Returns the error of a send. The cause of an unclean end says more than "closing".
    pub(crate) fn send_error(&self, error: SendError) -> Error {
        if error != SendError::Closing {
            return Error::of(error);
        }
        match (self.session.close_info(), self.write_error) {
            (Some(info), failed) if info.cause != CloseCause::Handshake => {
                Error::ended_by(info, failed)
            }
            (None, Some(kind)) => Error::io("the transport failed", kind.into()),
            _ => Error::of(error),
        }
    }
}

impl<S> WriterState<S> {
    /// Returns the reason why what is queued can't leave. The peer's Close is not a reason.
    pub(crate) fn flush_error(&self) -> Error {
        match self.session.close_info() {
            Some(info) if info.cause == CloseCause::Handshake => {
                Error::unsent(info, self.write_error)
            }
            Some(info) => Error::ended_by(info, self.write_error),
            None => Error::io(
                "the transport failed",
                self.write_error.unwrap_or(io::ErrorKind::Other).into(),
            ),
        }
    }
}
