//! The frame header (RFC 6455 §5.2): decoding, validation and encoding.
//!
//! ```text
//!  0               1               2               3
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |F|R|R|R| opcode|M| length (7)  | length, 16 or 64 bits more    |
//! +-+-+-+-+-------+-+-------------+- - - - - - - - - - - - - - - -+
//! | masking key, if M is set      | payload …                     |
//! ```
//!
//! Two layers: [`RawFrameHeader`] decodes *every* sequence of bytes, also frames that no endpoint
//! may send, so that an inspector can show them; [`RawFrameHeader::validate`] checks the rules that
//! do not depend on earlier frames.

use crate::error::ProtocolError;

/// The most bytes of a frame header.
pub const MAX_HEADER_LEN: usize = 14;

/// The most payload bytes of a control frame (§5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
/// The "Per-Message Compressed" bit of RFC 7692 §6.
const RSV1: u8 = 0x40;
const MASKED: u8 = 0x80;

/// The role of an endpoint. It determines which end masks (§5.1) and which closes the transport
/// first (§7.1.1).
///
/// It is complete: there are no other roles (§1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Role {
    /// Sends masked frames, receives unmasked ones.
    Client,
    /// Sends unmasked frames, receives masked ones.
    Server,
}

impl Role {
    /// Returns the role of the other endpoint.
    ///
    /// ```
    /// use fullduplex_proto::Role;
    ///
    /// assert_eq!((Role::Client.peer(), Role::Server.peer()), (Role::Server, Role::Client));
    /// ```
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The type of a frame (§5.2, §11.8).
///
/// It is complete: the other values are reserved (§5.2), and fail the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpCode {
    /// A further fragment of the current message.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// A part of the closing handshake (§5.5.1).
    Close = 0x8,
    /// A request for a Pong (§5.5.2).
    Ping = 0x9,
    /// The answer to a Ping, or an unsolicited heartbeat (§5.5.3).
    Pong = 0xA,
}

impl OpCode {
    /// Returns the opcode of these four bits; `None` for a reserved one.
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

    /// Returns whether this is Close, Ping or Pong (§5.5).
    #[inline]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// A frame header as it is on the wire, legal or not.
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

    /// Returns whether this is the last frame of its message.
    #[inline]
    pub const fn fin(&self) -> bool {
        self.first & FIN != 0
    }

    /// Returns the three reserved bits; RSV1 is the highest, 4.
    pub const fn rsv(&self) -> u8 {
        (self.first & RSV) >> 4
    }

    /// Returns the four bits of the opcode, also if they are reserved.
    #[inline]
    pub const fn opcode_bits(&self) -> u8 {
        self.first & 0x0f
    }

    /// Returns the masking key, if the frame is masked.
    #[inline]
    pub const fn key(&self) -> Option<[u8; 4]> {
        if self.second & MASKED == 0 { None } else { Some(self.key) }
    }

    /// Returns the payload length that the header announces, in bytes. It is not trusted: never
    /// allocate by it.
    #[inline]
    pub const fn payload_len(&self) -> u64 {
        self.payload_len
    }

    /// Returns the length of the header itself: 2 to 14 bytes.
    #[inline]
    pub const fn header_len(&self) -> usize {
        self.header_len as usize
    }

    /// Checks the rules that do not depend on earlier frames.
    ///
    /// `receiver` is the role of the end that received the frame; `deflate` is whether
    /// permessage-deflate was negotiated.
    ///
    /// # Errors
    /// If the header breaks a rule.
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

/// A header that keeps every rule that does not depend on earlier frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The type of the frame.
    pub opcode: OpCode,
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// Whether the frame starts a compressed message (RFC 7692 §6).
    pub compressed: bool,
    /// The masking key of a client's frame.
    pub key: Option<[u8; 4]>,
    /// The payload length in bytes.
    pub payload_len: u64,
    /// The length of the header itself in bytes.
    pub(crate) size: u8,
}

/// The header of an unfragmented, uncompressed message with a payload shorter than 64 KiB.
#[derive(Clone, Copy)]
pub(crate) struct SingleFrameHeader {
    pub(crate) is_text: bool,
    pub(crate) key: Option<[u8; 4]>,
    pub(crate) size: usize,
    pub(crate) payload_len: usize,
}

impl SingleFrameHeader {
    /// Decodes such a header, if `receiver` accepts it. Any other, right or wrong, is for
    /// [`RawFrameHeader`].
    #[inline]
    pub(crate) fn decode(bytes: &[u8], receiver: Role) -> Option<Self> {
        const TEXT: u8 = FIN | OpCode::Text as u8;
        const BINARY: u8 = FIN | OpCode::Binary as u8;
        let [first @ (TEXT | BINARY), second, rest @ ..] = bytes else { return None };
        let is_masked = second & MASKED != 0;
        if is_masked != (receiver == Role::Server) {
            return None;
        }
        let (payload_len, size, rest) = match (second & 0x7f, rest) {
            (126, [high, low, rest @ ..]) => match u16::from_be_bytes([*high, *low]) {
                0..126 => return None,
                len => (usize::from(len), 4, rest),
            },
            (len @ 0..126, rest) => (usize::from(len), 2, rest),
            _ => return None,
        };
        let is_text = *first == TEXT;
        if is_masked {
            let key = Some(*rest.first_chunk()?);
            Some(Self { is_text, key, size: size + 4, payload_len })
        } else {
            Some(Self { is_text, key: None, size, payload_len })
        }
    }
}

/// Checks the rules that the first two bytes can break, so that a bad frame fails before its length
/// has arrived.
#[inline]
pub(crate) fn check_start(
    first: u8,
    second: u8,
    receiver: Role,
    deflate: bool,
) -> Result<OpCode, ProtocolError> {
    // §5.2: reserved bits are 0 unless an extension defines them.
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
    // RFC 7692 §6.1: only the first frame of a data message may have RSV1 set.
    if first & RSV1 != 0 && (opcode.is_control() || opcode == OpCode::Continuation) {
        return Err(ProtocolError::MisplacedRsv1);
    }
    // §5.1: a client masks every frame, a server masks none.
    match receiver {
        Role::Server if second & MASKED == 0 => Err(ProtocolError::Unmasked),
        Role::Client if second & MASKED != 0 => Err(ProtocolError::Masked),
        _ => Ok(opcode),
    }
}

/// An encoded header for sending, in its shortest form (§5.2).
#[derive(Clone, Copy, Debug)]
pub struct EncodedFrameHeader {
    bytes: [u8; MAX_HEADER_LEN],
    len: u8,
}

impl EncodedFrameHeader {
    /// Encodes a header. It is masked, as a client's, if there is a `key`.
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

    /// Marks the header as the start of a compressed message (RFC 7692 §6).
    #[inline]
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.bytes[0] |= RSV1;
        self
    }

    /// Encodes the header of a short unmasked frame, as most of a server's are; `None` for a longer
    /// payload.
    #[inline]
    pub(crate) fn short(opcode: OpCode, fin: bool, payload_len: usize) -> Option<[u8; 2]> {
        let first = opcode as u8 | if fin { FIN } else { 0 };
        (payload_len < 126).then_some([first, payload_len as u8])
    }

    /// Encodes the header of an unmasked frame with a 16-bit length; `None` for a longer payload,
    /// which must not be shorter than 126 bytes.
    #[inline]
    pub(crate) fn medium(opcode: OpCode, fin: bool, payload_len: usize) -> Option<[u8; 4]> {
        let first = opcode as u8 | if fin { FIN } else { 0 };
        let [high, low] = u16::try_from(payload_len).ok()?.to_be_bytes();
        Some([first, 126, high, low])
    }

    /// Returns the encoded bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests;
