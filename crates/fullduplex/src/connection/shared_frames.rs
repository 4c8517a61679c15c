//! What is published to many, written down once: a member notes from where to where, rather
//! than have a copy of its own, until it is queued there.

use std::ops::Range;
use std::sync::{Arc, MutexGuard};

use fullduplex_proto::{FrameBatch, Message};

use crate::base::sync::Mutex;

/// A longer batch is followed by another.
const FULL: usize = 16 << 10;

/// No batch is longer than offsets can tell; no header is longer than 14 bytes.
const LONGEST: usize = u16::MAX as usize - 14;

/// The frames of messages that were published one after the other.
#[derive(Default)]
pub(crate) struct SharedFrames(Mutex<FrameBatch>);

/// The frame of a message in a batch.
pub(crate) struct FrameRange {
    pub(crate) batch: Arc<SharedFrames>,
    start: u16,
    end: u16,
}

/// Frames of a batch that follow one another, as a connection notes them. Small, as each
/// connection has room for it.
pub(crate) struct PendingFrames {
    batch: Arc<SharedFrames>,
    start: u16,
    end: u16,
    /// With so many bytes there is no room for more.
    most: u32,
}

impl SharedFrames {
    pub(crate) fn is_full(&self) -> bool {
        self.0.lock().len() >= FULL
    }

    /// Adds a message, unless it is a long one.
    pub(crate) fn push(self: Arc<Self>, message: &Message) -> Option<FrameRange> {
        let mut batch = self.0.lock();
        if batch.len() + message.len() > LONGEST {
            return None;
        }
        let range = batch.push(message)?;
        drop(batch);
        let (start, end) = (u16::try_from(range.start).ok()?, u16::try_from(range.end).ok()?);
        Some(FrameRange { batch: self, start, end })
    }
}

impl PendingFrames {
    /// Notes a frame for a connection with so much room.
    pub(crate) fn new(frames: &FrameRange, room: usize) -> Self {
        let most = u32::try_from(room).unwrap_or(u32::MAX);
        Self { batch: frames.batch.clone(), start: frames.start, end: frames.end, most }
    }

    /// Adds a frame that stands behind these; gives whether it does.
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
        u32::from(self.end - self.start) >= self.most
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, FrameBatch> {
        self.batch.0.lock()
    }

    pub(crate) fn range(&self) -> Range<usize> {
        self.start.into()..self.end.into()
    }
}
