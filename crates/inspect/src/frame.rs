//! A frame, legal or not.

use std::time::Duration;

use bytes::Bytes;
use fullduplex_proto::CloseCode;
use fullduplex_proto::frame::{OpCode, RawFrameHeader};

use crate::message::Message;
use crate::violation::Violation;

/// A frame as it is on the wire, legal or not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The header: its bits, the masking key and the announced length.
    pub header: RawFrameHeader,
    /// When its first byte was seen, as the caller counts time.
    pub began: Duration,
    /// When its last byte was seen.
    pub ended: Duration,
    /// The payload, unmasked, and compressed if the message is. It is cut at
    /// [`DecoderLimits::max_payload`](crate::DecoderLimits::max_payload).
    pub payload: Bytes,
    /// The number of payload bytes that were seen: fewer than the header announces if the
    /// connection ended within the frame.
    pub payload_seen: u64,
    /// The first rule that the frame breaks.
    pub violation: Option<Violation>,
    /// Whether a receiver ignores it, because the same side has sent a Close or broken a rule
    /// before (RFC 6455 §1.4, §7.1.7).
    pub is_ignored: bool,
    /// The number of the frame within its message, from 1 on; `None` if it belongs to none.
    pub fragment: Option<u64>,
    /// The message that is complete with this frame.
    pub message: Option<Message>,
}

/// The form of a payload length (RFC 6455 §5.2).
///
/// It is complete: there are no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LengthForm {
    /// Within the second byte.
    Bits7,
    /// In two more bytes.
    Bits16,
    /// In eight more bytes.
    Bits64,
}

impl LengthForm {
    /// Returns the number of bits: 7, 16 or 64.
    pub fn bits(self) -> u8 {
        match self {
            Self::Bits7 => 7,
            Self::Bits16 => 16,
            Self::Bits64 => 64,
        }
    }
}

impl Frame {
    /// Returns the opcode; `None` if it is reserved.
    pub fn opcode(&self) -> Option<OpCode> {
        OpCode::from_bits(self.header.opcode_bits())
    }

    /// Returns the name of the opcode: `text`, `binary`, `continuation`, `close`, `ping`, `pong` or
    /// `reserved`.
    pub fn opcode_name(&self) -> &'static str {
        match self.opcode() {
            Some(OpCode::Continuation) => "continuation",
            Some(OpCode::Text) => "text",
            Some(OpCode::Binary) => "binary",
            Some(OpCode::Close) => "close",
            Some(OpCode::Ping) => "ping",
            Some(OpCode::Pong) => "pong",
            None => "reserved",
        }
    }

    /// Returns whether it is a control frame, reserved ones included.
    pub fn is_control(&self) -> bool {
        self.header.opcode_bits() & 0x8 != 0
    }

    /// Returns the form of the payload length.
    pub fn length_form(&self) -> LengthForm {
        let mask = if self.header.key().is_some() { 4 } else { 0 };
        match self.header.header_len() - mask {
            2 => LengthForm::Bits7,
            4 => LengthForm::Bits16,
            _ => LengthForm::Bits64,
        }
    }

    /// Returns whether the payload length is in its shortest form, as it must be (RFC 6455 §5.2).
    pub fn is_length_minimal(&self) -> bool {
        match self.length_form() {
            LengthForm::Bits7 => true,
            LengthForm::Bits16 => self.header.payload_len() > 125,
            LengthForm::Bits64 => self.header.payload_len() > 0xffff,
        }
    }

    /// Returns the number of payload bytes that are missing, as the connection ended before.
    pub fn missing(&self) -> u64 {
        self.header.payload_len() - self.payload_seen
    }

    /// Returns the number of its bytes on the wire that were seen, the header included.
    pub fn wire_len(&self) -> u64 {
        self.header.header_len() as u64 + self.payload_seen
    }

    /// Returns the code and reason of a Close that has a code, also of one that breaks a rule.
    /// Bytes of the reason that are not UTF-8 are replaced.
    pub fn close(&self) -> Option<(CloseCode, String)> {
        if self.opcode() != Some(OpCode::Close) {
            return None;
        }
        let (code, reason) = self.payload.split_first_chunk()?;
        let code = CloseCode::new(u16::from_be_bytes(*code));
        Some((code, String::from_utf8_lossy(reason).into_owned()))
    }
}
