//! The receiving half: bytes in, events out (RFC 6455 §5, §6.2).

use alloc::boxed::Box;
use core::ops::Range;

use crate::close::CloseFrame;
use crate::deflate::Inflater;
#[cfg(feature = "deflate")]
use crate::deflate::PerMessageDeflate;
use crate::error::ProtocolError;
use crate::frame::{FrameHeader, OpCode, RawFrameHeader, Role, SingleFrameHeader, check_start};
use crate::limits::{BYTES_PER_FRAGMENT, Limits};
use crate::mask;
use crate::utf8::Utf8Validator;

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

/// The data frame whose payload is under way.
#[derive(Debug, Default)]
struct FrameInProgress {
    remaining: u64,
    key: Option<[u8; 4]>,
    fin: bool,
}

/// The message under way, from its first frame's header to its last byte.
#[derive(Debug, Default)]
struct MessageInProgress {
    kind: Option<MessageKind>,
    /// Whether a piece of it was handed out.
    begun: bool,
    utf8: Utf8Validator,
    fragments: u32,
    /// Bytes of payload, as far as frame headers have told.
    len: u64,
    compressed: bool,
}

/// What a compressed message needs besides.
#[derive(Debug)]
struct MessageInflation {
    inflater: Inflater,
    /// Bytes that came out of the message.
    produced: u64,
    /// Final blocks inside the message.
    restarts: u32,
}

/// A step, without the borrow of the input.
enum Decoded {
    Nothing,
    Data { payload: Range<usize>, kind: MessageKind, first: bool, last: bool },
    Inflated { len: usize, kind: MessageKind, first: bool, last: bool },
    Control { opcode: OpCode, payload: Range<usize> },
}

/// How much of a compressed payload is unmasked at a time.
const PIECE: usize = 4096;

/// How many final blocks (BFINAL) a compressed message may have, and for how many bytes
/// received it may have one more.
const FREE_RESTARTS: u64 = 16;
const BYTES_PER_RESTART: u64 = 64;

/// The most compressed bytes of a message of a size. Good compressors add next to nothing
/// to what can't be compressed; those that flush each byte add more.
fn most_compressed(limit: u64) -> u64 {
    limit.saturating_mul(2).saturating_add(64 << 10)
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

impl Receiver {
    /// Inflates a piece of what there is of a compressed message's frame, from `start` on.
    fn inflate(
        &mut self,
        input: &mut [u8],
        start: usize,
    ) -> Result<(usize, Decoded), ProtocolError> {
        let (frame, message) = (&mut self.frame, &mut self.message);
        let Some(inflating) = &mut self.inflating else { return Ok((start, Decoded::Nothing)) };
        let MessageInflation { inflater, produced, restarts } = &mut **inflating;
        let available = (input.len() - start).min(PIECE);
        let len = usize::try_from(frame.remaining).map_or(available, |r| r.min(available));
        if len == 0 && frame.remaining > 0 && !inflater.has_more() {
            return Ok((start, Decoded::Nothing));
        }
        let piece = &mut input[start..start + len];
        if let Some(key) = frame.key {
            mask::apply(piece, key);
        }
        let last = frame.fin && frame.remaining == len as u64;
        let out = inflater.inflate(piece, last).map_err(|_| ProtocolError::InvalidDeflate)?;
        if let Some(key) = &mut frame.key {
            *key = mask::turned(*key, out.consumed);
            // What was not taken is masked again: it is consumed another time.
            mask::apply(&mut piece[out.consumed..], *key);
        }
        frame.remaining -= out.consumed as u64;
        *produced += out.produced as u64;
        if *produced > self.max_message_size {
            return Err(ProtocolError::MessageTooBig { limit: self.max_message_size });
        }
        // To begin anew takes as long as thousands of bytes, and two can ask for it.
        *restarts += out.restarts;
        let received = message.len - frame.remaining;
        if u64::from(*restarts) > FREE_RESTARTS + received / BYTES_PER_RESTART {
            return Err(ProtocolError::TooManyFragments { limit: self.max_fragments });
        }
        let kind = message.kind.unwrap_or(MessageKind::Binary);
        let consumed = start + out.consumed;
        if out.produced == 0 && !out.done {
            return Ok((consumed, Decoded::Nothing));
        }
        if kind == MessageKind::Text {
            message.check_text(inflater.output(out.produced), out.done)?;
        }
        let first = !core::mem::replace(&mut message.begun, true);
        if out.done {
            (message.kind, message.compressed) = (None, false);
        }
        Ok((consumed, Decoded::Inflated { len: out.produced, kind, first, last: out.done }))
    }
}

impl MessageInProgress {
    /// Counts one more frame of the same message against its budget.
    fn count_fragment(&mut self, limit: u32, inflated: u64) -> Result<(), ProtocolError> {
        self.fragments = self.fragments.saturating_add(1);
        let earned = self.len.max(inflated) / BYTES_PER_FRAGMENT;
        // The first fragment is not counted here.
        if u64::from(self.fragments) + 1 > u64::from(limit) + earned {
            return Err(ProtocolError::TooManyFragments { limit });
        }
        Ok(())
    }

    #[inline]
    fn check_text(&mut self, piece: &[u8], last: bool) -> Result<(), ProtocolError> {
        // §8.1: a message that is not UTF-8 fails the connection.
        if self.utf8.push(piece).is_err() || (last && !self.utf8.is_complete()) {
            return Err(ProtocolError::InvalidUtf8);
        }
        Ok(())
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
