//! The frame header (RFC 6455 §5.2): decoding any bytes, the rules a header must
//! keep, and writing one.
//!
//! ```text
//!  0               1               2               3
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |F|R|R|R| opcode|M| length (7)  | length, 16 or 64 bits more    |
//! +-+-+-+-+-------+-+-------------+- - - - - - - - - - - - - - - -+
//! | masking key, if M is set      | payload …                     |
//! ```
//!
//! Two layers: [`RawFrameHeader`] decodes *every* sequence of bytes, also frames that no
//! endpoint may send, so that an inspector can show them; [`RawFrameHeader::validate`]
//! holds the result against the rules that do not depend on earlier frames.

use crate::error::ProtocolError;

/// The most bytes that a frame header takes.
pub const MAX_HEADER_LEN: usize = 14;

/// The most payload bytes of a control frame (§5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
/// The "Per-Message Compressed" bit of RFC 7692 §6.
const RSV1: u8 = 0x40;
const MASKED: u8 = 0x80;

/// Which end of the connection this is. It decides who masks (§5.1) and who closes
/// the transport first (§7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends masked frames, receives unmasked ones.
    Client,
    /// Sends unmasked frames, receives masked ones.
    Server,
}

/// What a frame is (§5.2, §11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpCode {
    /// A further fragment of the message under way.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// The closing handshake.
    Close = 0x8,
    /// A request for a Pong.
    Ping = 0x9,
    /// The answer to a Ping, or a heartbeat of its own accord.
    Pong = 0xA,
}

impl OpCode {
    /// The opcode of these four bits, or `None` for a reserved one.
    #[inline]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// Whether this is Close, Ping or Pong (§5.5).
    #[inline]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// A frame header as it stands on the wire, legal or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawFrameHeader {
    first: u8,
    second: u8,
    header_len: u8,
    key: [u8; 4],
    payload_len: u64,
}

impl RawFrameHeader {
    /// Decodes the header at the start of `bytes`; `None` while it is incomplete.
    ///
    /// Never fails: what the header means is for [`validate`](Self::validate).
    #[inline]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = bytes else { return None };
        let (payload_len, len_bytes) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
            short => (u64::from(short), 0),
        };
        let (key, key_bytes) =
            if second & MASKED == 0 { ([0; 4], 0) } else { (*rest[len_bytes..].first_chunk()?, 4) };
        let header_len = (2 + len_bytes + key_bytes) as u8;
        Some(Self { first: *first, second: *second, header_len, key, payload_len })
    }

    /// Whether this is the last frame of its message.
    #[inline]
    pub const fn fin(&self) -> bool {
        self.first & FIN != 0
    }

    /// The three reserved bits; RSV1 is the highest, 4.
    pub const fn rsv(&self) -> u8 {
        (self.first & RSV) >> 4
    }

    /// The four bits of the opcode, also when they are reserved.
    #[inline]
    pub const fn opcode_bits(&self) -> u8 {
        self.first & 0x0f
    }

    /// The masking key, if the frame is masked.
    #[inline]
    pub const fn key(&self) -> Option<[u8; 4]> {
        if self.second & MASKED == 0 { None } else { Some(self.key) }
    }

    /// Bytes of payload that the header announces. Nothing may be allocated by it.
    #[inline]
    pub const fn payload_len(&self) -> u64 {
        self.payload_len
    }

    /// Bytes that the header itself takes: 2 to 14.
    #[inline]
    pub const fn header_len(&self) -> usize {
        self.header_len as usize
    }

    /// Holds the header against the rules that need no memory of earlier frames.
    ///
    /// `receiver` is the role of the end that received it; `deflate` says whether
    /// permessage-deflate was agreed on.
    #[inline]
    pub fn validate(&self, receiver: Role, deflate: bool) -> Result<FrameHeader, ProtocolError> {
        let opcode = check_start(self.first, self.second, receiver, deflate)?;
        match self.second & 0x7f {
            // §5.2: the fewest bytes that hold the length must be used.
            126 if self.payload_len < 126 => return Err(ProtocolError::LengthNotMinimal),
            127 if self.payload_len < 0x1_0000 => return Err(ProtocolError::LengthNotMinimal),
            // §5.2: the most significant bit of a 64-bit length must be 0.
            127 if self.payload_len >> 63 != 0 => return Err(ProtocolError::LengthTopBit),
            _ => {}
        }
        Ok(FrameHeader {
            opcode,
            fin: self.fin(),
            compressed: self.first & RSV1 != 0,
            key: self.key(),
            payload_len: self.payload_len,
            size: self.header_len,
        })
    }
}

/// A header that keeps every rule which one frame can be held against alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the frame is.
    pub opcode: OpCode,
    /// Whether it is the last frame of its message.
    pub fin: bool,
    /// Whether it begins a compressed message (RFC 7692 §6).
    pub compressed: bool,
    /// The masking key of a client's frame.
    pub key: Option<[u8; 4]>,
    /// Bytes of payload.
    pub payload_len: u64,
    /// Bytes of the header itself.
    pub(crate) size: u8,
}

/// The header of a frame that is a whole message, and its payload shorter than 64 KiB.
#[derive(Clone, Copy)]
pub(crate) struct SingleFrameHeader {
    pub(crate) is_text: bool,
    pub(crate) key: Option<[u8; 4]>,
    pub(crate) size: usize,
    pub(crate) payload_len: usize,
}

impl SingleFrameHeader {
    /// Reads such a header, if it is one that `receiver` accepts; any other, right or wrong, is
    /// for [`RawFrameHeader`].
    #[inline]
    pub(crate) fn decode(bytes: &[u8], receiver: Role) -> Option<Self> {
        const TEXT: u8 = FIN | OpCode::Text as u8;
        const BINARY: u8 = FIN | OpCode::Binary as u8;
        let [first @ (TEXT | BINARY), second, rest @ ..] = bytes else { return None };
        let (payload_len, size, rest) = match (second & 0x7f, rest) {
            (126, [high, low, rest @ ..]) => match u16::from_be_bytes([*high, *low]) {
                0..126 => return None,
                len => (usize::from(len), 4, rest),
            },
            (len @ 0..126, rest) => (usize::from(len), 2, rest),
            _ => return None,
        };
        let is_text = *first == TEXT;
        match (receiver, second & MASKED) {
            (Role::Server, MASKED) => {
                let key = Some(*rest.first_chunk()?);
                Some(Self { is_text, key, size: size + 4, payload_len })
            }
            (Role::Client, 0) => Some(Self { is_text, key: None, size, payload_len }),
            _ => None,
        }
    }
}

/// The rules that the first two bytes alone can break, so that a frame which must be
/// refused is refused before its length has even arrived.
#[inline]
pub(crate) fn check_start(
    first: u8,
    second: u8,
    receiver: Role,
    deflate: bool,
) -> Result<OpCode, ProtocolError> {
    // §5.2: reserved bits are 0 unless an extension gave them a meaning.
    let known = if deflate { RSV1 } else { 0 };
    if first & RSV & !known != 0 {
        return Err(ProtocolError::ReservedBits((first & RSV & !known) >> 4));
    }
    let Some(opcode) = OpCode::from_bits(first & 0x0f) else {
        return Err(ProtocolError::ReservedOpcode(first & 0x0f));
    };
    if opcode.is_control() {
        // §5.5: control frames are whole and carry at most 125 bytes.
        if first & FIN == 0 {
            return Err(ProtocolError::FragmentedControl);
        }
        if second & 0x7f > 125 {
            return Err(ProtocolError::ControlTooLong);
        }
    }
    // RFC 7692 §6.1: only the first frame of a data message may have it.
    if first & RSV1 != 0 && (opcode.is_control() || opcode == OpCode::Continuation) {
        return Err(ProtocolError::MisplacedRsv1);
    }
    // §5.1: a client masks every frame, a server none.
    match receiver {
        Role::Server if second & MASKED == 0 => Err(ProtocolError::Unmasked),
        Role::Client if second & MASKED != 0 => Err(ProtocolError::Masked),
        _ => Ok(opcode),
    }
}

/// A header made for sending, in its shortest form (§5.2).
#[derive(Clone, Copy, Debug)]
pub struct EncodedFrameHeader {
    bytes: [u8; MAX_HEADER_LEN],
    len: u8,
}

impl EncodedFrameHeader {
    /// Encodes a header. A `key` makes it a client's.
    #[inline]
    pub fn new(opcode: OpCode, fin: bool, key: Option<[u8; 4]>, payload_len: u64) -> Self {
        let mut bytes = [0; MAX_HEADER_LEN];
        bytes[0] = opcode as u8 | if fin { FIN } else { 0 };
        let mut len = 2;
        match payload_len {
            0..126 => bytes[1] = payload_len as u8,
            126..0x1_0000 => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(payload_len as u16).to_be_bytes());
                len = 4;
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&payload_len.to_be_bytes());
                len = 10;
            }
        }
        if let Some(key) = key {
            bytes[1] |= MASKED;
            bytes[len..len + 4].copy_from_slice(&key);
            len += 4;
        }
        Self { bytes, len: len as u8 }
    }

    /// The same, as the beginning of a compressed message (RFC 7692 §6).
    #[inline]
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.bytes[0] |= RSV1;
        self
    }

    /// The header of a short frame that isn't masked, which most of a server's are.
    #[inline]
    pub(crate) fn short(opcode: OpCode, fin: bool, payload_len: usize) -> Option<[u8; 2]> {
        let first = opcode as u8 | if fin { FIN } else { 0 };
        (payload_len < 126).then_some([first, payload_len as u8])
    }

    /// The bytes for the wire.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests;
