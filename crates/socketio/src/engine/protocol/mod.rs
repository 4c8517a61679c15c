//! The rules of a session, without I/O and without a clock: what is sent, received and answered, by
//! polling and on a WebSocket, and the upgrade from one to the other.
//!
//! Its owner tells it what happens, and asks after each call what is to be done:
//! [`take_payload`](Protocol::take_payload) for the poll that waits,
//! [`front_frame`](Protocol::front_frame) for the WebSocket, and
//! [`deadline`](Protocol::deadline) for the timer.

mod heartbeat;
mod inbox;
mod polling;
#[cfg(test)]
mod tests;
mod websocket;

use std::sync::Arc;
use std::time::Instant;

pub(crate) use polling::{CLOSED_PAYLOAD, PollingError};
pub(crate) use websocket::{Frame, PROBE_PONG, ProbeStep};

use crate::engine::context::EngineContext;
use crate::engine::counters::Counters;
use crate::engine::outcome::{EndReason, TransportKind};
use crate::engine::outgoing::Outgoing;
use crate::engine::packet::Data;
use crate::engine::protocol::heartbeat::{Beat, Heartbeat};
use crate::engine::protocol::inbox::Inbox;
use crate::engine::protocol::polling::Polling;
use crate::engine::protocol::websocket::Probe;
use crate::engine::queue::{Pushed, SendQueue};

/// The state of a session.
#[derive(Debug)]
pub(crate) struct Protocol {
    context: Arc<EngineContext>,
    phase: Phase,
    carrier: Carrier,
    /// The WebSocket that is tested while polling is in use.
    probe: Option<Probe>,
    heartbeat: Heartbeat,
    queue: SendQueue,
    inbox: Inbox,
    /// Whether nothing that is received is wanted any more.
    is_deaf: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Closing for this reason, once the queue is empty; at the latest then.
    Closing(EndReason, Instant),
    Ended(EndReason),
}

/// What carries the packets.
#[derive(Debug)]
enum Carrier {
    Polling(Polling),
    WebSocket,
}

impl Protocol {
    pub(crate) fn new(context: Arc<EngineContext>, transport: TransportKind, now: Instant) -> Self {
        let heartbeat = Heartbeat::new(context.ping_interval, context.ping_timeout, now);
        let carrier = match transport {
            TransportKind::Polling => Carrier::Polling(Polling::default()),
            TransportKind::WebSocket => Carrier::WebSocket,
        };
        Self {
            context,
            phase: Phase::Open,
            carrier,
            probe: None,
            heartbeat,
            queue: SendQueue::default(),
            inbox: Inbox::default(),
            is_deaf: false,
        }
    }

    /// Returns the counts of the engine.
    pub(crate) fn counters(&self) -> &Counters {
        &self.context.counters
    }

    pub(crate) fn transport(&self) -> TransportKind {
        match self.carrier {
            Carrier::Polling(_) => TransportKind::Polling,
            Carrier::WebSocket => TransportKind::WebSocket,
        }
    }

    /// Returns why the session has ended; `None` while it is open or closing.
    pub(crate) fn end_reason(&self) -> Option<EndReason> {
        match self.phase {
            Phase::Ended(reason) => Some(reason),
            Phase::Open | Phase::Closing(..) => None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Queues a message. The queue takes it or refuses it as a whole.
    pub(crate) fn send(&mut self, message: &Outgoing, key: Option<u64>) -> Option<Pushed> {
        self.is_open().then(|| self.queue.push(message, key, self.context.max_queue_bytes))
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.bytes()
    }

    pub(crate) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether a message of this length has space in the queue, or never will, as the session ends.
    pub(crate) fn is_ready(&self, len: usize) -> bool {
        !self.is_open() || self.queue.fits(len, self.context.max_queue_bytes)
    }

    /// Returns the next received message. What was received before the end is there after it.
    pub(crate) fn receive(&mut self) -> Option<Data> {
        self.inbox.pop()
    }

    /// Whether something received waits for the application.
    pub(crate) fn has_received(&self) -> bool {
        self.inbox.bytes() > 0
    }

    /// Discards what is received, now and later.
    pub(crate) fn stop_receiving(&mut self) {
        self.is_deaf = true;
        self.inbox.clear();
    }

    /// Whether no more should be read, as the application has enough to receive.
    pub(crate) fn is_inbox_full(&self) -> bool {
        self.inbox.bytes() >= self.context.max_received_bytes
    }

    fn wants_messages(&self) -> bool {
        self.is_open() && !self.is_deaf
    }

    /// Closes the session once its queue is sent, or when `close_timeout` is over.
    pub(crate) fn close(&mut self, reason: EndReason, now: Instant) {
        if self.is_open() {
            self.phase = Phase::Closing(reason, now + self.context.close_timeout);
        }
    }

    /// Ends the session now. What is queued is not sent.
    pub(crate) fn end(&mut self, reason: EndReason) {
        if self.end_reason().is_none() {
            self.phase = Phase::Ended(match self.phase {
                // The application has closed it, whatever happens now.
                Phase::Closing(reason, _) => reason,
                _ => reason,
            });
            self.queue.clear();
            self.probe = None;
        }
    }

    /// Returns when [`tick`](Self::tick) has to be called; `None` after the end.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = match self.phase {
            Phase::Open => self.heartbeat.deadline(),
            Phase::Closing(_, by) => by,
            Phase::Ended(_) => return None,
        };
        Some(self.probe.as_ref().map_or(own, |probe| own.min(probe.deadline())))
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.probe.as_ref().is_some_and(|probe| now >= probe.deadline()) {
            self.probe_ended();
        }
        match self.phase {
            Phase::Open => self.beat(now),
            Phase::Closing(reason, by) if now >= by => self.end(reason),
            _ => {}
        }
    }

    fn beat(&mut self, now: Instant) {
        if self.probe.is_some() {
            self.heartbeat.delay(now);
        }
        if self.heartbeat.tick(now) == Beat::Late {
            // A pong may be among what is not read, and a ping waits for the end of an upgrade.
            let is_held = self.is_leaving_polling() && self.heartbeat.owes_ping();
            if self.is_inbox_full() || is_held {
                self.heartbeat.extend(now);
            } else {
                self.end(EndReason::PingTimeout);
            }
        }
    }
}
