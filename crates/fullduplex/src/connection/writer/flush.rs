//! How a writer writes: when, with which waker, and on whose behalf.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};

use bytes::Buf;
use fullduplex_proto::{CloseCause, ReadyState, SendError, TransportAction as Need};
use tokio::io::AsyncWrite;

use crate::base::buffers;
use crate::base::error::Error;
use crate::base::guard;
use crate::base::guard::{DeferredDrop, Panicked};
use crate::base::message_memory;
use crate::connection::driver::DeadlineNanos;
use crate::connection::stats::DirectionCounters;
use crate::connection::writer::driven::WriteWaker;
use crate::connection::writer::lock::UnlockFlags;
use crate::connection::writer::send::Flush;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

/// The most slices that one vectored write takes.
const MAX_SLICES: usize = 64;

impl<S: Transport> Writer<S> {
    /// Lets the queue leave as asked.
    #[inline]
    pub(crate) fn leave(self: &Arc<Self>, inner: &mut WriterState<S>, leave: Flush) {
        let full = inner.check_ready().is_err();
        self.leave_if(inner, leave, full);
    }

    /// Lets the queue leave as asked, or at once if it is full.
    #[inline]
    pub(crate) fn leave_if(self: &Arc<Self>, inner: &mut WriterState<S>, leave: Flush, full: bool) {
        let now = match leave {
            Flush::Now => true,
            Flush::Soon => !inner.hot,
            Flush::Gathered => false,
        };
        if now || full {
            inner.hot = true;
            self.write(inner);
        } else {
            self.defer_locked();
        }
    }

    /// Has the driver write, soon, what was queued with the lock that is held: so a flag that
    /// is set is one that the driver has yet to clear before it writes.
    #[inline]
    pub(crate) fn defer_locked(self: &Arc<Self>) {
        if !self.deferred.load(Ordering::Relaxed) {
            self.defer();
        }
    }

    /// Whether something was queued that the driver has yet to write in its next turn.
    #[inline]
    pub(crate) fn awaits_driver(&self) -> bool {
        self.deferred.load(Ordering::Relaxed)
    }

    /// Has the driver write, soon. Takes no lock of the writer: a transport may wake its
    /// writer in the middle of a poll.
    pub(super) fn defer(self: &Arc<Self>) {
        if !self.deferred.swap(true, Ordering::AcqRel) {
            self.driver.defer(self.clone());
        }
    }

    /// Lets go of a reference where a lock is held, of ours or of a transport: should it be the
    /// last, the driver drops the writer. With its runtime gone, it is given back to be dropped
    /// when the lock is released.
    #[inline]
    pub(crate) fn release(self: Arc<Self>) -> Result<(), Box<dyn Send>> {
        Arc::into_inner(self).map_or(Ok(()), |last| {
            let driver = last.driver.clone();
            driver.drop_later(Box::new(last))
        })
    }

    /// Whether messages can leave. With its runtime, the driver is gone that would write them.
    #[inline]
    pub(crate) fn check_runtime(&self, inner: &mut WriterState<S>) -> Result<(), SendError> {
        if !self.driver.is_shut_down() {
            return Ok(());
        }
        inner.broken.get_or_insert(io::ErrorKind::NotConnected);
        inner.wake_reader();
        inner.wake_waiters();
        Err(SendError::Closing)
    }

    /// Writes as much as the transport takes. An error ends the connection.
    ///
    /// Those who wait are woken only if something has changed for them: one who writes before it
    /// waits would otherwise wake itself, and two of them each other, without end.
    pub(crate) fn write(self: &Arc<Self>, inner: &mut WriterState<S>) {
        let done = inner.is_flushed() && (inner.shut_down || !inner.wants_shutdown());
        if done || inner.broken.is_some() || inner.released {
            return;
        }
        if guard::polls_transport_of(self.address()) {
            // Called by the transport itself, while it is polled for reading.
            return self.defer();
        }
        let (flushed, taken) = (inner.is_flushed(), self.counters.sent.wire_total());
        let (polled, holds) = guard::polled(self.address(), || self.poll_write(inner));
        let mut moved = self.counters.sent.wire_total() != taken || inner.is_flushed() != flushed;
        if holds {
            inner.owed.add(UnlockFlags::HELD);
        }
        let polled = polled.unwrap_or_else(|Panicked| {
            inner.owed.add(UnlockFlags::PANIC);
            inner.session.handle_end(CloseCause::TransportError, self.driver.now());
            Poll::Ready(Err(io::Error::other("the transport panicked")))
        });
        match polled {
            Poll::Ready(Err(error)) => {
                inner.broken = Some(error.kind());
                inner.wake_reader();
                inner.wake_waiters();
            }
            Poll::Ready(Ok(())) if inner.is_finished() => {
                inner.session.handle_end(CloseCause::TransportEnd, self.driver.now());
                inner.wake_reader();
            }
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        while inner.parked.is_some() && inner.unpark(self.low_water as usize) {
            // There is room again: what was published before anything else is sent.
            moved = true;
            self.defer();
        }
        let has_room = inner.session.buffered() <= self.low_water as usize;
        let ended = inner.session.state() == ReadyState::Closed;
        if (moved && has_room) || ended {
            inner.wake_waiters();
        }
        if ended {
            inner.owed.add(UnlockFlags::END);
        }
    }

    fn poll_write(self: &Arc<Self>, inner: &mut WriterState<S>) -> Poll<io::Result<()>> {
        // The writer's waker costs a clone, and is needed only if the transport is full.
        let sent = &self.counters.sent;
        let polled = inner.poll_write(&mut Context::from_waker(Waker::noop()), sent);
        if polled.is_ready() {
            return polled;
        }
        // It does not keep the writer: the transport, which the writer owns, keeps it.
        let waker = || Arc::new(WriteWaker::new(self));
        let waker = Waker::from(inner.write_waker.get_or_insert_with(waker).clone());
        inner.poll_write(&mut Context::from_waker(&waker), sent)
    }

    /// Sees to it that the driver knows the next deadline.
    pub(crate) fn schedule(self: &Arc<Self>, inner: &mut WriterState<S>) {
        let next = DeadlineNanos::new(inner.session.poll_timeout());
        if next < inner.scheduled {
            inner.scheduled = next;
            let weak = Arc::downgrade(self);
            self.driver.schedule(next, weak);
        }
    }
}

impl<S: Transport> WriterState<S> {
    #[inline]
    pub(crate) fn lend(&mut self) {
        if self.session.wants_buffer() {
            self.session.lend_buffer(buffers::take_write());
        }
    }

    #[inline]
    pub(crate) fn check_ready(&self) -> Result<(), SendError> {
        self.check_unparked()?;
        self.session.check_ready()
    }

    /// Whether the writer itself, not the session, has a reason to take nothing. A message that
    /// is made bit by bit goes on: what is parked waits for its end.
    #[inline]
    pub(crate) fn check_unparked(&self) -> Result<(), SendError> {
        match (self.broken, &self.parked) {
            (Some(_), _) => Err(SendError::Closing),
            (None, Some(_)) if self.session.state() == ReadyState::Open => {
                if self.session.is_fragmenting() { Ok(()) } else { Err(SendError::Full) }
            }
            _ => Ok(()),
        }
    }

    /// Queues one published message that waited, if there is room for it.
    fn unpark(&mut self, low_water: usize) -> bool {
        if self.session.buffered() > low_water || self.session.is_fragmenting() {
            return false;
        }
        self.lend();
        let Some(parked) = &mut self.parked else { return false };
        let sent = match parked.first().map(|first| self.session.send_prepared(first)) {
            // It was counted as delivered, and waits on.
            Some(Err(SendError::Full | SendError::MessageUnderWay)) => return false,
            sent => matches!(sent, Some(Ok(()))),
        };
        let gone = parked.unpark().map(DeferredDrop::Prepared);
        if parked.is_empty() {
            self.parked = None;
        }
        // It is the queue's now, or can't be sent any more, as those after it can't.
        if let Some(gone) = gone {
            self.drop_later(gone);
        }
        sent
    }

    #[inline]
    pub(crate) fn is_flushed(&self) -> bool {
        !self.session.wants_write() && !self.unflushed
    }

    /// Whether this end's direction has ended and nothing more is awaited of the peer's.
    fn is_finished(&self) -> bool {
        self.shut_down && self.session.transport() == Need::Finish
    }

    /// Whether the transport's writing side is to be ended when all has left.
    fn wants_shutdown(&self) -> bool {
        matches!(self.session.transport(), Need::Finish | Need::Drain)
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
                    guard::hold(DeferredDrop::Payload(spent));
                    holds = true;
                }
            });
            if holds {
                self.owed.add(UnlockFlags::HELD);
            }
            sent.wire(written);
            self.unflushed = true;
        }
        if let Some(buffer) = self.session.take_buffer() {
            buffers::return_write(buffer);
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.write_half).poll_flush(cx))?;
            self.unflushed = false;
        }
        if self.wants_shutdown() && !self.shut_down {
            // After the peer's direction has ended, a socket is about to be closed anyway.
            if !(self.session.read_ended() && self.write_half.ends_when_dropped()) {
                ready!(Pin::new(&mut self.write_half).poll_shutdown(cx))?;
            }
            self.shut_down = true;
            self.wake_reader();
        }
        Poll::Ready(Ok(()))
    }

    /// Why nothing is sent: the unclean end, if there was one, says more than "closing".
    pub(crate) fn refused(&self, error: SendError) -> Error {
        if error != SendError::Closing {
            return error.into();
        }
        match (self.session.close_info(), self.broken) {
            (Some(info), _) if info.cause != CloseCause::Handshake => Error::ended(info),
            (None, Some(kind)) => Error::io("the transport failed", kind.into()),
            _ => error.into(),
        }
    }
}

impl<S> WriterState<S> {
    /// Why what is queued does not leave any more. The peer's Close is no reason.
    pub(crate) fn unsent(&self) -> Error {
        match self.session.close_info() {
            Some(info) if info.cause == CloseCause::Handshake => Error::unsent(info, self.broken),
            Some(info) => Error::ended(info),
            None => Error::io(
                "the transport failed",
                self.broken.unwrap_or(io::ErrorKind::Other).into(),
            ),
        }
    }
}
