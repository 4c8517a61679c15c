//! WebSockets: the one that carries a session, and one that is tested for an upgrade.

use std::time::Instant;

use fullduplex::{Message, PreparedMessage};

use super::{Carrier, Phase, Protocol};
use crate::engine::outcome::EndReason;
use crate::engine::packet::Packet;

/// A WebSocket that is tested while the session polls.
#[derive(Debug)]
pub(super) struct Probe {
    is_probed: bool,
    deadline: Instant,
}

impl Probe {
    /// Whether the client has probed the WebSocket: it is about to leave polling.
    pub(super) fn is_probed(&self) -> bool {
        self.is_probed
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// What to do after a message of a WebSocket that is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeStep {
    /// Answer the probe with [`PROBE_PONG`].
    Answer,
    /// The WebSocket carries the session from now on.
    Upgraded,
    /// Close the WebSocket. The session goes on by polling.
    Close,
}

/// The answer to a probe.
pub(crate) const PROBE_PONG: &str = "3probe";

impl Protocol {
    /// A WebSocket was opened for this session. Returns false if it has to be closed: the session
    /// has one already, or has ended.
    pub(crate) fn begin_probe(&mut self, now: Instant) -> bool {
        let may = self.probe.is_none()
            && matches!(self.carrier, Carrier::Polling(_))
            && self.end_reason().is_none();
        if may {
            let deadline = now + self.context.upgrade_timeout;
            self.probe = Some(Probe { is_probed: false, deadline });
        }
        may
    }

    /// Whether a WebSocket is being tested.
    pub(crate) fn is_probing(&self) -> bool {
        self.probe.is_some()
    }

    /// The WebSocket that is tested has received a message.
    pub(crate) fn receive_probe(&mut self, message: Message) -> ProbeStep {
        let Some(probe) = &mut self.probe else { return ProbeStep::Close };
        match Packet::decode(message) {
            Ok(Packet::Ping(text)) if text.as_bytes() == b"probe" => {
                probe.is_probed = true;
                ProbeStep::Answer
            }
            Ok(Packet::Upgrade) if probe.is_probed => {
                self.probe = None;
                self.carrier = Carrier::WebSocket;
                ProbeStep::Upgraded
            }
            _ => {
                self.probe = None;
                ProbeStep::Close
            }
        }
    }

    /// The WebSocket that was tested is gone. The session goes on by polling.
    pub(crate) fn probe_ended(&mut self) {
        self.probe = None;
    }

    /// The WebSocket that carries the session has received a message.
    pub(crate) fn receive_message(&mut self, message: Message, now: Instant) {
        if message.len() > self.context.max_payload {
            return self.end(EndReason::TransportError);
        }
        match Packet::decode(message) {
            Ok(Packet::Message(data)) => {
                if self.wants_messages() {
                    self.inbox.push(data);
                }
            }
            Ok(Packet::Pong(_)) => self.heartbeat.pong(now),
            Ok(Packet::Close) => self.end(EndReason::TransportClose),
            Ok(Packet::Open(_) | Packet::Upgrade | Packet::Noop) => {}
            // Heartbeats are the server's to send.
            Ok(Packet::Ping(_)) => self.end(EndReason::TransportError),
            Err(_) => self.end(EndReason::ParseError),
        }
    }

    /// The WebSocket that carried the session is gone, for a fault if `is_error`.
    pub(crate) fn websocket_ended(&mut self, is_error: bool) {
        self.end(if is_error { EndReason::TransportError } else { EndReason::TransportClose });
    }

    /// Whether a WebSocket carries the open session, and nothing waits for it.
    pub(crate) fn is_idle_websocket(&self) -> bool {
        matches!(self.carrier, Carrier::WebSocket)
            && self.is_open()
            && self.queue.is_empty()
            && !self.heartbeat.owes_ping()
    }

    /// Returns the next frame to send on the WebSocket that carries the session.
    pub(crate) fn front_frame(&self) -> Option<Frame<'_>> {
        if !matches!(self.carrier, Carrier::WebSocket) || self.end_reason().is_some() {
            return None;
        }
        if self.heartbeat.owes_ping() {
            return Some(Frame::Ping);
        }
        self.queue.front().map(Frame::Message)
    }

    /// Removes the frame that [`front_frame`](Self::front_frame) returned.
    pub(crate) fn pop_frame(&mut self) {
        if self.heartbeat.owes_ping() {
            self.heartbeat.ping_sent();
        } else {
            self.queue.pop();
        }
    }

    /// Ends a session that is closing, if everything was sent on its WebSocket.
    pub(crate) fn finish_close(&mut self) {
        if let Phase::Closing(reason, _) = self.phase
            && matches!(self.carrier, Carrier::WebSocket)
            && self.queue.is_empty()
        {
            self.end(reason);
        }
    }
}

/// A frame to send.
pub(crate) enum Frame<'a> {
    Ping,
    Message(&'a PreparedMessage),
}
