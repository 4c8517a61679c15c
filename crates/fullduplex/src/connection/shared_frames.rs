//! Frames of broadcast messages, encoded once for all members of a group.
//!
//! Until it writes, a member keeps only a range of the shared frames rather than a copy of them.

use std::ops::Range;
use std::sync::{Arc, MutexGuard};

use fullduplex_proto::{FrameBatch, Message};

use crate::base::sync::Mutex;

/// The length from which on no more is added to a batch: the next message starts another one.
const FULL_BATCH: usize = 16 << 10;

/// The most payload of a batch, so that a `u16` can hold its offsets. A frame header has at most
/// 14 bytes.
const MAX_BATCH: usize = u16::MAX as usize - 14;

/// A batch of frames of messages that were published one after the other.
#[derive(Default)]
pub(crate) struct SharedFrames(Mutex<FrameBatch>);

/// The place of a message's frame in a batch.
pub(crate) struct FrameRange {
    pub(crate) batch: Arc<SharedFrames>,
    start: u16,
    end: u16,
}

/// Successive frames of a batch that a connection has yet to queue. Small, as each connection has
/// this field.
pub(crate) struct PendingFrames {
    batch: Arc<SharedFrames>,
    start: u16,
    end: u16,
    /// With this many bytes or more, the send queue of the connection is full.
    capacity: u32,
}

impl SharedFrames {
    pub(crate) fn is_full(&self) -> bool {
        self.0.lock().len() >= FULL_BATCH
    }

    /// Adds a message, and returns its range. Returns `None` for a message that is too long.
    pub(crate) fn push(self: Arc<Self>, message: &Message) -> Option<FrameRange> {
        let mut batch = self.0.lock();
        if batch.len() + message.len() > MAX_BATCH {
            return None;
        }
        let range = batch.push(message)?;
        drop(batch);
        let (start, end) = (u16::try_from(range.start).ok()?, u16::try_from(range.end).ok()?);
        Some(FrameRange { batch: self, start, end })
    }
}

impl PendingFrames {
    /// Starts with one frame, for a connection whose send queue can take `capacity` bytes.
    pub(crate) fn new(frames: &FrameRange, capacity: usize) -> Self {
        let capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
        Self { batch: frames.batch.clone(), start: frames.start, end: frames.end, capacity }
    }

    /// Adds a frame if it follows these in the batch. Returns whether it did.
    #[inline]
    pub(crate) fn extend(&mut self, next: &FrameRange) -> bool {
        let follows = self.end == next.start && Arc::ptr_eq(&self.batch, &next.batch);
        if follows {
            self.end = next.end;
        }
        follows
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        u32::from(self.end - self.start) >= self.capacity
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, FrameBatch> {
        self.batch.0.lock()
    }

    pub(crate) fn range(&self) -> Range<usize> {
        self.start.into()..self.end.into()
    }
}
