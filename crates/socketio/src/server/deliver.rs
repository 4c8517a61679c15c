//! How a message reaches the connection of one socket, and what became of it.

use std::sync::atomic::Ordering;

use super::config::SlowPolicy;
use super::cores::SocketCore;
use crate::engine::{Outgoing, SendOutcome};
use crate::packet::EncodeError;
use crate::parser::{EncodedPacket, Head};

/// What became of a message to one socket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// The transport took the message.
    Sent,
    /// The message waits in the queue of the connection.
    Queued,
    /// The message was dropped, as the client is slow. The number is that of messages that were
    /// dropped for this socket since the last one that was not.
    Dropped(u64),
    /// The socket is disconnected; nothing was sent.
    Closed,
    /// The message can't be sent to anyone.
    Invalid(EncodeError),
}

impl Delivery {
    /// Whether the message is on its way: sent or queued.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Sent | Self::Queued)
    }
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendMode {
    /// The message is kept until the client takes it.
    Reliable,
    /// The message takes the place of one with this key.
    Keyed(u64),
    /// The message is sent now or never.
    Volatile,
}

/// What one attempt to send has led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Done(Delivery),
    /// The queue is full: it can be attempted again when there is space.
    Full,
    /// The client is too slow, and its connection is to be closed.
    Close,
}

impl From<EncodedPacket> for Outgoing {
    fn from(packet: EncodedPacket) -> Self {
        match packet {
            EncodedPacket::Text { text, attachments } if attachments.is_empty() => {
                Self::encoded(text)
            }
            EncodedPacket::Text { text, attachments } => {
                Self::encoded(text).with_attachments(attachments)
            }
            EncodedPacket::Binary(bytes) => Self::binary(bytes),
        }
    }
}

impl SocketCore {
    /// Tries once to send a message. `can_wait` says that the caller would try again.
    pub(super) fn attempt(&self, message: &Outgoing, mode: SendMode, can_wait: bool) -> Attempt {
        if self.reason().is_some() {
            return Attempt::Done(Delivery::Closed);
        }
        let policy = self.slow_policy();
        let sender = &self.connection.sender;
        if !self.report_dropped(&policy, message.len()) {
            return self.count_dropped();
        }
        let outcome = match mode {
            SendMode::Volatile => sender.send_volatile(message),
            SendMode::Keyed(key) if policy == SlowPolicy::Conflate => {
                sender.send_keyed(key, message)
            }
            _ if can_wait => sender.send(message),
            SendMode::Reliable | SendMode::Keyed(_) => sender.send_to_many(message),
        };
        match outcome {
            SendOutcome::Sent => self.accepted(Delivery::Sent),
            SendOutcome::Queued => self.accepted(Delivery::Queued),
            SendOutcome::Replaced => {
                self.dropped_total.fetch_add(1, Ordering::Relaxed);
                self.connection.shared.counters.replaced();
                self.has_conflated.store(true, Ordering::Relaxed);
                Attempt::Done(Delivery::Queued)
            }
            SendOutcome::Closed => Attempt::Done(Delivery::Closed),
            SendOutcome::Full if mode == SendMode::Volatile => self.count_dropped(),
            SendOutcome::Full => match policy {
                SlowPolicy::Drop { .. } | SlowPolicy::Conflate => self.count_dropped(),
                SlowPolicy::Close if !can_wait => Attempt::Close,
                SlowPolicy::Close | SlowPolicy::Wait => Attempt::Full,
            },
        }
    }

    fn accepted(&self, delivery: Delivery) -> Attempt {
        self.dropped_now.store(0, Ordering::Relaxed);
        Attempt::Done(delivery)
    }

    fn count_dropped(&self) -> Attempt {
        self.connection.shared.counters.dropped();
        self.dropped_total.fetch_add(1, Ordering::Relaxed);
        let dropped = self.dropped_now.fetch_add(1, Ordering::Relaxed) + 1;
        if dropped == 1 && matches!(self.slow_policy(), SlowPolicy::Drop { event: Some(_) }) {
            self.connection.owes_report.store(true, Ordering::Release);
            self.connection.changed.set();
        }
        Attempt::Done(Delivery::Dropped(dropped))
    }

    /// Tells the client how many messages it missed, as it has caught up and no other message has
    /// told it.
    pub(super) fn report_what_was_dropped(&self) {
        // No broadcast may report the same ones meanwhile.
        let _state = self.namespace.lock();
        if self.reason().is_none() {
            self.report_dropped(&self.slow_policy(), 0);
        }
    }

    /// Tells the client how many messages it missed, if it is to be told, and if there is room for
    /// the next one as well. Returns whether there is.
    fn report_dropped(&self, policy: &SlowPolicy, next: usize) -> bool {
        let SlowPolicy::Drop { event: Some(event) } = policy else { return true };
        let dropped = self.dropped_now.load(Ordering::Relaxed);
        if dropped == 0 {
            return true;
        }
        let parser = self.connection.shared.config.parser;
        let head = Head::Event(event, None);
        let Ok(packet) = parser.encode(self.namespace.name(), head, &dropped) else {
            return true;
        };
        let offset = self.namespace.last_offset();
        let message = packet.finish(offset.as_deref()).into();
        let sender = &self.connection.sender;
        let queued = sender.queued_bytes();
        let both = queued.saturating_add(next).saturating_add(Outgoing::len(&message));
        if queued > 0 && both > self.connection.shared.max_queue_bytes {
            return false;
        }
        let is_reported = sender.send(&message) != SendOutcome::Full;
        if is_reported {
            self.dropped_now.fetch_sub(dropped, Ordering::Relaxed);
        }
        is_reported
    }

    /// Sends a message that the client missed, and waits for room whatever the policy for slow
    /// clients: a client that counts as recovered must lose nothing.
    pub(super) async fn send_missed(&self, message: &Outgoing) {
        let sender = &self.connection.sender;
        while self.reason().is_none() && sender.send(message) == SendOutcome::Full {
            sender.ready(message.len()).await;
        }
    }

    /// Sends a message outside of the order of the namespace's packets, and waits for room: an
    /// acknowledgement, or an event that asks for one.
    pub(super) async fn send_waiting(&self, message: &Outgoing) -> Delivery {
        loop {
            match self.attempt(message, SendMode::Reliable, true) {
                Attempt::Done(delivery) => return delivery,
                Attempt::Close => return Delivery::Closed,
                Attempt::Full => self.connection.sender.ready(message.len()).await,
            }
        }
    }
}
