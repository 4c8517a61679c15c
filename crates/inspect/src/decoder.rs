//! The frames of what one side sends.

use std::time::Duration;

use bytes::Bytes;
use fullduplex_proto::frame::{MAX_HEADER_LEN, OpCode, RawFrameHeader};
use fullduplex_proto::{CloseFrame, DeflateParams, MessageKind, ProtocolError, Role, mask};

use crate::frame::Frame;
use crate::inflation::Inflation;
use crate::limits::DecoderLimits;
use crate::message::{MessageInProgress, into_bytes};
use crate::violation::Violation;

/// The bytes that are unmasked at a time.
const PIECE: usize = 4 << 10;

/// The bit of a compressed message's first frame in [`RawFrameHeader::rsv`] (RFC 7692 §6).
const RSV1: u8 = 4;

/// A decoder of the frames that one side of a connection sends.
///
/// It decodes any bytes and never fails. A frame that breaks a rule is shown with the rule, and
/// decoding goes on after it, by its length.
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex_inspect::Decoder;
/// use fullduplex_inspect::proto::Role;
///
/// let mut decoder = Decoder::new(Role::Server);
/// let mut texts = Vec::new();
/// // Bytes may be cut anywhere.
/// for piece in [&b"\x81"[..], b"\x05He", b"llo"] {
///     decoder.push(piece, Duration::ZERO, |frame| texts.push(frame.payload));
/// }
/// assert_eq!(texts, [b"Hello".as_slice()]);
/// ```
#[derive(Debug)]
pub struct Decoder {
    sender: Role,
    limits: DecoderLimits,
    deflate: Option<DeflateParams>,
    inflation: Option<Inflation>,
    header: [u8; MAX_HEADER_LEN],
    header_len: usize,
    began: Duration,
    frame: Option<FrameInProgress>,
    message: Option<MessageInProgress>,
    has_closed: bool,
    has_broken_a_rule: bool,
}

/// A frame whose header is complete.
#[derive(Debug)]
struct FrameInProgress {
    /// The frame, as yet without payload.
    frame: Frame,
    payload: Vec<u8>,
    /// The key for the next byte.
    key: Option<[u8; 4]>,
    is_of_message: bool,
}

impl Decoder {
    /// Creates a decoder of what `sender` sends, from its first frame on.
    pub fn new(sender: Role) -> Self {
        Self {
            sender,
            limits: DecoderLimits::default(),
            deflate: None,
            inflation: None,
            header: [0; MAX_HEADER_LEN],
            header_len: 0,
            began: Duration::ZERO,
            frame: None,
            message: None,
            has_closed: false,
            has_broken_a_rule: false,
        }
    }

    /// Sets the negotiated compression; `None` for none. Default: `None`.
    #[must_use]
    pub fn with_deflate(mut self, deflate: impl Into<Option<DeflateParams>>) -> Self {
        self.deflate = deflate.into();
        self.start_inflation();
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: DecoderLimits) -> Self {
        self.limits = limits;
        self.start_inflation();
        self
    }

    fn start_inflation(&mut self) {
        let max = self.limits.max_inflated;
        self.inflation = self.deflate.and_then(|params| Inflation::new(params, self.sender, max));
    }

    /// Returns the role of the side that sends.
    pub fn sender(&self) -> Role {
        self.sender
    }

    /// Decodes bytes that were seen at this time, and calls `show` with each frame whose last byte
    /// is among them.
    pub fn push(&mut self, mut bytes: &[u8], at: Duration, mut show: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            if let Some(frame) = self.push_some(&mut bytes, at, &mut |_| {}) {
                show(frame);
            }
        }
    }

    /// Returns whether the last byte ended a frame, or there was none.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.frame.is_none() && self.header_len == 0
    }

    /// Returns whether a message has begun whose end was not seen.
    pub(crate) fn is_within_message(&self) -> bool {
        self.message.is_some()
    }

    /// Returns whether a Close was seen.
    pub(crate) fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// Returns the frame whose header was seen and whose end was not.
    pub(crate) fn unfinished(&self) -> Option<&Frame> {
        self.frame.as_ref().map(|frame| &frame.frame)
    }

    /// Returns the frame within which the connection ended, if its header is complete.
    pub fn finish(&mut self) -> Option<Frame> {
        self.header_len = 0;
        self.message = None;
        self.frame.take().map(FrameInProgress::finish)
    }

    /// Tells that some bytes were not seen, and that what follows begins with a frame that is not
    /// within a message.
    ///
    /// If messages are compressed with context takeover (RFC 7692 §7.1.1), no later one is
    /// decompressed, as it may refer to what was not seen.
    pub fn skip(&mut self) {
        self.header_len = 0;
        self.frame = None;
        self.message = None;
        if let Some(inflation) = &mut self.inflation {
            inflation.lose_history();
        }
    }

    /// Takes a byte of a header, or payload of one frame. Returns the frame if that is complete.
    /// `plain` is called with the bytes of messages, decompressed.
    pub(crate) fn push_some(
        &mut self,
        bytes: &mut &[u8],
        at: Duration,
        plain: &mut dyn FnMut(&[u8]),
    ) -> Option<Frame> {
        if self.frame.is_none() {
            let (byte, rest) = bytes.split_first()?;
            *bytes = rest;
            if self.header_len == 0 {
                self.began = at;
            }
            self.header[self.header_len] = *byte;
            self.header_len += 1;
            let header = RawFrameHeader::decode(&self.header[..self.header_len])?;
            self.header_len = 0;
            self.start(header);
        } else {
            self.push_payload(bytes, plain);
        }
        let is_complete = self.frame.as_ref().is_some_and(|frame| frame.frame.missing() == 0);
        let complete = self.frame.take_if(|_| is_complete)?;
        Some(self.complete(complete, at, plain))
    }

    fn start(&mut self, header: RawFrameHeader) {
        let is_ignored = self.has_closed || self.has_broken_a_rule;
        let checked = header.validate(self.sender.peer(), self.deflate.is_some());
        let mut violation = checked.err().map(Violation::Rule);
        let mut fragment = None;
        match OpCode::from_bits(header.opcode_bits()) {
            Some(opcode @ (OpCode::Text | OpCode::Binary)) => {
                if self.message.take().is_some() {
                    // Its end will not come (RFC 6455 §5.4).
                    if let Some(inflation) = &mut self.inflation {
                        inflation.abandon();
                    }
                    violation.get_or_insert(Violation::Rule(ProtocolError::ExpectedContinuation));
                }
                let kind =
                    if opcode == OpCode::Text { MessageKind::Text } else { MessageKind::Binary };
                let is_compressed = header.rsv() & RSV1 != 0 && self.inflation.is_some();
                let message = MessageInProgress::new(kind, is_compressed, self.began);
                fragment = Some(self.message.insert(message).add_frame());
            }
            Some(OpCode::Continuation) => match &mut self.message {
                Some(message) => fragment = Some(message.add_frame()),
                None => {
                    violation.get_or_insert(Violation::Rule(ProtocolError::UnexpectedContinuation));
                }
            },
            _ => {}
        }
        if self.has_closed {
            violation.get_or_insert(Violation::AfterClose);
        }
        let frame = Frame {
            header,
            began: self.began,
            ended: self.began,
            payload: Bytes::new(),
            payload_seen: 0,
            violation,
            is_ignored,
            fragment,
            message: None,
        };
        let is_of_message = fragment.is_some();
        let (payload, key) = (Vec::new(), header.key());
        self.frame = Some(FrameInProgress { frame, payload, key, is_of_message });
    }

    /// Takes what there is of the payload of the current frame.
    fn push_payload(&mut self, bytes: &mut &[u8], show: &mut dyn FnMut(&[u8])) {
        let Some(FrameInProgress { frame, payload, key, is_of_message }) = &mut self.frame else {
            return;
        };
        let len = usize::try_from(frame.missing()).unwrap_or(usize::MAX);
        let (piece, rest) = bytes.split_at(len.min(bytes.len()).min(PIECE));
        *bytes = rest;
        let mut plain = [0; PIECE];
        let plain = &mut plain[..piece.len()];
        plain.copy_from_slice(piece);
        if let Some(key) = key {
            *key = mask::apply(plain, *key);
        }
        frame.payload_seen += plain.len() as u64;
        let room = self.limits.max_payload.saturating_sub(payload.len());
        payload.extend_from_slice(&plain[..plain.len().min(room)]);
        if *is_of_message && let Some(message) = &mut self.message {
            let broken = message.push(plain, false, self.inflation.as_mut(), &self.limits, show);
            frame.violation = frame.violation.or(broken);
        }
    }

    /// Ends a frame, all of which was seen.
    fn complete(
        &mut self,
        frame: FrameInProgress,
        at: Duration,
        plain: &mut dyn FnMut(&[u8]),
    ) -> Frame {
        let is_of_message = frame.is_of_message;
        let mut frame = frame.finish();
        frame.ended = at;
        if is_of_message
            && frame.header.fin()
            && let Some(mut message) = self.message.take()
        {
            let broken = message.push(&[], true, self.inflation.as_mut(), &self.limits, plain);
            frame.violation = frame.violation.or(broken);
            frame.message = Some(message.finish(&frame.payload));
        }
        if frame.opcode() == Some(OpCode::Close) {
            if frame.violation.is_none() {
                frame.violation = CloseFrame::parse(&frame.payload).err().map(Violation::Rule);
            }
            self.has_closed = true;
        }
        self.has_broken_a_rule |= frame.violation.is_some();
        frame
    }
}

impl FrameInProgress {
    fn finish(mut self) -> Frame {
        self.frame.payload = into_bytes(self.payload);
        self.frame
    }
}
