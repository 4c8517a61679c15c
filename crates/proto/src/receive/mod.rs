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
use inflation::{MessageInflation, max_compressed_len};

/// Decodes received bytes into events, in the caller's buffer.
///
/// # Contract
/// Call [`receive`](Self::receive) with all bytes that were received and not yet consumed, drop the
/// consumed ones, and repeat until [`Received::is_idle`], or until the input is empty and the
/// receiver has no more output either ([`has_more`](Self::has_more)). Then read more. An incomplete
/// header or control frame consumes nothing, so the caller carries at most 139 bytes from one read
/// to the next. Payload is unmasked in place, exactly when it is consumed.
///
/// After an error or a Close, all further input is consumed and ignored (§1.4, §7.1.7).
///
/// Nothing is allocated for data. A compressed message (RFC 7692) is inflated chunk by chunk, and
/// each chunk is counted against the limits before it is returned.
///
/// ```
/// use fullduplex_proto::{Event, Limits, Receiver, Role};
///
/// let mut receiver = Receiver::new(Role::Client, Limits::default());
/// // A whole frame, and the first byte of the next one.
/// let mut input = *b"\x81\x05Hello\x81";
/// let received = receiver.receive(&mut input)?;
/// assert_eq!(received.consumed, 7);
/// assert!(matches!(received.event, Some(Event::Data(chunk)) if chunk.payload == b"Hello"));
/// let received = receiver.receive(&mut input[7..])?;
/// assert!(received.event.is_none());
/// # Ok::<(), fullduplex_proto::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Receiver {
    role: Role,
    /// Whether all further input is discarded.
    discarding: bool,
    /// The limit on the size of messages in bytes; `u64::MAX` for none.
    max_message_size: u64,
    max_fragments: u32,
    frame: FrameInProgress,
    message: MessageInProgress,
    inflation: Option<Box<MessageInflation>>,
}

/// A decoded event without the borrow of the input.
enum Decoded {
    Nothing,
    Data { payload: Range<usize>, kind: MessageKind, first: bool, last: bool },
    Inflated { len: usize, kind: MessageKind, first: bool, last: bool },
    Control { opcode: OpCode, payload: Range<usize> },
}

impl Receiver {
    /// Creates the receiving half of the endpoint with this role. The limits must be
    /// [valid](Limits::validate).
    pub fn new(role: Role, limits: Limits) -> Self {
        debug_assert_eq!(limits.validate(), Ok(()));
        let (frame, message) = (FrameInProgress::default(), MessageInProgress::default());
        let max_fragments = limits.max_fragments;
        let max_message_size = limits.max_message_size.unwrap_or(u64::MAX);
        let discarding = false;
        Self { role, discarding, max_message_size, max_fragments, frame, message, inflation: None }
    }

    /// Enables permessage-deflate with the negotiated parameters.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, deflate: &PerMessageDeflate) -> Self {
        let inflater = Inflater::new(deflate, self.role);
        self.inflation = Some(Box::new(MessageInflation { inflater, produced: 0, restarts: 0 }));
        self
    }

    /// Returns how many payload bytes of the current data frame are still to be received.
    ///
    /// A caller that collects a long message can read up to this many bytes straight to their final
    /// place and pass only those to `receive`. For a compressed message it is 0, as its payload has
    /// to be inflated elsewhere.
    #[inline]
    pub fn payload_remaining(&self) -> u64 {
        if self.message.compressed { 0 } else { self.frame.remaining }
    }

    /// Returns whether more output can be produced from input that was consumed already: a little
    /// compressed data can be a long message. [`receive`](Self::receive) must then be called even
    /// without input.
    #[inline]
    pub fn has_more(&self) -> bool {
        !self.discarding
            && self.inflation.as_ref().is_some_and(|inflation| inflation.inflater.has_more())
    }

    /// Returns the workspace for inflating to its pool if the message has ended. `receive` does so,
    /// too; this is for a caller that does not call it again at once.
    #[inline]
    pub fn release_workspace(&mut self) {
        if let Some(inflation) = &mut self.inflation {
            inflation.inflater.release_workspace();
        }
    }

    /// Returns the type of the message being received, if one is.
    pub fn message_kind(&self) -> Option<MessageKind> {
        self.message.kind
    }

    /// Discards all input from now on, and frees the memory for it.
    ///
    /// This is for a connection that has ended, or was failed for a reason that the receiver does
    /// not know.
    pub fn discard_input(&mut self) {
        self.discarding = true;
        self.frame.remaining = 0;
        self.inflation = None;
    }

    /// Consumes one frame, or one chunk of it, at the start of `input`.
    ///
    /// # Errors
    /// If the peer broke a rule of the protocol or exceeded a limit. The error is returned once, as
    /// soon as the first byte that proves it has arrived.
    #[inline]
    pub fn receive<'a>(&'a mut self, input: &'a mut [u8]) -> Result<Received<'a>, ProtocolError> {
        if self.discarding {
            return Ok(Received::discarded(input.len()));
        }
        let (consumed, decoded) = self.decode(input).inspect_err(|_| self.discard_input())?;
        let mut is_inflated = false;
        let event = match decoded {
            Decoded::Nothing => None,
            Decoded::Inflated { len, kind, first, last } => {
                is_inflated = true;
                let payload = match &mut self.inflation {
                    Some(inflation) => inflation.inflater.output(len),
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
                self.discarding = true;
                Some(Event::Close(CloseFrame::parse(&input[payload])?))
            }
        };
        Ok(Received { consumed, inflated: is_inflated, event })
    }

    /// Takes the message at the start of `input` if it is a single uncompressed frame that is
    /// complete, and returns where its unmasked payload is.
    ///
    /// Most messages are such frames, and need only a part of the checks of
    /// [`receive`](Self::receive). Everything else, errors among it, is left to `receive`.
    #[allow(clippy::inline_always, reason = "a call costs a quarter of what it does")]
    #[inline(always)]
    pub(crate) fn receive_single_frame(
        &mut self,
        input: &mut [u8],
    ) -> Option<(MessageKind, Range<usize>)> {
        if self.discarding || self.message.kind.is_some() || self.has_more() {
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
            self.mask_again(input);
            return None;
        }
        Some((MessageKind::Text, start..end))
    }

    /// Masks the payload of a single frame again, for `receive` to find the error in it.
    ///
    /// The header is decoded once more, so that the common case need not keep the key.
    #[cold]
    fn mask_again(&self, input: &mut [u8]) {
        if let Some(header) = SingleFrameHeader::decode(input, self.role)
            && let Some(key) = header.key
            && let Some(payload) = input.get_mut(header.size..header.size + header.payload_len)
        {
            mask::apply(payload, key);
        }
    }

    #[inline]
    fn decode(&mut self, input: &mut [u8]) -> Result<(usize, Decoded), ProtocolError> {
        if self.frame.remaining > 0 {
            return self.take_payload(input, 0);
        }
        if self.has_more() {
            let (consumed, decoded) = self.take_payload(input, 0)?;
            // The inflater may have had no more output; then the next frame is decoded.
            if !matches!(decoded, Decoded::Nothing) {
                return Ok((consumed, decoded));
            }
        }
        let Some(raw) = RawFrameHeader::decode(input) else {
            return self.check_incomplete(input).map(|()| (0, Decoded::Nothing));
        };
        let header = raw.validate(self.role, self.inflation.is_some())?;
        if header.opcode.is_control() {
            return Ok(take_control(&header, input));
        }
        self.start_frame(&header)?;
        self.take_payload(input, raw.header_len())
    }

    /// Fails on a bad frame as soon as its first two bytes prove it.
    #[cold]
    fn check_incomplete(&self, input: &[u8]) -> Result<(), ProtocolError> {
        if let [first, second, ..] = *input {
            check_start(first, second, self.role, self.inflation.is_some())?;
        }
        Ok(())
    }

    /// Starts a data frame, whose header was decoded.
    #[inline]
    fn start_frame(&mut self, header: &FrameHeader) -> Result<(), ProtocolError> {
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
                if let Some(inflation) = &mut self.inflation {
                    (inflation.produced, inflation.restarts) = (0, 0);
                }
            }
            (None, Some(_)) => {
                // Inflated bytes count, too: a few compressed bytes may be a line of text.
                let inflated = self.inflation.as_ref().map_or(0, |inflation| inflation.produced);
                message.count_fragment(self.max_fragments, inflated)?;
            }
        }
        // Both are below 2^63, so the sum can't wrap.
        message.len += header.payload_len;
        // The size of a compressed message is checked while it is inflated; its compressed form
        // need not be much longer.
        let limit = self.max_message_size;
        if message.len > if message.compressed { max_compressed_len(limit) } else { limit } {
            return Err(ProtocolError::MessageTooBig { limit });
        }
        // A message of more than 63 bits of length never ends.
        if message.len >> 63 != 0 {
            return Err(ProtocolError::MessageTooBig { limit: u64::MAX >> 1 });
        }
        self.frame =
            FrameInProgress { remaining: header.payload_len, key: header.key, fin: header.fin };
        Ok(())
    }

    /// Takes the available payload of a data frame, from `start` on.
    #[inline]
    fn take_payload(
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
        let first = !message.started;
        message.started = true;
        if last {
            message.kind = None;
        }
        Ok((payload.end, Decoded::Data { payload, kind, first, last }))
    }
}

/// Takes a control frame once it is complete.
fn take_control(header: &FrameHeader, input: &mut [u8]) -> (usize, Decoded) {
    // At most 125 bytes (§5.5), which `validate` has checked.
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
