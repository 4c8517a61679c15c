//! HTTP long-polling: GETs that wait for packets, and POSTs that bring some.

use std::time::Instant;

use bytes::Bytes;

use super::{Carrier, Phase, Protocol};
use crate::engine::outcome::EndReason;
use crate::engine::packet::Packet;
use crate::engine::payload::{Payload, PayloadWriter};

/// The response to a GET of a client that has closed the session.
pub(crate) const CLOSED_PAYLOAD: &str = "6";

/// The requests of a session that polls.
#[derive(Debug, Default)]
pub(super) struct Polling {
    /// Whether a GET waits for its response.
    polls: bool,
    /// Whether a POST is being read.
    posts: bool,
    /// Whether the client has closed the session while no GET waited. The one that it sent before
    /// may have been overtaken, and is then still to be answered.
    owes_noop: bool,
}

/// Why a request of a session that polls is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PollingError {
    /// The session has ended.
    Ended,
    /// The session has a WebSocket.
    OtherTransport,
    /// There is such a request already: the session ends.
    Overlap,
    /// The content is not a payload: the session ends.
    Malformed,
}

impl Protocol {
    fn polling(&mut self) -> Result<&mut Polling, PollingError> {
        match &mut self.carrier {
            _ if matches!(self.phase, Phase::Ended(_)) => Err(PollingError::Ended),
            Carrier::Polling(polling) => Ok(polling),
            Carrier::WebSocket => Err(PollingError::OtherTransport),
        }
    }

    /// A GET has arrived. It is answered by [`take_payload`](Self::take_payload).
    pub(crate) fn begin_poll(&mut self) -> Result<(), PollingError> {
        if std::mem::replace(&mut self.polling()?.polls, true) {
            self.end(EndReason::TransportError);
            return Err(PollingError::Overlap);
        }
        Ok(())
    }

    /// The client has left a GET before its response.
    pub(crate) fn cut_poll(&mut self) {
        if let Carrier::Polling(polling) = &mut self.carrier {
            polling.polls = false;
            self.end(EndReason::TransportError);
        }
    }

    /// Returns the response to the GET that waits, if there is something to say.
    pub(crate) fn take_payload(&mut self) -> Option<Bytes> {
        let Carrier::Polling(Polling { polls, .. }) = &mut self.carrier else { return None };
        if !*polls {
            return None;
        }
        let mut payload =
            PayloadWriter::new(self.context.max_payload, self.context.max_packets_per_poll);
        if self.is_leaving_polling() {
            // Lets the client pause, so that it can complete the upgrade. It may have been told to
            // close, and then discards what else came with its last poll.
            payload.push(b"6");
            self.poll_answered();
            return Some(payload.finish());
        }
        match self.phase {
            Phase::Ended(EndReason::TransportClose) => _ = payload.push(CLOSED_PAYLOAD.as_bytes()),
            Phase::Ended(_) => _ = payload.push(b"1"),
            Phase::Open | Phase::Closing(..) => {
                if self.heartbeat.owes_ping() {
                    payload.push(b"2");
                    self.heartbeat.ping_sent();
                }
                self.queue.write_to(&mut payload);
            }
        }
        // In a response of its own: the official client forgets what it did not handle yet when it
        // reads this packet.
        if let Phase::Closing(reason, _) = self.phase
            && self.queue.is_empty()
            && payload.is_empty()
        {
            payload.push(b"1");
            self.end(reason);
        }
        if payload.is_empty() {
            return None;
        }
        self.poll_answered();
        Some(payload.finish())
    }

    fn poll_answered(&mut self) {
        if let Carrier::Polling(polling) = &mut self.carrier {
            polling.polls = false;
        }
    }

    /// Whether the client has probed a WebSocket: what is queued waits for its upgrade, or for the
    /// end of the probe.
    pub(crate) fn is_leaving_polling(&self) -> bool {
        self.probe.as_ref().is_some_and(super::Probe::is_probed)
    }

    /// A POST has arrived, whose content is to be read.
    pub(crate) fn begin_post(&mut self) -> Result<(), PollingError> {
        if std::mem::replace(&mut self.polling()?.posts, true) {
            self.end(EndReason::TransportError);
            return Err(PollingError::Overlap);
        }
        Ok(())
    }

    /// The content of a POST was read. The POST is open until [`end_post`](Self::end_post).
    pub(crate) fn receive_payload(
        &mut self,
        content: Bytes,
        now: Instant,
    ) -> Result<(), PollingError> {
        self.polling()?;
        let payload = Payload::new(content);
        let (mut has_messages, mut is_closed, mut pongs) = (false, false, false);
        for packet in payload.clone() {
            match packet {
                Ok(Packet::Message(_)) => has_messages = true,
                Ok(Packet::Pong(_)) => pongs = true,
                Ok(Packet::Close) => {
                    is_closed = true;
                    break;
                }
                Ok(Packet::Open(_) | Packet::Upgrade | Packet::Noop) => {}
                // Heartbeats are the server's to send.
                Ok(Packet::Ping(_)) => return self.malformed(EndReason::TransportError),
                Err(_) => return self.malformed(EndReason::ParseError),
            }
        }
        if pongs {
            self.heartbeat.pong(now);
        }
        if has_messages && self.wants_messages() {
            self.inbox.push_payload(payload);
        }
        if is_closed {
            if let Carrier::Polling(polling) = &mut self.carrier {
                polling.owes_noop = !polling.polls;
            }
            self.end(EndReason::TransportClose);
        }
        Ok(())
    }

    /// Whether the client, which has closed the session, may wait for the response to a GET that
    /// has not arrived yet: it is [`CLOSED_PAYLOAD`]. True once.
    pub(crate) fn take_owed_noop(&mut self) -> bool {
        match &mut self.carrier {
            Carrier::Polling(polling) => std::mem::take(&mut polling.owes_noop),
            Carrier::WebSocket => false,
        }
    }

    fn malformed(&mut self, reason: EndReason) -> Result<(), PollingError> {
        self.end(reason);
        Err(PollingError::Malformed)
    }

    /// A POST was answered.
    pub(crate) fn end_post(&mut self) {
        if let Carrier::Polling(polling) = &mut self.carrier {
            polling.posts = false;
        }
    }

    /// The content of a POST did not arrive.
    pub(crate) fn cut_post(&mut self) {
        if matches!(self.carrier, Carrier::Polling(_)) {
            self.end(EndReason::TransportError);
        }
    }
}
