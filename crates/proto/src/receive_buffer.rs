//! A receive buffer that hides how much of it is consumed, and makes messages.

use bytes::{Buf, Bytes, BytesMut};

use crate::close::CloseFrame;
use crate::error::ProtocolError;
use crate::message::{Assembler, Message};
use crate::receive::{DataChunk, Event, MessageKind, Receiver};

/// A message at least this long that lies whole in the buffer is split off it; a shorter
/// one is copied out, so that keeping it does not keep the buffer.
const SPLIT_OFF: usize = 8 << 10;

/// What arrived, with whole messages.
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
    /// The control frame as an event for [`Session::handle_event`](crate::Session::handle_event);
    /// `None` for a message.
    pub fn control(&self) -> Option<Event<'_>> {
        match self {
            Self::Message(_) => None,
            Self::Ping(payload) => Some(Event::Ping(payload)),
            Self::Pong(payload) => Some(Event::Pong(payload)),
            Self::Close(frame) => Some(Event::Close(frame.clone())),
        }
    }
}

/// A piece of a message, or a control frame, that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedEvent {
    /// See [`DataChunk`](crate::DataChunk).
    Data {
        /// The kind of the whole message.
        kind: MessageKind,
        /// The bytes, unmasked.
        payload: Bytes,
        /// Whether this is the first piece of its message.
        first: bool,
        /// Whether this is the last one.
        last: bool,
    },
    /// A control frame; never [`MessageEvent::Message`].
    Control(MessageEvent),
}

/// Received bytes that are not consumed yet.
#[derive(Debug, Default)]
pub struct ReceiveBuffer {
    bytes: BytesMut,
    /// So many of them are consumed all the same: to count is cheaper than to take them off.
    consumed: u32,
    /// Short messages share the memory, too.
    shared: bool,
}

impl ReceiveBuffer {
    /// Takes the next message, if it is one frame that is all there, and not compressed: a
    /// short cut for what most messages are. `None` says nothing about what there is else:
    /// that is for [`next`](Self::next).
    #[inline]
    pub fn next_whole(
        &mut self,
        receiver: &mut Receiver,
        assembler: &Assembler,
    ) -> Option<Message> {
        let before = self.consumed as usize;
        let (kind, payload) = receiver.whole(&mut self.bytes[before..])?;
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

    /// Takes the bytes up to `end` off, and the memory with them if there is no room behind
    /// them to read into: nobody shall keep it who has nothing in it.
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
    pub fn next(
        &mut self,
        receiver: &mut Receiver,
        assembler: &mut Assembler,
    ) -> Result<Option<MessageEvent>, ProtocolError> {
        self.next_within(receiver, assembler, usize::MAX)
    }

    /// Takes the next message or control frame, as [`next`](Self::next) does. `None` also while
    /// `assembler` holds `most` bytes or more of an unfinished message: a little input may be a
    /// lot of them where messages are compressed.
    pub fn next_within(
        &mut self,
        receiver: &mut Receiver,
        assembler: &mut Assembler,
        most: usize,
    ) -> Result<Option<MessageEvent>, ProtocolError> {
        if let Some(message) = self.next_whole(receiver, assembler) {
            return Ok(Some(MessageEvent::Message(message)));
        }
        self.take_off();
        while assembler.len() < most && (!self.bytes.is_empty() || receiver.has_more()) {
            let step = receiver.receive(&mut self.bytes)?;
            let (consumed, inflated) = (step.consumed, step.inflated);
            let found = match step.event {
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
            if found.is_some() {
                receiver.settle();
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Takes the next piece of a message, without a copy unless it was inflated, or the next
    /// control frame; for messages that are too long to be held whole.
    pub fn next_piece(
        &mut self,
        receiver: &mut Receiver,
    ) -> Result<Option<OwnedEvent>, ProtocolError> {
        self.take_off();
        while !self.bytes.is_empty() || receiver.has_more() {
            let step = receiver.receive(&mut self.bytes)?;
            let (consumed, inflated) = (step.consumed, step.inflated);
            let control = match step.event {
                None if consumed == 0 => return Ok(None),
                None => None,
                Some(Event::Data(DataChunk { kind, payload, first, last })) if inflated => {
                    let payload = Bytes::copy_from_slice(payload);
                    self.bytes.advance(consumed);
                    receiver.settle();
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

    /// What was received in memory that short messages may share, rather than be copied: one
    /// that is kept keeps all of it.
    #[inline]
    pub fn shared(bytes: BytesMut) -> Self {
        Self { bytes, consumed: 0, shared: true }
    }

    /// The unconsumed bytes.
    #[inline]
    pub fn into_bytes(mut self) -> BytesMut {
        self.take_off();
        self.bytes
    }

    /// The unconsumed bytes, to append to or to look at.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut BytesMut {
        self.take_off();
        &mut self.bytes
    }

    /// Takes the bytes off that are counted as consumed.
    #[inline]
    fn take_off(&mut self) {
        self.bytes.advance(core::mem::take(&mut self.consumed) as usize);
    }

    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that wait.
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
