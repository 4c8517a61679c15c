//! What went over a connection.

use std::sync::atomic::{AtomicU64, Ordering};

use fullduplex_proto::MessageKind;

/// What went over a WebSocket, or over many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// What was received.
    pub received: DirectionStats,
    /// What was sent, or queued to be.
    pub sent: DirectionStats,
}

/// What went in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectionStats {
    /// Text messages.
    pub text: u64,
    /// Binary messages.
    pub binary: u64,
    /// Bytes of their payload, before compression.
    pub payload: u64,
    /// Bytes of frames, headers and control frames with them, after compression: what the
    /// transport carried.
    pub wire: u64,
}

impl DirectionStats {
    fn add(&mut self, other: Self) {
        self.text += other.text;
        self.binary += other.binary;
        self.payload += other.payload;
        self.wire += other.wire;
    }
}

impl ConnectionStats {
    pub(crate) fn add(&mut self, other: Self) {
        self.received.add(other.received);
        self.sent.add(other.sent);
    }
}

/// The counters of one connection. Each half is written by one task at a time, so that a
/// count costs no more than the addition; anybody may read.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCounters {
    pub(crate) received: DirectionCounters,
    pub(crate) sent: DirectionCounters,
}

#[derive(Debug, Default)]
pub(crate) struct DirectionCounters {
    text: AtomicU64,
    binary: AtomicU64,
    payload: AtomicU64,
    wire: AtomicU64,
}

#[inline]
fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

impl DirectionCounters {
    #[inline]
    pub(crate) fn message(&self, kind: MessageKind) {
        add(if kind == MessageKind::Text { &self.text } else { &self.binary }, 1);
    }

    #[inline]
    pub(crate) fn payload(&self, len: usize) {
        add(&self.payload, len as u64);
    }

    #[inline]
    pub(crate) fn wire(&self, len: usize) {
        add(&self.wire, len as u64);
    }

    /// The bytes of frames so far.
    pub(crate) fn wire_total(&self) -> u64 {
        self.wire.load(Ordering::Relaxed)
    }

    fn read(&self) -> DirectionStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DirectionStats {
            text: read(&self.text),
            binary: read(&self.binary),
            payload: read(&self.payload),
            wire: read(&self.wire),
        }
    }
}

impl ConnectionCounters {
    pub(crate) fn read(&self) -> ConnectionStats {
        ConnectionStats { received: self.received.read(), sent: self.sent.read() }
    }
}
