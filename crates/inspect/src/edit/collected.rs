//! The bytes of a message that wait until all of it is there.

use fullduplex_proto::ProtocolError;

use crate::conversation::ConversationFrame;
use crate::store::Handling;
use crate::violation::Violation;

/// The most frames that are collected. Each takes memory, also if it is empty.
const MAX_FRAMES: usize = 1024;

/// A message whose frames are not passed on yet, with the control frames between them.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// All bytes, as they came.
    pub(super) bytes: Vec<u8>,
    /// The bytes of the frames between.
    pub(super) between: Vec<u8>,
    /// The bytes of the message, decompressed.
    pub(super) plain: Vec<u8>,
    /// The frames that are complete. What became of those between is known.
    frames: Vec<(ConversationFrame, Option<Handling>)>,
}

impl Collected {
    /// Adds a frame of the message.
    pub(super) fn add(&mut self, shown: ConversationFrame) {
        self.frames.push((shown, None));
    }

    /// Adds a frame that is between those of the message, with its bytes if it passes.
    pub(super) fn add_between(&mut self, shown: ConversationFrame, handling: Handling) {
        self.frames.push((shown, Some(handling)));
    }

    pub(super) fn add_bytes_between(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.between.extend_from_slice(bytes);
    }

    /// Returns whether more than these bytes are collected, or too many frames.
    pub(super) fn is_over(&self, max: usize) -> bool {
        self.bytes.len() > max || self.plain.len() > max || self.frames.len() >= MAX_FRAMES
    }

    /// Returns the last frame of the message.
    pub(super) fn last(&self) -> Option<&ConversationFrame> {
        self.frames.iter().rev().find(|(_, handling)| handling.is_none()).map(|(shown, _)| shown)
    }

    /// Returns whether a receiver fails for the header of a frame of the message, so that it never
    /// decompresses it.
    pub(super) fn breaks_header_rule(&self) -> bool {
        let own = self.frames.iter().filter(|(_, handling)| handling.is_none());
        let mut violations = own.filter_map(|(shown, _)| shown.frame.violation);
        let utf8 = Violation::Rule(ProtocolError::InvalidUtf8);
        violations.any(|violation| violation != utf8)
    }

    /// Takes the frames, with what becomes of them if this becomes of those of the message.
    pub(super) fn take_frames(
        &mut self,
        handling: Handling,
    ) -> impl Iterator<Item = (ConversationFrame, Handling)> + use<> {
        let frames = std::mem::take(&mut self.frames);
        frames.into_iter().map(move |(shown, known)| (shown, known.unwrap_or(handling)))
    }

    /// Returns whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.frames.is_empty()
    }

    /// Removes the bytes.
    pub(super) fn clear(&mut self) {
        for bytes in [&mut self.bytes, &mut self.between, &mut self.plain] {
            // A long message is seldom followed by another.
            if bytes.capacity() > 64 << 10 {
                *bytes = Vec::new();
            }
            bytes.clear();
        }
    }
}
