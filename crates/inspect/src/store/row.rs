//! The rows of a store.

use std::time::Duration;

use bytes::Bytes;
use fullduplex_proto::Role;

use crate::conversation::ConversationFrame;

/// The most bytes of a text that a row has.
const MAX_TEXT: usize = 4 << 10;

/// A thing that was seen on a WebSocket, as a store keeps it.
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex_inspect::Conversation;
/// use fullduplex_inspect::proto::Role;
/// use fullduplex_inspect::store::{Handling, Row};
///
/// let mut conversation = Conversation::new();
/// conversation.push(Role::Server, b"\x81\x02hi", Duration::ZERO, |frame| {
///     let row = Row::frame(1, frame, Handling::Passed);
///     assert_eq!(row.payload(), b"hi");
/// });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The number of the row in its store, in the order in which rows were stored, from 0 on. It
    /// never changes. 0 before it is stored.
    pub sequence: u64,
    /// The number of the WebSocket.
    pub socket: u64,
    /// The time since the WebSocket was opened.
    pub at: Duration,
    /// What was seen.
    pub kind: RowKind,
}

/// What a [`Row`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
// Nearly all rows are frames.
#[allow(clippy::large_enum_variant)]
pub enum RowKind {
    /// A frame, with the message that is complete with it.
    Frame {
        /// The frame.
        shown: ConversationFrame,
        /// What became of it between the two sides.
        handling: Handling,
        /// What is kept of the payload of the frame and its message.
        retention: Retention,
    },
    /// The end of a direction.
    End {
        /// The side whose direction ended.
        sender: Role,
        /// How it ended, in words.
        how: String,
    },
    /// Something that the program that observes the WebSocket says of it.
    Note {
        /// The words.
        text: String,
    },
}

/// What became of a frame between the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Handling {
    /// Passed on as it came.
    #[default]
    Passed,
    /// Not passed on.
    Dropped,
    /// Not passed on: another took its place.
    Replaced,
    /// Made between the sides. It takes the place of another, or is a new one.
    Injected,
}

/// What is kept of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Retention {
    /// All that the decoder kept.
    #[default]
    Kept,
    /// A copy without its secrets. See [`Redaction`](crate::redaction::Redaction).
    Redacted,
    /// Nothing, as it might have secrets that can't be found.
    Withheld,
    /// Nothing any more, as newer ones need the memory.
    Dropped,
}

impl Row {
    /// Creates a row of a frame. Its time is that of the frame's last byte.
    pub fn frame(socket: u64, shown: ConversationFrame, handling: Handling) -> Self {
        let (at, retention) = (shown.frame.ended, Retention::Kept);
        Self::new(socket, at, RowKind::Frame { shown, handling, retention })
    }

    /// Creates a row of the end of a direction. The words are cut at 4 KiB.
    pub fn end(socket: u64, at: Duration, sender: Role, how: impl Into<String>) -> Self {
        Self::new(socket, at, RowKind::End { sender, how: cut(how.into()) })
    }

    /// Creates a row of a note. The words are cut at 4 KiB.
    pub fn note(socket: u64, at: Duration, text: impl Into<String>) -> Self {
        Self::new(socket, at, RowKind::Note { text: cut(text.into()) })
    }

    fn new(socket: u64, at: Duration, kind: RowKind) -> Self {
        Self { sequence: 0, socket, at, kind }
    }

    /// Returns the frame, if it is one.
    pub fn as_frame(&self) -> Option<&ConversationFrame> {
        match &self.kind {
            RowKind::Frame { shown, .. } => Some(shown),
            _ => None,
        }
    }

    /// Returns the side whose frame or end it is.
    pub fn sender(&self) -> Option<Role> {
        match &self.kind {
            RowKind::Frame { shown, .. } => Some(shown.sender),
            RowKind::End { sender, .. } => Some(*sender),
            RowKind::Note { .. } => None,
        }
    }

    /// Returns the payload that a reader looks at: that of the message that is complete with the
    /// frame, or else the frame's own. Empty if it is not kept.
    pub fn payload(&self) -> &[u8] {
        let Some(shown) = self.as_frame() else { return &[] };
        shown.frame.message.as_ref().map_or(&shown.frame.payload, |message| &message.payload)
    }

    /// Returns the number of bytes that the payload of a frame or its message had, as
    /// [`payload`](Self::payload) may be cut or not be kept.
    pub fn payload_len(&self) -> u64 {
        let Some(shown) = self.as_frame() else { return 0 };
        shown.frame.message.as_ref().map_or(shown.frame.payload_seen, |message| message.len)
    }

    /// Returns the number of allocated bytes beside the row itself, as far as the payloads are not
    /// parts of larger allocations.
    pub(super) fn allocated(&self) -> usize {
        match &self.kind {
            RowKind::Frame { shown, .. } => {
                let frame = &shown.frame;
                let message = frame.message.as_ref().map(|message| &message.payload);
                let own = bytes_allocated(&frame.payload);
                match message {
                    Some(message) if !is_same(message, &frame.payload) => {
                        own + bytes_allocated(message)
                    }
                    _ => own,
                }
            }
            RowKind::End { how: text, .. } | RowKind::Note { text } => allocation(text.capacity()),
        }
    }

    /// Drops the payload of a frame that is not a control frame, and returns the number of bytes
    /// that this frees.
    pub(super) fn drop_payload(&mut self) -> usize {
        let before = self.allocated();
        let RowKind::Frame { shown, retention, .. } = &mut self.kind else { return 0 };
        let frame = &mut shown.frame;
        let is_short_control = frame.is_control() && frame.payload.len() <= 125;
        let message = frame.message.as_ref();
        let has_some =
            !frame.payload.is_empty() || message.is_some_and(|message| !message.payload.is_empty());
        if is_short_control || !has_some {
            return 0;
        }
        frame.payload = Bytes::new();
        if let Some(message) = &mut frame.message {
            message.payload = Bytes::new();
        }
        *retention = Retention::Dropped;
        before - self.allocated()
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rfind(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or_default());
    }
    text.shrink_to_fit();
    text
}

fn is_same(left: &Bytes, right: &Bytes) -> bool {
    left.as_ptr() == right.as_ptr() && left.len() == right.len()
}

/// Returns the memory of bytes: theirs, and the counter of those that share them.
fn bytes_allocated(bytes: &Bytes) -> usize {
    if bytes.is_empty() { 0 } else { allocation(bytes.len()) + allocation(24) }
}

/// Returns what an allocator takes for bytes, roughly.
pub(super) fn allocation(len: usize) -> usize {
    if len == 0 { 0 } else { (len + 8).next_multiple_of(16).max(32) }
}
