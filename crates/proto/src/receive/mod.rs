//! The receiving half: bytes in, events out (RFC 6455 §5, §6.2).

mod event;
mod in_progress;
mod inflation;

use alloc::boxed::Box;
use core::ops::Range;

use crate::close::CloseFrame;
#[cfg(feature = "deflate")]
use crate::deflate::{Inflater, PerMessageDeflate};
use crate::error::ProtocolError;
use crate::frame::{FrameHeader, OpCode, RawFrameHeader, Role, SingleFrameHeader, check_start};
use crate::limits::Limits;
use crate::mask;

pub use event::{DataChunk, Event, MessageKind, Received};
use in_progress::{FrameInProgress, MessageInProgress};
use inflation::{MessageInflation, most_compressed};

/// Turns received bytes into events, in the caller's buffer.
///
/// # Contract
/// Call [`receive`](Self::receive) with all bytes that were received and not yet
/// consumed, drop the consumed ones, and repeat until [`Received::is_idle`], or until the
/// input is empty and the receiver holds nothing more either ([`has_more`](Self::has_more));
/// then read more. An incomplete header or control frame consumes nothing, so the caller
/// carries at most 139 bytes from one read to the next. Payload is unmasked in place, exactly
/// when it is consumed.
///
/// After an error or a Close, everything that follows is consumed without a word
/// (§1.4, §7.1.7): the connection only drains.
///
/// Nothing is allocated for data. A compressed message (RFC 7692) is inflated piece by
/// piece, and each piece counted before it is handed out.
#[derive(Debug)]
pub struct Receiver {
    role: Role,
    drains: bool,
    /// Of the limits, those that are held here.
    /// `u64::MAX` for none.
    max_message_size: u64,
    max_fragments: u32,
    frame: FrameInProgress,
    message: MessageInProgress,
    inflating: Option<Box<MessageInflation>>,
}

/// A step, without the borrow of the input.
enum Decoded {
    Nothing,
    Data { payload: Range<usize>, kind: MessageKind, first: bool, last: bool },
    Inflated { len: usize, kind: MessageKind, first: bool, last: bool },
    Control { opcode: OpCode, payload: Range<usize> },
}

impl Receiver {
    /// The receiving half of the end with this role.
    pub fn new(role: Role, limits: Limits) -> Self {
        let (frame, message) = (FrameInProgress::default(), MessageInProgress::default());
        let max_fragments = limits.max_fragments;
        let max_message_size = limits.max_message_size.unwrap_or(u64::MAX);
        let drains = false;
        Self { role, drains, max_message_size, max_fragments, frame, message, inflating: None }
    }

    /// The same with permessage-deflate as it was agreed on.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, deflate: &PerMessageDeflate) -> Self {
        let inflater = Inflater::new(deflate, self.role);
        self.inflating = Some(Box::new(MessageInflation { inflater, produced: 0, restarts: 0 }));
        self
    }

    /// Payload bytes still to come in the data frame under way.
    ///
    /// A caller that collects a long message can read so many bytes straight to where
    /// they shall stay, and give `receive` just those. Compressed ones can't stay anywhere:
    /// for them it is 0.
    #[inline]
    pub fn payload_remaining(&self) -> u64 {
        if self.message.compressed { 0 } else { self.frame.remaining }
    }

    /// Whether more can be made of what was consumed already: a little compressed data can
    /// be a lot of message. Then [`receive`](Self::receive) is to be called also without
    /// input.
    #[inline]
    pub fn has_more(&self) -> bool {
        !self.drains
            && self.inflating.as_ref().is_some_and(|inflating| inflating.inflater.has_more())
    }

    /// Gives back what was lent for inflating a message that has ended. `receive` does the
    /// same; it is for who does not call it again at once.
    #[inline]
    pub fn settle(&mut self) {
        if let Some(inflating) = &mut self.inflating {
            inflating.inflater.settle();
        }
    }

    /// Whether a message is under way, and of what kind.
    pub fn message_kind(&self) -> Option<MessageKind> {
        self.message.kind
    }

    /// From now on consumes everything without a word, and holds no memory for it: the
    /// connection has ended, or was failed for a reason that the receiver does not know.
    pub fn drain(&mut self) {
        self.drains = true;
        self.frame.remaining = 0;
        self.inflating = None;
    }

    /// Consumes one frame, or one piece of it, at the start of `input`.
    ///
    /// The error is reported once, when the first byte that proves it is there.
    #[inline]
    pub fn receive<'a>(&'a mut self, input: &'a mut [u8]) -> Result<Received<'a>, ProtocolError> {
        if self.drains {
            return Ok(Received::passing(input.len()));
        }
        let (consumed, found) = self.step(input).inspect_err(|_| self.drain())?;
        let mut is_inflated = false;
        let event = match found {
            Decoded::Nothing => None,
            Decoded::Inflated { len, kind, first, last } => {
                is_inflated = true;
                let payload = match &mut self.inflating {
                    Some(inflating) => inflating.inflater.output(len),
                    None => &[],
                };
                Some(Event::Data(DataChunk { kind, payload, first, last }))
            }
            Decoded::Data { payload, kind, first, last } => {
                Some(Event::Data(DataChunk { kind, payload: &input[payload], first, last }))
            }
            Decoded::Control { opcode: OpCode::Ping, payload } => {
                Some(Event::Ping(&input[payload]))
            }
            Decoded::Control { opcode: OpCode::Pong, payload } => {
                Some(Event::Pong(&input[payload]))
            }
            Decoded::Control { payload, .. } => {
                self.drains = true;
                Some(Event::Close(CloseFrame::parse(&input[payload])?))
            }
        };
        Ok(Received { consumed, inflated: is_inflated, event })
    }

    /// Takes the message at the start of `input`, if it is one plain frame that is there as a
    /// whole: most messages are, and get by with a part of what [`receive`](Self::receive) has
    /// to look at. Gives where its payload lies, unmasked. Whatever is not so simple, errors
    /// among them, is left to `receive`.
    #[inline]
    pub(crate) fn whole(&mut self, input: &mut [u8]) -> Option<(MessageKind, Range<usize>)> {
        if self.drains || self.message.kind.is_some() || self.has_more() {
            return None;
        }
        let header = SingleFrameHeader::decode(input, self.role)?;
        let (start, end) = (header.size, header.size + header.payload_len);
        let payload = input.get_mut(start..end)?;
        if payload.len() as u64 > self.max_message_size {
            return None;
        }
        if let Some(key) = header.key {
            mask::apply(payload, key);
        }
        if !header.is_text {
            return Some((MessageKind::Binary, start..end));
        }
        if simdutf8::basic::from_utf8(payload).is_err() {
            // As it was, for `receive` to find the fault.
            if let Some(key) = header.key {
                mask::apply(payload, key);
            }
            return None;
        }
        Some((MessageKind::Text, start..end))
    }

    #[inline]
    fn step(&mut self, input: &mut [u8]) -> Result<(usize, Decoded), ProtocolError> {
        if self.frame.remaining > 0 {
            return self.payload(input, 0);
        }
        if self.has_more() {
            let (consumed, found) = self.payload(input, 0)?;
            // There may have been nothing more after all; then the next frame's turn is now.
            if !matches!(found, Decoded::Nothing) {
                return Ok((consumed, found));
            }
        }
        let Some(raw) = RawFrameHeader::decode(input) else {
            return self.incomplete(input).map(|()| (0, Decoded::Nothing));
        };
        let header = raw.validate(self.role, self.inflating.is_some())?;
        if header.opcode.is_control() {
            return Ok(control(&header, input));
        }
        self.begin(&header)?;
        self.payload(input, raw.header_len())
    }

    /// Refuses a bad frame as soon as its first two bytes show it.
    #[cold]
    fn incomplete(&self, input: &[u8]) -> Result<(), ProtocolError> {
        if let [first, second, ..] = *input {
            check_start(first, second, self.role, self.inflating.is_some())?;
        }
        Ok(())
    }

    /// Takes the header of a data frame.
    #[inline]
    fn begin(&mut self, header: &FrameHeader) -> Result<(), ProtocolError> {
        let message = &mut self.message;
        let kind = match header.opcode {
            OpCode::Text => Some(MessageKind::Text),
            OpCode::Binary => Some(MessageKind::Binary),
            _ => None,
        };
        // §5.4: fragments of one message are not interleaved with another.
        match (kind, message.kind) {
            (Some(_), Some(_)) => return Err(ProtocolError::ExpectedContinuation),
            (None, None) => return Err(ProtocolError::UnexpectedContinuation),
            (Some(_), None) => {
                let compressed = header.compressed;
                *message = MessageInProgress { kind, compressed, ..MessageInProgress::default() };
                if let Some(inflating) = &mut self.inflating {
                    (inflating.produced, inflating.restarts) = (0, 0);
                }
            }
            (None, Some(_)) => {
                // What came out counts too: a few bytes may be a line of text.
                let inflated = self.inflating.as_ref().map_or(0, |inflating| inflating.produced);
                message.count_fragment(self.max_fragments, inflated)?;
            }
        }
        // Both are below 2^63, so the sum can't wrap.
        message.len += header.payload_len;
        // What a compressed message comes to is seen as it comes; but it needs not be much
        // longer than that.
        let limit = self.max_message_size;
        if message.len > if message.compressed { most_compressed(limit) } else { limit } {
            return Err(ProtocolError::MessageTooBig { limit });
        }
        // A sum beyond 63 bits is no message that ever ends.
        if message.len >> 63 != 0 {
            return Err(ProtocolError::MessageTooBig { limit: u64::MAX >> 1 });
        }
        self.frame =
            FrameInProgress { remaining: header.payload_len, key: header.key, fin: header.fin };
        Ok(())
    }

    /// Takes what there is of a data frame's payload, from `start` on.
    #[inline]
    fn payload(
        &mut self,
        input: &mut [u8],
        start: usize,
    ) -> Result<(usize, Decoded), ProtocolError> {
        if self.message.compressed {
            return self.inflate(input, start);
        }
        let (frame, message) = (&mut self.frame, &mut self.message);
        let available = input.len() - start;
        let len = usize::try_from(frame.remaining).map_or(available, |r| r.min(available));
        if len == 0 && frame.remaining > 0 {
            return Ok((start, Decoded::Nothing));
        }
        let payload = start..start + len;
        if let Some(key) = &mut frame.key {
            *key = mask::apply(&mut input[payload.clone()], *key);
        }
        frame.remaining -= len as u64;
        let last = frame.fin && frame.remaining == 0;
        let kind = message.kind.unwrap_or(MessageKind::Binary);
        if kind == MessageKind::Text {
            message.check_text(&input[payload.clone()], last)?;
        }
        let first = !message.begun;
        message.begun = true;
        if last {
            message.kind = None;
        }
        Ok((payload.end, Decoded::Data { payload, kind, first, last }))
    }
}

/// A control frame, once it is whole.
fn control(header: &FrameHeader, input: &mut [u8]) -> (usize, Decoded) {
    // At most 125 (§5.5), as `validate` has seen to.
    let start = usize::from(header.size);
    let payload = start..start + header.payload_len as usize;
    if input.len() < payload.end {
        return (0, Decoded::Nothing);
    }
    if let Some(key) = header.key {
        mask::apply(&mut input[payload.clone()], key);
    }
    (payload.end, Decoded::Control { opcode: header.opcode, payload })
}
