//! What went over a connection.

use std::sync::atomic::{AtomicU64, Ordering};

use fullduplex_proto::Kind;

/// What went over a WebSocket, or over many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// What was received.
    pub received: Flow,
    /// What was sent, or queued to be.
    pub sent: Flow,
}

/// What went in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flow {
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

impl Flow {
    fn add(&mut self, other: Self) {
        self.text += other.text;
        self.binary += other.binary;
        self.payload += other.payload;
        self.wire += other.wire;
    }
}

impl Traffic {
    pub(crate) fn add(&mut self, other: Self) {
        self.received.add(other.received);
        self.sent.add(other.sent);
    }
}

/// The counters of one connection. Each half is written by one task at a time, so that a
/// count costs no more than the addition; anybody may read.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) received: FlowCounters,
    pub(crate) sent: FlowCounters,
}

#[derive(Debug, Default)]
pub(crate) struct FlowCounters {
    text: AtomicU64,
    binary: AtomicU64,
    payload: AtomicU64,
    wire: AtomicU64,
}

#[inline]
fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

impl FlowCounters {
    #[inline]
    pub(crate) fn message(&self, kind: Kind) {
        add(if kind == Kind::Text { &self.text } else { &self.binary }, 1);
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

    fn read(&self) -> Flow {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Flow {
            text: read(&self.text),
            binary: read(&self.binary),
            payload: read(&self.payload),
            wire: read(&self.wire),
        }
    }
}

impl Counters {
    pub(crate) fn read(&self) -> Traffic {
        Traffic { received: self.received.read(), sent: self.sent.read() }
    }
}
