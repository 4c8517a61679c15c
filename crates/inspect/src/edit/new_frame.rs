//! The frames that are made between the sides.

use std::time::Duration;

use bytes::Bytes;
use fullduplex_proto::frame::{EncodedFrameHeader, MAX_CONTROL_PAYLOAD, OpCode};
use fullduplex_proto::mask::{self, MaskSource};
use fullduplex_proto::{CloseFrame, DeflateParams, Role};

use super::deflation::Deflation;
use crate::conversation::ConversationFrame;
use crate::decoder::Decoder;

/// A message or a control frame that is made between the sides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewFrame {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// A Ping, with a payload of at most 125 bytes.
    Ping(Bytes),
    /// A Pong, with a payload of at most 125 bytes.
    Pong(Bytes),
    /// A Close, after which nothing of its direction passes (RFC 6455 §5.5.1).
    Close(Option<CloseFrame>),
}

impl NewFrame {
    pub(super) fn opcode(&self) -> OpCode {
        match self {
            Self::Text(_) => OpCode::Text,
            Self::Binary(_) => OpCode::Binary,
            Self::Ping(_) => OpCode::Ping,
            Self::Pong(_) => OpCode::Pong,
            Self::Close(_) => OpCode::Close,
        }
    }

    /// Returns whether it is not longer than a frame of its kind may be (RFC 6455 §5.5).
    pub(super) fn is_valid(&self) -> bool {
        match self {
            Self::Ping(payload) | Self::Pong(payload) => payload.len() <= MAX_CONTROL_PAYLOAD,
            // Its code and reason were checked when they were made.
            Self::Text(_) | Self::Binary(_) | Self::Close(_) => true,
        }
    }

    fn into_payload(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(payload) | Self::Ping(payload) | Self::Pong(payload) => payload,
            Self::Close(None) => Bytes::new(),
            Self::Close(Some(close)) => {
                let code = close.code.get().to_be_bytes();
                [&code, close.reason.as_bytes()].concat().into()
            }
        }
    }
}

/// Makes the frames that take the place of what one side sends.
#[derive(Debug)]
pub(super) struct FrameMaker {
    sender: Role,
    masks: Box<dyn MaskSource>,
    deflate: Option<DeflateParams>,
    /// Made for the first message that is compressed.
    deflation: Option<Box<Deflation>>,
}

impl FrameMaker {
    pub(super) fn new(
        sender: Role,
        deflate: Option<DeflateParams>,
        masks: Box<dyn MaskSource>,
    ) -> Self {
        Self { sender, masks, deflate, deflation: None }
    }

    /// Appends a frame as it is, masked with a fresh key if it is of a client (RFC 6455 §5.3).
    pub(super) fn frame(&mut self, opcode: OpCode, fin: bool, payload: &[u8], out: &mut Vec<u8>) {
        let key = self.key();
        let header = EncodedFrameHeader::new(opcode, fin, key, payload.len() as u64);
        append(&header, key, payload, out);
    }

    /// Appends a message in one frame, compressed if that makes it shorter.
    pub(super) fn compressed(&mut self, opcode: OpCode, payload: &Bytes, out: &mut Vec<u8>) {
        if self.deflation.is_none()
            && let Some(params) = self.deflate
        {
            self.deflation = Deflation::new(params, self.sender).map(Box::new);
        }
        let deflation = self.deflation.as_mut();
        match deflation.and_then(|deflation| deflation.compress(payload.clone())) {
            Some(compressed) => {
                let key = self.key();
                let len = compressed.len() as u64;
                let header = EncodedFrameHeader::new(opcode, true, key, len).compressed();
                append(&header, key, &compressed, out);
            }
            None => self.frame(opcode, true, payload, out),
        }
    }

    /// Appends a frame that is made between the sides, and returns what a decoder shows of it.
    pub(super) fn new_frame(
        &mut self,
        new: NewFrame,
        compresses: bool,
        at: Duration,
        out: &mut Vec<u8>,
    ) -> Option<ConversationFrame> {
        let (begin, opcode) = (out.len(), new.opcode());
        let payload = new.into_payload();
        if compresses && !opcode.is_control() {
            self.compressed(opcode, &payload, out);
        } else {
            self.frame(opcode, true, &payload, out);
        }
        let mut shown = None;
        // It refers to no other message.
        let mut decoder = Decoder::new(self.sender).with_deflate(self.deflate);
        decoder.push(&out[begin..], at, |frame| shown = Some(frame));
        shown.map(|frame| ConversationFrame { sender: self.sender, frame, round_trip: None })
    }

    fn key(&mut self) -> Option<[u8; 4]> {
        (self.sender == Role::Client).then(|| self.masks.next_key())
    }
}

fn append(header: &EncodedFrameHeader, key: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(header.as_bytes());
    let begin = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        mask::apply(&mut out[begin..], key);
    }
}
