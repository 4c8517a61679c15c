//! The tap that records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fullduplex::Role;
use fullduplex::tap::{ConnectionTap, Direction, Opening, Tap, TransportEnd};
use fullduplex_inspect::recording::{Record, RecordKind};

use crate::inspect::RecordingFile;

/// Records each WebSocket under a number of its own.
#[derive(Debug)]
pub(super) struct RecordTap {
    recording: Arc<RecordingFile>,
    last: AtomicU64,
}

impl RecordTap {
    pub(super) fn new(recording: Arc<RecordingFile>) -> Self {
        Self { recording, last: AtomicU64::new(0) }
    }
}

impl Tap for RecordTap {
    fn opened(&self, opening: &Opening<'_>) -> Option<Box<dyn ConnectionTap>> {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let kind = RecordKind::Open(Box::new(opening.into()));
        self.recording.take(Record { connection: number, at: Duration::ZERO, kind });
        let (recording, opened) = (self.recording.clone(), Instant::now());
        Some(Box::new(RecordedConnection { recording, number, role: opening.role, opened }))
    }
}

struct RecordedConnection {
    recording: Arc<RecordingFile>,
    number: u64,
    /// The role of this side.
    role: Role,
    opened: Instant,
}

impl RecordedConnection {
    fn record(&self, at: Instant, kind: RecordKind) {
        let at = at.saturating_duration_since(self.opened);
        self.recording.take(Record { connection: self.number, at, kind });
    }

    fn bytes(&self, direction: Direction, bytes: &[u8], at: Instant) {
        let kind = RecordKind::Bytes { sender: direction.sender(self.role), bytes: bytes.to_vec() };
        self.record(at, kind);
    }
}

impl ConnectionTap for RecordedConnection {
    fn received(&mut self, bytes: &[u8], at: Instant) {
        self.bytes(Direction::Received, bytes, at);
    }

    fn sent(&mut self, bytes: &[u8], at: Instant) {
        self.bytes(Direction::Sent, bytes, at);
    }

    fn ended(&mut self, direction: Direction, end: &TransportEnd, at: Instant) {
        let kind = RecordKind::End { sender: direction.sender(self.role), how: end.to_string() };
        self.record(at, kind);
    }
}
