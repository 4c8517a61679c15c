//! Frames that are encoded once for many connections.

use alloc::vec::Vec;
use core::ops::Range;

use super::config::MAX_INLINE;
use super::frame_start::FrameStart;
use crate::message::Message;

/// The encoded frames of short messages as servers send them, one after another: neither masked nor
/// compressed.
///
/// Pass the range that [`push`](Self::push) returns to
/// [`Session::send_batch`](crate::Session::send_batch) of each connection.
#[derive(Debug, Default)]
pub struct FrameBatch(Vec<u8>);

impl FrameBatch {
    /// Adds the frame of a message, and returns its range; `None` for a long message, for which a
    /// reference is better than a copy.
    pub fn push(&mut self, message: &Message) -> Option<Range<usize>> {
        let payload = message.as_bytes();
        if payload.len() > MAX_INLINE {
            return None;
        }
        let start = self.0.len();
        let header = FrameStart::of(message.kind(), false).header(true, None, payload.len());
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(payload);
        Some(start..self.0.len())
    }

    /// Returns the total length of the frames in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no frames.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn frames(&self, range: Range<usize>) -> &[u8] {
        &self.0[range]
    }
}
