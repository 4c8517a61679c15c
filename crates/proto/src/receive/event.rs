//! What the receiver returns: chunks of messages, control frames, and the bytes consumed.

use core::fmt;

use crate::close::CloseFrame;
use crate::short_debug::ShortBytes;

/// The type of a message: text or binary (§5.6).
///
/// It is complete: there are no other types.
///
/// ```
/// use fullduplex_proto::{Message, MessageKind};
///
/// assert_eq!(Message::from("text").kind(), MessageKind::Text);
/// assert_eq!(Message::from(vec![0]).kind(), MessageKind::Binary);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

/// A chunk of a message.
///
/// Chunks follow the wire and the caller's reads, not the peer's fragments: together,
/// from `first` to `last`, they are the message.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataChunk<'a> {
    /// The type of the whole message.
    pub kind: MessageKind,
    /// The bytes, unmasked. Those of a text message are valid UTF-8, but a character may be cut at
    /// the end of one chunk and completed by the next.
    pub payload: &'a [u8],
    /// Whether this is the first chunk of its message.
    pub first: bool,
    /// Whether this is the last chunk of its message.
    pub last: bool,
}

/// Shows at most 64 bytes of the payload.
impl fmt::Debug for DataChunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataChunk")
            .field("kind", &self.kind)
            .field("payload", &ShortBytes(self.payload))
            .field("first", &self.first)
            .field("last", &self.last)
            .finish()
    }
}

impl<'a> DataChunk<'a> {
    /// Creates a chunk of these parts, described at the fields.
    #[inline]
    pub const fn new(kind: MessageKind, payload: &'a [u8], first: bool, last: bool) -> Self {
        Self { kind, payload, first, last }
    }
}

/// An event decoded from received bytes.
///
/// It is complete: nothing else can be received (§5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A chunk of a message.
    Data(DataChunk<'a>),
    /// A Ping (§5.5.2); a [`Session`](crate::Session) answers it.
    Ping(&'a [u8]),
    /// A Pong (§5.5.3), solicited or not.
    Pong(&'a [u8]),
    /// The peer's Close (§5.5.1), with its code and reason if it has them. It is the last event.
    Close(Option<CloseFrame>),
}

/// The result of one call of [`Receiver::receive`](crate::Receiver::receive).
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received<'a> {
    /// The number of bytes at the start of the input that are consumed. The payload of an
    /// [`Event::Data`] is the end of them, unless it was inflated.
    pub consumed: usize,
    /// Whether the payload was inflated: it is in the receiver's memory, not in the input.
    pub inflated: bool,
    /// The event that the consumed bytes contain, if any.
    pub event: Option<Event<'a>>,
}

impl Received<'_> {
    pub(crate) fn discarded(consumed: usize) -> Self {
        Received { consumed, inflated: false, event: None }
    }

    /// Returns whether nothing more can be decoded from the input until bytes are added to it.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.consumed == 0 && self.event.is_none()
    }
}
