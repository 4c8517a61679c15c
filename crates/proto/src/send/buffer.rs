//! Where messages wait for the transport.

use alloc::collections::VecDeque;
use core::ops::RangeBounds;

use bytes::{Bytes, BytesMut};

/// What a [`Session`](crate::Session) holds messages in until they leave.
#[derive(Debug, Default)]
pub struct SendBuffer {
    pub(crate) queue: VecDeque<Segment>,
    pub(crate) tail: BytesMut,
}

impl SendBuffer {
    /// One with room for so many bytes of small messages.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { queue: VecDeque::new(), tail: BytesMut::with_capacity(capacity) }
    }

    /// How many bytes of memory it holds, about.
    pub fn capacity(&self) -> usize {
        self.tail.capacity() + self.queue.capacity() * size_of::<Segment>()
    }

    /// Whether no message waits in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.tail.is_empty()
    }

    /// Moves what the tail has gathered to the queue.
    pub(crate) fn seal(&mut self, ends_frame: bool) {
        if !self.tail.is_empty() {
            let bytes = self.tail.split().freeze();
            self.queue.push_back(Segment { bytes, ends_frame });
        }
    }

    /// How many segments are of the frame that has begun to leave, if one has.
    pub(crate) fn in_first_frame(&self, begun: bool) -> usize {
        if !begun {
            return 0;
        }
        self.queue.iter().position(|s| s.ends_frame).map_or(self.queue.len(), |i| i + 1)
    }

    /// Returns the bytes of these segments.
    #[inline]
    pub(crate) fn segments(&self, range: impl RangeBounds<usize>) -> impl Iterator<Item = &[u8]> {
        self.queue.range(range).map(|segment| &segment.bytes[..])
    }
}

/// Bytes that leave as they are.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) bytes: Bytes,
    pub(crate) ends_frame: bool,
}
