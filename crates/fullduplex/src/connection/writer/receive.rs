//! What the receiving half reports to the writer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use fullduplex_proto::{CloseCause, Event, MessageKind, ProtocolError, TransportAction as Need};

use crate::base::guard::DeferredDrop;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

impl<S: Transport> Writer<S> {
    /// Counts received bytes. Returns whether the reader was waiting for them.
    #[inline]
    pub(crate) fn note_received(&self, bytes: usize) -> bool {
        let was_waiting = self.listening.load(Ordering::Relaxed);
        self.listening.store(false, Ordering::Relaxed);
        self.counters.received.wire(bytes);
        was_waiting
    }

    /// Nobody waits for what the transport brings.
    #[inline]
    pub(crate) fn stop_listening(&self) {
        self.listening.store(false, Ordering::Relaxed);
    }

    /// As much waits for the application as may, so nothing more is read; or it has asked for a
    /// message.
    #[cold]
    pub(crate) fn set_unread(&self, unread: bool) {
        self.lock().session.set_unread(unread);
    }

    /// A piece of a message was received.
    #[inline]
    pub(crate) fn note_piece(&self) {
        self.talked.store(true, Ordering::Relaxed);
    }

    /// A message was received, or a piece for the application, with so much payload.
    #[inline]
    pub(crate) fn note_message(
        self: &Arc<Self>,
        kind: MessageKind,
        last: bool,
        payload: usize,
    ) -> Result<(), ProtocolError> {
        self.note_piece();
        self.counters.received.payload(payload);
        if last {
            self.counters.received.message(kind);
        }
        if self.has_rates { self.count_message(last, payload) } else { Ok(()) }
    }

    #[cold]
    fn count_message(self: &Arc<Self>, last: bool, payload: usize) -> Result<(), ProtocolError> {
        let mut inner = self.lock();
        let counted = inner.session.count_message(last, payload, self.driver.now());
        if counted.is_err() {
            self.write(&mut inner);
            self.schedule(&mut inner);
        }
        counted
    }

    /// What the receiving half found: as soon as it arrived, or later.
    pub(crate) fn handle_event(
        self: &Arc<Self>,
        event: &Event<'_>,
        at_once: bool,
    ) -> Result<(), ProtocolError> {
        let mut inner = self.lock();
        if !at_once && matches!(event, Event::Pong(_)) {
            // The time that it waited for its reader is not the way's.
            inner.session.discard_round_trip();
        }
        if matches!(event, Event::Close(_)) {
            self.note_total(&mut inner);
        }
        let awaited = inner.session.awaits_pong();
        let result = inner.session.handle_event(event, self.driver.now());
        if let (Some(registration), Some(took)) = (&inner.registration, inner.session.round_trip())
            && awaited
            && !inner.session.awaits_pong()
        {
            registration.observer().round_trip(took);
        }
        self.write(&mut inner);
        self.schedule(&mut inner);
        result
    }

    /// Tells the session what has arrived: what comes from now on counts as progress.
    pub(super) fn note_total(&self, inner: &mut WriterState<S>) {
        inner.session.record_received_total(self.counters.received.wire_total());
    }

    /// The task that waits for messages, which is to be woken in another way from now on.
    pub(crate) fn take_reader(&self) -> Option<Waker> {
        self.lock().reader.take()
    }

    /// The receiving half found that the peer broke a rule.
    pub(crate) fn fail(self: &Arc<Self>, error: ProtocolError) {
        let mut inner = self.lock();
        inner.session.fail(error, self.driver.now());
        self.write(&mut inner);
        self.schedule(&mut inner);
    }

    /// The peer ended its direction of the transport: what is queued still leaves.
    pub(crate) fn end_reading(self: &Arc<Self>) {
        let mut inner = self.lock();
        inner.session.handle_read_end(self.driver.now());
        self.write(&mut inner);
        self.schedule(&mut inner);
        // Those who wait for room wait in vain.
        inner.wake_waiters();
    }

    /// Called by the receiving half before it waits: writes what is queued. Gives the cause
    /// if there is nothing to wait for.
    pub(crate) fn before_wait(self: &Arc<Self>, cx: &mut Context<'_>) -> Option<CloseCause> {
        let mut inner = self.lock();
        inner.hot = false;
        self.write(&mut inner);
        let _ = self.check_runtime(&mut inner);
        self.listening.store(true, Ordering::Relaxed);
        if !inner.reader.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            let before = inner.reader.replace(cx.waker().clone());
            if let Some(before) = before {
                inner.drop_later(DeferredDrop::Waker(before));
            }
        }
        match inner.session.transport() {
            _ if inner.broken.is_some() => Some(CloseCause::TransportError),
            Need::Drop => Some(CloseCause::Dropped),
            _ => None,
        }
    }
}
