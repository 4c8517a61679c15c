//! Frames that are made once for many connections.

use alloc::vec::Vec;
use core::ops::Range;

use super::config::COALESCE;
use super::frame_start::FrameStart;
use crate::message::Message;

/// The frames of short messages as servers send them, one behind the other: neither masked
/// nor compressed.
///
/// What [`push`](Self::push) gives is for [`Session::send_batch`](crate::Session::send_batch)
/// of all whom the message is for.
#[derive(Debug, Default)]
pub struct FrameBatch(Vec<u8>);

impl FrameBatch {
    /// Adds the frame of a message, and gives where it lies; `None` for a message so long
    /// that it is better referenced than copied.
    pub fn push(&mut self, message: &Message) -> Option<Range<usize>> {
        let payload = message.as_bytes();
        if payload.len() > COALESCE {
            return None;
        }
        let start = self.0.len();
        let header = FrameStart::of(message.kind(), false).header(true, None, payload.len());
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(payload);
        Some(start..self.0.len())
    }

    /// How many bytes the frames are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn frames(&self, range: Range<usize>) -> &[u8] {
        &self.0[range]
    }
}
