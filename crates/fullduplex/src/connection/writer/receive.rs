//! What the receiving half reports to the writer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use fullduplex_proto::{CloseCause, Event, MessageKind, ProtocolError, TransportAction};

use crate::base::guard::DeferredDrop;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

impl<S: Transport> Writer<S> {
    /// Counts received bytes. Returns whether the reader was waiting for them.
    #[inline]
    pub(crate) fn record_received(&self, bytes: usize) -> bool {
        let was_waiting = self.app_is_reading.load(Ordering::Relaxed);
        self.app_is_reading.store(false, Ordering::Relaxed);
        self.counters.received.add_wire(bytes);
        was_waiting
    }

    /// Records that the application no longer waits for messages.
    #[inline]
    pub(crate) fn record_not_reading(&self) {
        self.app_is_reading.store(false, Ordering::Relaxed);
    }

    /// Sets whether reading has stopped because too much waits for the application.
    #[cold]
    pub(crate) fn set_unread(&self, unread: bool) {
        self.lock().session.set_unread(unread);
    }

    /// Records for the idle timeout that a chunk of a message was received.
    #[inline]
    pub(crate) fn record_activity(&self) {
        self.saw_message.store(true, Ordering::Relaxed);
    }

    /// Counts a received message, or a chunk of one, with its payload in bytes. If the connection
    /// [has rate limits](Self::has_rate_limits), the caller checks them next.
    #[inline]
    pub(crate) fn record_message(&self, kind: MessageKind, last: bool, payload: usize) {
        self.record_activity();
        self.counters.received.add_payload(payload);
        if last {
            self.counters.received.add_message(kind);
        }
    }

    /// Returns whether received messages are checked against rate limits.
    #[inline]
    pub(crate) fn has_rate_limits(&self) -> bool {
        self.has_rate_limits
    }

    /// Checks a received message, or a chunk of one, with its payload in bytes.
    ///
    /// Fails if the peer exceeds a rate limit. The connection is failed then.
    #[cold]
    pub(crate) fn check_rates(
        self: &Arc<Self>,
        last: bool,
        payload: usize,
    ) -> Result<(), ProtocolError> {
        let mut state = self.lock();
        let counted = state.session.count_message(last, payload, self.driver.now());
        if counted.is_err() {
            self.write(&mut state);
            self.schedule(&mut state);
        }
        counted
    }

    /// Handles a received control frame. `at_once` says whether it was read as soon as it arrived.
    pub(crate) fn handle_event(
        self: &Arc<Self>,
        event: &Event<'_>,
        at_once: bool,
    ) -> Result<(), ProtocolError> {
        let mut state = self.lock();
        if !at_once && matches!(event, Event::Pong(_)) {
            // It waited for its reader, which is not part of the round trip.
            state.session.discard_round_trip();
        }
        if matches!(event, Event::Close(_)) {
            self.record_received_total(&mut state);
        }
        let awaited = state.session.awaits_pong();
        let result = state.session.handle_event(event, self.driver.now());
        if let (Some(registration), Some(took)) = (&state.registration, state.session.round_trip())
            && awaited
            && !state.session.awaits_pong()
        {
            registration.observer().round_trip(took);
        }
        if state.waiters.is_some() {
            self.watch_control(&mut state, event, at_once);
        }
        self.write(&mut state);
        self.schedule(&mut state);
        result
    }

    /// Reports the received bytes to the session, for which only later ones prove progress.
    pub(super) fn record_received_total(&self, state: &mut WriterState<S>) {
        state.session.record_received_total(self.counters.received.wire_total());
    }

    /// Takes the waker of the task that reads. The caller wakes it from now on.
    pub(crate) fn take_read_waker(&self) -> Option<Waker> {
        self.lock().read_waker.take()
    }

    /// Fails the connection (RFC 6455 §7.1.7), as the receiving half found that the peer broke a
    /// rule.
    pub(crate) fn fail(self: &Arc<Self>, error: ProtocolError) {
        let mut state = self.lock();
        state.session.fail(error, self.driver.now());
        self.write(&mut state);
        self.schedule(&mut state);
    }

    /// Records that the peer has ended its direction of the transport. What is queued still leaves.
    pub(crate) fn end_reading(self: &Arc<Self>) {
        let mut state = self.lock();
        state.session.handle_read_end(self.driver.now());
        self.write(&mut state);
        self.schedule(&mut state);
        // There will be no capacity any more for the tasks that wait for it.
        state.wake_waiters();
    }

    /// Writes what is queued, before the receiving half waits for the transport. Returns the cause
    /// of the end if there is nothing to wait for.
    pub(crate) fn before_wait(self: &Arc<Self>, cx: &mut Context<'_>) -> Option<CloseCause> {
        let mut state = self.lock();
        state.wrote_this_turn = false;
        self.write(&mut state);
        let _ = self.check_runtime(&mut state);
        self.app_is_reading.store(true, Ordering::Relaxed);
        if !state.read_waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            let before = state.read_waker.replace(cx.waker().clone());
            if let Some(before) = before {
                state.drop_later(DeferredDrop::Waker(before));
            }
        }
        match state.session.transport() {
            _ if state.write_error.is_some() => Some(CloseCause::TransportError),
            TransportAction::Drop => Some(CloseCause::Dropped),
            _ => None,
        }
    }
}
