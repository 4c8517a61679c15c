//! The queue of messages for the transport.

use alloc::collections::VecDeque;
use core::ops::RangeBounds;

use bytes::{Bytes, BytesMut};

/// A buffer in which a [`Session`](crate::Session) queues messages until they are written.
#[derive(Debug, Default)]
pub struct SendBuffer {
    pub(crate) queue: VecDeque<Segment>,
    pub(crate) tail: BytesMut,
}

impl SendBuffer {
    /// Creates a buffer with capacity for this many bytes of small messages.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { queue: VecDeque::new(), tail: BytesMut::with_capacity(capacity) }
    }

    /// Returns the approximate number of bytes of memory that it holds.
    pub fn capacity(&self) -> usize {
        self.tail.capacity() + self.queue.capacity() * size_of::<Segment>()
    }

    /// Whether no message is queued.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.tail.is_empty()
    }

    /// Appends the header and the payload of a frame to the tail. Returns their length.
    #[inline]
    pub(crate) fn append(&mut self, header: &[u8], payload: &[u8]) -> usize {
        self.tail.extend_from_slice(header);
        self.tail.extend_from_slice(payload);
        header.len() + payload.len()
    }

    /// Moves the bytes of the tail to the queue.
    pub(crate) fn seal(&mut self, ends_frame: bool) {
        if !self.tail.is_empty() {
            let bytes = self.tail.split().freeze();
            self.queue.push_back(Segment { bytes, ends_frame, ends_payload: false });
        }
    }

    /// Returns the number of segments that belong to the partly written frame; 0 if there is none
    /// (`started` is false).
    pub(crate) fn in_first_frame(&self, started: bool) -> usize {
        if !started {
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

/// Bytes to write as they are.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) bytes: Bytes,
    pub(crate) ends_frame: bool,
    /// Whether a message ends with it that has memory of its own, so that this may be the last
    /// reference to that. Before the end, more of it is queued behind, or it is a fragment of a
    /// stream, whose memory is not used again.
    pub(crate) ends_payload: bool,
}
