//! Whole messages, and how they are put together.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::error::ProtocolError;
use crate::receive::{DataChunk, Event, MessageKind, Receiver};

/// A whole message (RFC 6455 §5.6). Control frames are not messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// UTF-8 text.
    Text(Utf8Bytes),
    /// Any bytes.
    Binary(Bytes),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Text or binary.
    #[inline]
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// The payload.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The payload, without a copy.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.0,
            Self::Binary(bytes) => bytes,
        }
    }

    /// The text of a text message.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            Self::Binary(_) => None,
        }
    }

    /// Whether nothing else refers to the payload, and it has no owner of its own
    /// ([`Bytes::from_owner`]): then to drop it is to free its memory.
    pub fn is_unique(&self) -> bool {
        match self {
            Self::Text(text) => text.0.is_unique(),
            Self::Binary(bytes) => bytes.is_unique(),
        }
    }

    /// Payload bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The receiver has checked that text is UTF-8.
    #[inline]
    pub(crate) fn checked(kind: MessageKind, bytes: Bytes) -> Self {
        match kind {
            MessageKind::Text => Self::Text(Utf8Bytes(bytes)),
            MessageKind::Binary => Self::Binary(bytes),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::binary(bytes)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

/// Bytes that are UTF-8: the payload of a text message. Clones share the bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Utf8Bytes(Bytes);

impl Utf8Bytes {
    /// The text.
    ///
    /// As this library has no unsafe code, the bytes are checked once more, at some
    /// 25 GB/s: keep the `&str` rather than asking for it in a loop.
    #[allow(clippy::missing_panics_doc, reason = "every constructor checks the bytes")]
    pub fn as_str(&self) -> &str {
        simdutf8::basic::from_utf8(&self.0).expect("checked when it was made")
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&str> for Utf8Bytes {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Self(text.into_bytes().into())
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = Bytes;

    /// Takes the bytes if they are UTF-8, and hands them back if not.
    fn try_from(bytes: Bytes) -> Result<Self, Bytes> {
        if simdutf8::basic::from_utf8(&bytes).is_ok() { Ok(Self(bytes)) } else { Err(bytes) }
    }
}

impl AsRef<[u8]> for Utf8Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for Utf8Bytes {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Utf8Bytes {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

/// Puts the pieces of messages together.
///
/// What it holds grows with the bytes received, at most twice as far, and never by a
/// length that was only announced, unless [`PayloadAllocator::long`] gives more.
#[derive(Debug)]
pub struct Assembler {
    buffer: Vec<u8>,
    memory: &'static PayloadAllocator,
}

/// Where the memory of messages comes from: what was used before is cheaper than what is new.
#[derive(Clone, Copy, Debug)]
pub struct PayloadAllocator {
    /// Copies a payload that came as a whole.
    pub copy: fn(&[u8]) -> Bytes,
    /// Gives a buffer for a longer message, of which so many bytes, at least 4 KiB, have come;
    /// with as much or little room as it likes.
    pub long: fn(usize) -> Vec<u8>,
}

impl Default for Assembler {
    fn default() -> Self {
        Self::with_memory(&PayloadAllocator { copy: Bytes::copy_from_slice, long: |_| Vec::new() })
    }
}

/// The least room that is made for reading straight into the message.
const FIRST_ROOM: usize = 16 << 10;

/// A first piece of this length is one of a long message.
const LONG: usize = 4 << 10;

impl Assembler {
    /// One that has the memory of messages from there.
    pub fn with_memory(memory: &'static PayloadAllocator) -> Self {
        Self { buffer: Vec::new(), memory }
    }

    /// Copies a message's payload.
    #[inline]
    pub(crate) fn copy(&self, payload: &[u8]) -> Bytes {
        if payload.is_empty() { Bytes::new() } else { (self.memory.copy)(payload) }
    }

    /// Adds a piece; gives the message when it is whole.
    #[inline]
    pub fn push(&mut self, data: &DataChunk<'_>) -> Option<Message> {
        if data.first && data.last {
            return Some(Message::checked(data.kind, self.copy(data.payload)));
        }
        if self.buffer.capacity() == 0 && data.payload.len() >= LONG {
            self.buffer = (self.memory.long)(data.payload.len());
            self.buffer.clear();
        }
        self.buffer.extend_from_slice(data.payload);
        data.last.then(|| self.take(data.kind))
    }

    /// Makes room for reading payload straight to where it shall stay, and returns the
    /// buffer to append to, with how many bytes may be: no more than `remaining`, the
    /// [`Receiver::payload_remaining`], for what follows is not payload. Tell
    /// [`appended`](Self::appended) then.
    pub fn room(&mut self, remaining: u64) -> (&mut Vec<u8>, usize) {
        let remaining = usize::try_from(remaining).unwrap_or(usize::MAX);
        let spare = self.buffer.capacity() - self.buffer.len();
        if spare < remaining.min(FIRST_ROOM) {
            let grow = self.buffer.len().max(FIRST_ROOM);
            // A little rest comes with the bytes behind it, and shall find room, too.
            let grow = if remaining < grow + FIRST_ROOM { remaining } else { grow };
            self.buffer.reserve_exact(grow);
        }
        let spare = self.buffer.capacity() - self.buffer.len();
        (&mut self.buffer, spare.min(remaining))
    }

    /// Receives what was appended to the buffer from `start` on: payload of the frame
    /// under way and nothing else. Gives the message when it is whole.
    pub fn appended(
        &mut self,
        receiver: &mut Receiver,
        start: usize,
    ) -> Result<Option<Message>, ProtocolError> {
        debug_assert!((self.buffer.len() - start) as u64 <= receiver.payload_remaining());
        match receiver.receive(&mut self.buffer[start..])?.event {
            Some(Event::Data(DataChunk { kind, last: true, .. })) => Ok(Some(self.take(kind))),
            _ => Ok(None),
        }
    }

    /// Bytes held of an unfinished message.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Takes what is held of an unfinished message.
    pub fn take_partial(&mut self) -> Vec<u8> {
        let mut buffer = core::mem::take(&mut self.buffer);
        // Who keeps the message shall not keep a much larger one's memory.
        if buffer.capacity() / 2 > buffer.len() {
            buffer.shrink_to_fit();
        }
        buffer
    }

    fn take(&mut self, kind: MessageKind) -> Message {
        Message::checked(kind, self.take_partial().into())
    }
}
