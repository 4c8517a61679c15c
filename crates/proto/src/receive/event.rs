//! What arrives: messages in pieces, control frames, and what a call has consumed.

use crate::close::CloseFrame;

/// What kind of message this is (§5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

/// A piece of a message.
///
/// Pieces follow the wire and the caller's reads, not the peer's fragments: together,
/// from `first` to `last`, they are the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataChunk<'a> {
    /// The kind of the whole message.
    pub kind: MessageKind,
    /// The bytes, unmasked. Of a text message they are valid so far as they go: only the
    /// last character may be cut, and is completed by the next piece.
    pub payload: &'a [u8],
    /// Whether this is the first piece of its message.
    pub first: bool,
    /// Whether this is the last one.
    pub last: bool,
}

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A piece of a message.
    Data(DataChunk<'a>),
    /// A Ping (§5.5.2); a [`Session`](crate::Session) answers it.
    Ping(&'a [u8]),
    /// A Pong (§5.5.3), asked for or not.
    Pong(&'a [u8]),
    /// The peer's Close (§5.5.1), with code and reason if it gave them. The last event.
    Close(Option<CloseFrame>),
}

/// What one call of [`Receiver::receive`] made of its input.
#[derive(Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Bytes at the start of the input that are done with. The payload of a
    /// [`DataChunk`] event is the end of them, unless it was inflated.
    pub consumed: usize,
    /// Whether the payload was inflated: it lies in the receiver, not in the input.
    pub inflated: bool,
    /// What they were, if anything to tell.
    pub event: Option<Event<'a>>,
}

impl Received<'_> {
    pub(crate) fn passing(consumed: usize) -> Self {
        Received { consumed, inflated: false, event: None }
    }

    /// Whether nothing more can be made of the input until bytes are added to it.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.consumed == 0 && self.event.is_none()
    }
}
