//! Whole messages, and their assembly from chunks.

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
    /// Creates a text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// Creates a binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Returns whether the message is text or binary.
    #[inline]
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// Returns the payload.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the payload without copying it.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.0,
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the text of a text message; `None` for a binary one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            Self::Binary(_) => None,
        }
    }

    /// Returns whether this message is the only reference to the payload, and the payload has no
    /// custom owner ([`Bytes::from_owner`]): dropping it then frees the memory.
    pub fn is_unique(&self) -> bool {
        match self {
            Self::Text(text) => text.0.is_unique(),
            Self::Binary(bytes) => bytes.is_unique(),
        }
    }

    /// Returns the length of the payload in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Creates a message of a payload that the receiver has validated: text is UTF-8.
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
    /// Returns the text.
    ///
    /// This library has no unsafe code, so the bytes are validated again by each call, at some 25
    /// GB/s: keep the `&str` rather than calling this in a loop.
    #[allow(clippy::missing_panics_doc, reason = "every constructor checks the bytes")]
    pub fn as_str(&self) -> &str {
        simdutf8::basic::from_utf8(&self.0).expect("checked when it was made")
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes without copying them.
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

    /// Converts the bytes if they are UTF-8.
    ///
    /// # Errors
    /// Returns the bytes unchanged if they are not.
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

/// Assembles messages from their chunks.
///
/// Its buffer grows with the bytes received, to at most twice their number, and never to a length
/// that was only announced, unless [`PayloadAllocator::large_buffer`] returns more capacity.
#[derive(Debug)]
pub struct Assembler {
    buffer: Vec<u8>,
    allocator: &'static PayloadAllocator,
}

/// Functions that allocate the memory of received messages, such as from buffers that were used
/// before.
#[derive(Clone, Copy, Debug)]
pub struct PayloadAllocator {
    /// Copies a payload that arrived complete.
    pub copy: fn(&[u8]) -> Bytes,
    /// Returns a buffer for a message of which this many bytes, at least 4 KiB, have arrived and
    /// more follow. Its capacity may be larger or smaller than that.
    pub large_buffer: fn(usize) -> Vec<u8>,
}

impl Default for Assembler {
    fn default() -> Self {
        Self::with_allocator(&PayloadAllocator {
            copy: Bytes::copy_from_slice,
            large_buffer: |_| Vec::new(),
        })
    }
}

/// The minimum capacity that is reserved for reading payload straight into the message.
const MIN_RESERVE: usize = 16 << 10;

/// The length of a first chunk from which on the message counts as large.
const LARGE_MESSAGE: usize = 4 << 10;

impl Assembler {
    /// Creates an assembler that allocates by `allocator`.
    pub fn with_allocator(allocator: &'static PayloadAllocator) -> Self {
        Self { buffer: Vec::new(), allocator }
    }

    /// Copies the payload of a message that arrived complete.
    #[inline]
    pub(crate) fn copy(&self, payload: &[u8]) -> Bytes {
        if payload.is_empty() { Bytes::new() } else { (self.allocator.copy)(payload) }
    }

    /// Adds a chunk. Returns the message when it is complete.
    #[inline]
    pub fn push(&mut self, data: &DataChunk<'_>) -> Option<Message> {
        if data.first && data.last {
            return Some(Message::checked(data.kind, self.copy(data.payload)));
        }
        if self.buffer.capacity() == 0 && data.payload.len() >= LARGE_MESSAGE {
            self.buffer = (self.allocator.large_buffer)(data.payload.len());
            self.buffer.clear();
        }
        self.buffer.extend_from_slice(data.payload);
        data.last.then(|| self.finish(data.kind))
    }

    /// Reserves capacity for reading payload straight into the message, and returns the buffer to
    /// append to and how many bytes may be appended.
    ///
    /// That is at most `remaining`, which is [`Receiver::payload_remaining`], as what follows in
    /// the stream is not payload. After appending, call [`commit`](Self::commit).
    pub fn reserve(&mut self, remaining: u64) -> (&mut Vec<u8>, usize) {
        let remaining = usize::try_from(remaining).unwrap_or(usize::MAX);
        let spare = self.buffer.capacity() - self.buffer.len();
        if spare < remaining.min(MIN_RESERVE) {
            let grow = self.buffer.len().max(MIN_RESERVE);
            // A short remainder is read together with the bytes after it: reserve it, too.
            let grow = if remaining < grow + MIN_RESERVE { remaining } else { grow };
            self.buffer.reserve_exact(grow);
        }
        let spare = self.buffer.capacity() - self.buffer.len();
        (&mut self.buffer, spare.min(remaining))
    }

    /// Receives the bytes that were appended to the buffer from `start` on: payload of the current
    /// frame and nothing else. Returns the message when it is complete.
    ///
    /// # Errors
    /// As for [`Receiver::receive`].
    pub fn commit(
        &mut self,
        receiver: &mut Receiver,
        start: usize,
    ) -> Result<Option<Message>, ProtocolError> {
        debug_assert!((self.buffer.len() - start) as u64 <= receiver.payload_remaining());
        match receiver.receive(&mut self.buffer[start..])?.event {
            Some(Event::Data(DataChunk { kind, last: true, .. })) => Ok(Some(self.finish(kind))),
            _ => Ok(None),
        }
    }

    /// Returns how many bytes of an unfinished message are held.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Returns whether no bytes of an unfinished message are held.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Takes the bytes that are held of an unfinished message.
    pub fn take_partial(&mut self) -> Vec<u8> {
        let mut buffer = core::mem::take(&mut self.buffer);
        // An application that keeps this message must not keep the memory of a much larger one.
        if buffer.capacity() / 2 > buffer.len() {
            buffer.shrink_to_fit();
        }
        buffer
    }

    fn finish(&mut self, kind: MessageKind) -> Message {
        Message::checked(kind, self.take_partial().into())
    }
}
