//! Counts of the messages and bytes of a connection.

use std::sync::atomic::{AtomicU64, Ordering};

use fullduplex_proto::MessageKind;

/// Counts of messages and bytes, of one WebSocket or the sum of several.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fullduplex::Error> {
/// let (mut client, _server) = fullduplex::pair();
/// client.send("hello").await?;
/// let stats = client.stats();
/// assert_eq!((stats.sent.text, stats.sent.payload, stats.received.text), (1, 5, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Received messages and bytes.
    pub received: DirectionStats,
    /// Sent messages and bytes. Queued messages count already.
    pub sent: DirectionStats,
}

/// Counts of messages and bytes in one direction.
///
/// ```
/// use fullduplex::WebSocket;
///
/// /// How much compression saves, in per cent of what was sent.
/// fn saved(websocket: &WebSocket) -> u64 {
///     let sent = websocket.stats().sent;
///     100 - (100 * sent.wire / sent.payload.max(1)).min(100)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectionStats {
    /// The number of text messages.
    pub text: u64,
    /// The number of binary messages.
    pub binary: u64,
    /// The bytes of the messages, uncompressed.
    pub payload: u64,
    /// The bytes that the transport carried: all frames, with headers and control frames, as
    /// compressed.
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

/// The counters of one connection.
///
/// Each direction has one writer at a time: the task that reads, or the holder of the writer's
/// lock. So [`add`] is a plain load and store, which costs less than an atomic addition. Readers
/// need no lock, and may see counts that are not of the same moment.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCounters {
    pub(crate) received: DirectionCounters,
    pub(crate) sent: DirectionCounters,
}

/// The counters of one direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct DirectionCounters {
    text: AtomicU64,
    binary: AtomicU64,
    payload: AtomicU64,
    wire: AtomicU64,
}

/// Adds to a counter that no other thread changes at the moment.
#[inline]
fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

impl DirectionCounters {
    #[inline]
    pub(crate) fn add_message(&self, kind: MessageKind) {
        add(if kind == MessageKind::Text { &self.text } else { &self.binary }, 1);
    }

    #[inline]
    pub(crate) fn add_payload(&self, len: usize) {
        add(&self.payload, len as u64);
    }

    #[inline]
    pub(crate) fn add_wire(&self, len: usize) {
        add(&self.wire, len as u64);
    }

    /// Returns the bytes that the transport has carried so far.
    pub(crate) fn wire_total(&self) -> u64 {
        self.wire.load(Ordering::Relaxed)
    }

    fn snapshot(&self) -> DirectionStats {
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
    pub(crate) fn snapshot(&self) -> ConnectionStats {
        ConnectionStats { received: self.received.snapshot(), sent: self.sent.snapshot() }
    }
}
