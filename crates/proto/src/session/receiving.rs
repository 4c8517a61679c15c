//! The session's response to received events: answers, limits on rates, and signs of life.

use core::time::Duration;

use super::{ReadyState, Session};
use crate::error::ProtocolError;
use crate::frame::Role;
use crate::receive::Event;
use crate::send::ControlKind;

impl Session {
    /// Returns whether a keepalive ping has not been answered yet.
    pub fn awaits_pong(&self) -> bool {
        self.checks.timers.awaits_pong()
    }

    /// Records that bytes other than a Ping arrived: the peer is alive.
    #[inline]
    pub fn record_received(&mut self) {
        self.checks.timers.record_received();
    }

    /// Records the total number of bytes received since the beginning, in place of
    /// [`record_received`](Self::record_received).
    ///
    /// The peer is alive if the total has grown by more than the Pings that were passed to
    /// [`handle_event`](Self::handle_event).
    pub fn record_received_total(&mut self, total: u64) {
        self.checks.timers.record_received_total(total);
    }

    /// Does not measure the round trip of the awaited Pong, because it was not read when it
    /// arrived.
    pub fn discard_round_trip(&mut self) {
        self.checks.timers.discard_round_trip();
    }

    /// Sets whether a caller reads what arrives. Default: true.
    ///
    /// While none does, the peer's answers to pings can't be seen. The peer is still pinged, but
    /// the connection is given up only if the peer takes none of the bytes queued for it either.
    pub fn set_listening(&mut self, listening: bool) {
        self.checks.timers.set_listening(listening);
    }

    /// Records whether the application has as many messages unread as may wait, so that nothing
    /// more is received.
    ///
    /// If this holds from a keepalive Ping until the peer would be given up for not answering, the
    /// connection is failed with 1011 and [`CloseCause::Unread`](crate::CloseCause::Unread), as
    /// neither the peer's Pings nor its Close are answered meanwhile. Call it with `false` when the
    /// application asks for a message.
    pub fn set_unread(&mut self, unread: bool) {
        self.checks.timers.set_unread(unread);
    }

    /// Records that a message, or a chunk of one, arrived that is not passed to
    /// [`handle_event`](Self::handle_event): the connection is not idle.
    #[inline]
    pub fn record_message(&mut self) {
        self.saw_message = true;
    }

    /// Returns whether rates are limited, so that [`count_message`](Self::count_message) must be
    /// called for each message that is not passed to [`handle_event`](Self::handle_event).
    pub fn has_rate_limits(&self) -> bool {
        self.checks.rates.is_some()
    }

    /// Counts a message, or a chunk of one, against `max_message_rate` and `max_byte_rate`.
    ///
    /// # Errors
    /// If a rate is exceeded. The connection is failed then.
    pub fn count_message(
        &mut self,
        last: bool,
        payload: usize,
        now: Duration,
    ) -> Result<(), ProtocolError> {
        let Some([messages, bytes]) = self.checks.rates.as_deref_mut() else { return Ok(()) };
        let error = if let Some(budget) = messages
            && last
            && !budget.take(now)
        {
            ProtocolError::TooManyMessages { limit: budget.rate() }
        } else if let Some(budget) = bytes
            && !budget.take_many(payload, now)
        {
            ProtocolError::TooManyBytes { limit: budget.rate() }
        } else {
            return Ok(());
        };
        self.fail(error, now);
        Err(error)
    }

    /// Responds to an event: answers a Ping (§5.5.2) or a Close (§5.5.1), measures a Pong, and
    /// records that data shows the connection not to be idle.
    ///
    /// Events of a connection that was failed or is closed are ignored (§7.1.7).
    ///
    /// # Errors
    /// If a rate is exceeded. The connection is failed then.
    pub fn handle_event(&mut self, event: &Event<'_>, now: Duration) -> Result<(), ProtocolError> {
        if self.state == ReadyState::Closed || self.is_failed() {
            return Ok(());
        }
        match event {
            Event::Data(data) => {
                self.record_message();
                self.count_message(data.last, data.payload.len(), now)
            }
            Event::Ping(payload) => {
                self.count_control(now)?;
                // A Ping is sent by the peer's library; it does not prove that its application
                // reads.
                self.checks.timers.record_ping(self.received_header_len() + payload.len());
                // The slot for answers replaces an older one, so this can't fail.
                let _ = self.sender.send_control(ControlKind::AutoPong, payload);
                Ok(())
            }
            Event::Pong(payload) => {
                self.count_control(now)?;
                self.checks.timers.handle_pong(payload, now);
                Ok(())
            }
            Event::Close(frame) => {
                self.handle_close(frame.clone(), now);
                Ok(())
            }
        }
    }

    /// Returns the header length of a short frame that was received: a client's is masked.
    fn received_header_len(&self) -> usize {
        if self.role == Role::Server { 6 } else { 2 }
    }

    fn count_control(&mut self, now: Duration) -> Result<(), ProtocolError> {
        if self.checks.control_budget.take(now) {
            return Ok(());
        }
        let error =
            ProtocolError::TooManyControlFrames { limit: self.checks.control_budget.rate() };
        self.fail(error, now);
        Err(error)
    }
}
