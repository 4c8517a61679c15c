//! The assembly of messages from their chunks.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::error::ProtocolError;
use crate::message::Message;
use crate::receive::{DataChunk, Event, MessageKind, Receiver};

/// Assembles messages from their chunks.
///
/// Its buffer grows with the bytes received, to at most twice their number, and never to a length
/// that was only announced, unless [`PayloadAllocator::large_buffer`] returns more capacity.
///
/// ```
/// use fullduplex_proto::{Assembler, Event, Limits, Receiver, Role};
///
/// let mut receiver = Receiver::new(Role::Client, Limits::default());
/// let mut assembler = Assembler::default();
/// // A message in two fragments (RFC 6455 §5.7).
/// let mut input: &mut [u8] = &mut b"\x01\x03Hel\x80\x02lo".to_vec()[..];
/// let mut message = None;
/// while !input.is_empty() {
///     let received = receiver.receive(input)?;
///     let consumed = received.consumed;
///     if let Some(Event::Data(chunk)) = received.event {
///         message = assembler.push(&chunk);
///     }
///     input = &mut input[consumed..];
/// }
/// assert_eq!(message.unwrap(), "Hello");
/// # Ok::<(), fullduplex_proto::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Assembler {
    buffer: Vec<u8>,
    allocator: &'static PayloadAllocator,
}

/// Functions that allocate the memory of received messages, such as from buffers that were used
/// before.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PayloadAllocator {
    /// Copies a payload that arrived complete.
    pub copy: fn(&[u8]) -> Bytes,
    /// Returns a buffer for a message of which this many bytes, at least 4 KiB, have arrived and
    /// more follow. Its capacity may be larger or smaller than that.
    pub large_buffer: fn(usize) -> Vec<u8>,
}

impl PayloadAllocator {
    /// Creates an allocator of these functions, described at the fields.
    pub const fn new(copy: fn(&[u8]) -> Bytes, large_buffer: fn(usize) -> Vec<u8>) -> Self {
        Self { copy, large_buffer }
    }
}

impl Default for Assembler {
    fn default() -> Self {
        static UNSHARED: PayloadAllocator =
            PayloadAllocator::new(Bytes::copy_from_slice, |_| Vec::new());
        Self::with_allocator(&UNSHARED)
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
