//! What a session makes of what was received: answers, counts, and signs of life.

use core::time::Duration;

use super::{ReadyState, Session};
use crate::error::ProtocolError;
use crate::frame::Role;
use crate::receive::Event;
use crate::send::ControlKind;

impl Session {
    /// Whether a keepalive ping has not been answered yet.
    pub fn awaits_pong(&self) -> bool {
        self.timers.awaits_pong()
    }

    /// Takes note that bytes arrived, other than a Ping: the peer is alive.
    #[inline]
    pub fn note_received(&mut self) {
        self.timers.note_received();
    }

    /// Takes note of how many bytes have arrived from the beginning on, in place of
    /// [`note_received`](Self::note_received): the peer is alive if there are more than were
    /// known, and not all of them the Pings that [`handle_event`](Self::handle_event) was told of.
    pub fn note_received_total(&mut self, total: u64) {
        self.timers.note_received_total(total);
    }

    /// Forgets to time the Pong that is awaited, because it was not read when it arrived.
    pub fn discard_round_trip(&mut self) {
        self.timers.discard_round_trip();
    }

    /// Says whether anybody reads what arrives; until told otherwise, somebody does. While
    /// nobody does, the peer's answers to pings can't be seen, so it is pinged but not given
    /// up, unless it takes nothing of what waits for it either.
    pub fn set_listening(&mut self, listening: bool) {
        self.timers.set_listening(listening);
    }

    /// Records whether as much as may wait for the application waits, so that nothing more is
    /// read.
    ///
    /// If it is so from a keepalive Ping until the peer would be given up for not answering, the
    /// connection is failed with 1011 and [`CloseCause::Unread`](crate::CloseCause::Unread), as
    /// neither the peer's Pings nor its Close are answered meanwhile. To be called with `false` when
    /// the application asks for a message.
    pub fn set_unread(&mut self, unread: bool) {
        self.timers.set_unread(unread);
    }

    /// Takes note that a message, or a piece of one, arrived, where
    /// [`handle_event`](Self::handle_event) is not told of it: the connection is not idle.
    #[inline]
    pub fn note_message(&mut self) {
        self.timers.note_message();
    }

    /// Whether [`count_message`](Self::count_message) is to be told of what arrives, where
    /// [`handle_event`](Self::handle_event) is not.
    pub fn has_rates(&self) -> bool {
        self.rates.is_some()
    }

    /// Counts a piece of a message, or all of it, against `max_message_rate` and
    /// `max_byte_rate`.
    pub fn count_message(
        &mut self,
        last: bool,
        payload: usize,
        now: Duration,
    ) -> Result<(), ProtocolError> {
        let Some([messages, bytes]) = self.rates.as_deref_mut() else { return Ok(()) };
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

    /// Does what an event asks for: answers a Ping (§5.5.2) or a Close (§5.5.1), measures
    /// a Pong. Data asks for nothing, but shows that the connection is not idle.
    ///
    /// Of a connection that was failed or is closed, it asks for nothing (§7.1.7).
    pub fn handle_event(&mut self, event: &Event<'_>, now: Duration) -> Result<(), ProtocolError> {
        if self.state == ReadyState::Closed || self.is_failed() {
            return Ok(());
        }
        match event {
            Event::Data(data) => {
                self.note_message();
                self.count_message(data.last, data.payload.len(), now)
            }
            Event::Ping(payload) => {
                self.count_control(now)?;
                // It is no sign that anybody reads there.
                self.timers.note_ping(self.header_of_received() + payload.len());
                // Its slot replaces an older Pong, so this can't be refused.
                let _ = self.sender.send_control(ControlKind::AutoPong, payload);
                Ok(())
            }
            Event::Pong(payload) => {
                self.count_control(now)?;
                self.timers.handle_pong(payload, now);
                Ok(())
            }
            Event::Close(frame) => {
                self.handle_close(frame.clone(), now);
                Ok(())
            }
        }
    }

    /// The length of the header of a short frame that was received: masked, if by a client.
    fn header_of_received(&self) -> usize {
        if self.role == Role::Server { 6 } else { 2 }
    }

    fn count_control(&mut self, now: Duration) -> Result<(), ProtocolError> {
        if self.controls.take(now) {
            return Ok(());
        }
        let error = ProtocolError::TooManyControlFrames { limit: self.controls.rate() };
        self.fail(error, now);
        Err(error)
    }
}
