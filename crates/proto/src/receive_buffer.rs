//! A receive buffer that counts what is consumed, and assembles messages.

use core::fmt;

use bytes::{Buf, Bytes, BytesMut};

use crate::assembler::Assembler;
use crate::close::CloseFrame;
use crate::error::ProtocolError;
use crate::message::Message;
use crate::receive::{DataChunk, Event, MessageKind, Receiver};

/// A message of at least this length that is complete in the buffer is split off it. A shorter one
/// is copied, so that an application that keeps it does not keep the whole buffer.
const SPLIT_OFF: usize = 8 << 10;

/// A received event with a whole message.
///
/// It is complete, as [`Event`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageEvent {
    /// A message.
    Message(Message),
    /// A Ping (§5.5.2).
    Ping(Bytes),
    /// A Pong (§5.5.3).
    Pong(Bytes),
    /// The peer's Close (§5.5.1).
    Close(Option<CloseFrame>),
}

impl MessageEvent {
    /// Returns the control frame as an event for
    /// [`Session::handle_event`](crate::Session::handle_event); `None` for a message.
    pub fn control(&self) -> Option<Event<'_>> {
        match self {
            Self::Message(_) => None,
            Self::Ping(payload) => Some(Event::Ping(payload)),
            Self::Pong(payload) => Some(Event::Pong(payload)),
            Self::Close(frame) => Some(Event::Close(frame.clone())),
        }
    }
}

/// A chunk of a message, or a control frame, that owns its bytes.
///
/// It is complete, as [`Event`] is.
#[derive(Clone, PartialEq, Eq)]
pub enum OwnedEvent {
    /// See [`DataChunk`](crate::DataChunk).
    Data {
        /// The kind of the whole message.
        kind: MessageKind,
        /// The bytes, unmasked.
        payload: Bytes,
        /// Whether this is the first chunk of its message.
        first: bool,
        /// Whether this is the last chunk of its message.
        last: bool,
    },
    /// A control frame; never [`MessageEvent::Message`].
    Control(MessageEvent),
}

/// Shows at most 64 bytes of the payload.
impl fmt::Debug for OwnedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data { kind, payload, first, last } => {
                let (kind, first, last) = (*kind, *first, *last);
                DataChunk { kind, payload, first, last }.fmt(f)
            }
            Self::Control(event) => event.fmt(f),
        }
    }
}

/// Received bytes that are not consumed yet.
///
/// ```
/// use fullduplex_proto::{Assembler, Limits, MessageEvent, ReceiveBuffer, Receiver, Role};
///
/// let mut receiver = Receiver::new(Role::Client, Limits::default());
/// let (mut buffer, mut assembler) = (ReceiveBuffer::default(), Assembler::default());
/// buffer.bytes_mut().extend_from_slice(b"\x81\x05Hello\x89\x00\x81");
/// let mut events = Vec::new();
/// while let Some(event) = buffer.next(&mut receiver, &mut assembler)? {
///     events.push(event);
/// }
/// assert_eq!(events, [MessageEvent::Message("Hello".into()), MessageEvent::Ping("".into())]);
/// assert_eq!(buffer.len(), 1);
/// # Ok::<(), fullduplex_proto::ProtocolError>(())
/// ```
#[derive(Debug, Default)]
pub struct ReceiveBuffer {
    bytes: BytesMut,
    /// The number of bytes at the start that are consumed already: counting is cheaper than
    /// splitting them off each time.
    consumed: u32,
    /// Whether short messages refer to this memory, too, rather than being copied.
    shared: bool,
}

impl ReceiveBuffer {
    /// Takes the next message if it is a single uncompressed frame that is complete in the buffer,
    /// as most messages are.
    ///
    /// `None` does not say that nothing else is there: call [`next`](Self::next) then.
    #[allow(clippy::inline_always, reason = "a call costs a quarter of what it does")]
    #[inline(always)]
    pub fn next_single_frame(
        &mut self,
        receiver: &mut Receiver,
        assembler: &Assembler,
    ) -> Option<Message> {
        let before = self.consumed as usize;
        let (kind, payload) = receiver.receive_single_frame(&mut self.bytes[before..])?;
        let (start, end) = (before + payload.start, before + payload.end);
        let bytes = if (self.shared && start < end) || payload.len() >= SPLIT_OFF {
            self.consumed = 0;
            let mut frame = self.split_to(end).freeze();
            frame.advance(start);
            frame
        } else {
            let copy = assembler.copy(&self.bytes[start..end]);
            self.consume(end);
            copy
        };
        Some(Message::checked(kind, bytes))
    }

    /// Splits off the bytes up to `end`. If no capacity is left after them, the whole allocation
    /// goes with them: an empty buffer must not keep it alive.
    #[inline]
    fn split_to(&mut self, end: usize) -> BytesMut {
        if end == self.bytes.capacity() {
            core::mem::take(&mut self.bytes)
        } else {
            self.bytes.split_to(end)
        }
    }

    /// Counts the bytes up to `end` as consumed.
    #[inline]
    fn consume(&mut self, end: usize) {
        if let Ok(consumed) = u32::try_from(end) {
            self.consumed = consumed;
        } else {
            self.bytes.advance(end);
            self.consumed = 0;
        }
    }

    /// Takes the next message or control frame; `None` when more bytes are needed.
    ///
    /// # Errors
    /// If the peer broke a rule of the protocol or exceeded a limit. Each error is reported once.
    pub fn next(
        &mut self,
        receiver: &mut Receiver,
        assembler: &mut Assembler,
    ) -> Result<Option<MessageEvent>, ProtocolError> {
        self.next_within(receiver, assembler, usize::MAX)
    }

    /// Takes the next message or control frame, as [`next`](Self::next) does, but stops while
    /// `assembler` holds `max_held` bytes or more of an unfinished message.
    ///
    /// A caller bounds its memory with it: a little compressed input can become a long message.
    pub fn next_within(
        &mut self,
        receiver: &mut Receiver,
        assembler: &mut Assembler,
        max_held: usize,
    ) -> Result<Option<MessageEvent>, ProtocolError> {
        if let Some(message) = self.next_single_frame(receiver, assembler) {
            return Ok(Some(MessageEvent::Message(message)));
        }
        self.next_by_events(receiver, assembler, max_held)
    }

    /// Takes the next message or control frame that is not a single frame complete in the buffer.
    ///
    /// It is apart from [`next_within`](Self::next_within) so that the common case has the
    /// registers for itself.
    #[inline(never)]
    fn next_by_events(
        &mut self,
        receiver: &mut Receiver,
        assembler: &mut Assembler,
        max_held: usize,
    ) -> Result<Option<MessageEvent>, ProtocolError> {
        self.drop_consumed();
        while assembler.len() < max_held && (!self.bytes.is_empty() || receiver.has_more()) {
            let step = receiver.receive(&mut self.bytes)?;
            let (consumed, inflated) = (step.consumed, step.inflated);
            let event = match step.event {
                None if consumed == 0 => return Ok(None),
                None => None,
                Some(Event::Data(data))
                    if data.payload.len() >= SPLIT_OFF && data.first && data.last && !inflated =>
                {
                    let (kind, len) = (data.kind, data.payload.len());
                    self.bytes.advance(consumed - len);
                    let payload = self.split_to(len).freeze();
                    return Ok(Some(MessageEvent::Message(Message::checked(kind, payload))));
                }
                Some(Event::Data(data)) => assembler.push(&data).map(MessageEvent::Message),
                Some(Event::Ping(payload)) => {
                    Some(MessageEvent::Ping(Bytes::copy_from_slice(payload)))
                }
                Some(Event::Pong(payload)) => {
                    Some(MessageEvent::Pong(Bytes::copy_from_slice(payload)))
                }
                Some(Event::Close(frame)) => Some(MessageEvent::Close(frame)),
            };
            self.bytes.advance(consumed);
            if event.is_some() {
                receiver.release_workspace();
                return Ok(event);
            }
        }
        Ok(None)
    }

    /// Takes the next chunk of a message, or the next control frame; `None` when more bytes are
    /// needed. It is for messages that are too long to be held whole. The payload is not copied
    /// unless it was inflated.
    ///
    /// # Errors
    /// If the peer broke a rule of the protocol or exceeded a limit. Each error is reported once.
    pub fn next_chunk(
        &mut self,
        receiver: &mut Receiver,
    ) -> Result<Option<OwnedEvent>, ProtocolError> {
        self.drop_consumed();
        while !self.bytes.is_empty() || receiver.has_more() {
            let step = receiver.receive(&mut self.bytes)?;
            let (consumed, inflated) = (step.consumed, step.inflated);
            let control = match step.event {
                None if consumed == 0 => return Ok(None),
                None => None,
                Some(Event::Data(DataChunk { kind, payload, first, last })) if inflated => {
                    let payload = Bytes::copy_from_slice(payload);
                    self.bytes.advance(consumed);
                    receiver.release_workspace();
                    return Ok(Some(OwnedEvent::Data { kind, payload, first, last }));
                }
                Some(Event::Data(DataChunk { kind, payload, first, last })) => {
                    let len = payload.len();
                    self.bytes.advance(consumed - len);
                    let payload = self.split_to(len).freeze();
                    return Ok(Some(OwnedEvent::Data { kind, payload, first, last }));
                }
                Some(Event::Ping(payload)) => {
                    Some(MessageEvent::Ping(Bytes::copy_from_slice(payload)))
                }
                Some(Event::Pong(payload)) => {
                    Some(MessageEvent::Pong(Bytes::copy_from_slice(payload)))
                }
                Some(Event::Close(frame)) => Some(MessageEvent::Close(frame)),
            };
            self.bytes.advance(consumed);
            if let Some(control) = control {
                return Ok(Some(OwnedEvent::Control(control)));
            }
        }
        Ok(None)
    }

    /// Creates a buffer whose short messages refer to its memory rather than being copied. A
    /// message that is kept keeps all of that memory.
    #[inline]
    pub fn shared(bytes: BytesMut) -> Self {
        Self { bytes, consumed: 0, shared: true }
    }

    /// Returns the unconsumed bytes.
    #[inline]
    pub fn into_bytes(mut self) -> BytesMut {
        self.drop_consumed();
        self.bytes
    }

    /// Returns the unconsumed bytes, to append received ones or to inspect them.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut BytesMut {
        self.drop_consumed();
        &mut self.bytes
    }

    /// Removes the bytes that are counted as consumed.
    #[inline]
    fn drop_consumed(&mut self) {
        self.bytes.advance(core::mem::take(&mut self.consumed) as usize);
    }

    /// Returns whether all bytes are consumed.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of unconsumed bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.consumed as usize
    }
}

impl From<BytesMut> for ReceiveBuffer {
    fn from(bytes: BytesMut) -> Self {
        Self { bytes, consumed: 0, shared: false }
    }
}
