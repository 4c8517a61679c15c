//! The header of a frame: its type and length (RFC 9114 §7.1).

use bytes::BufMut;

use crate::varint;

/// The type of a frame (RFC 9114 §11.2.1).
///
/// It is complete: a type is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameType(pub u64);

impl FrameType {
    /// The content of a message, or the bytes of a tunnel.
    pub const DATA: Self = Self(0x00);
    /// A field section.
    pub const HEADERS: Self = Self(0x01);
    /// The cancellation of a push.
    pub const CANCEL_PUSH: Self = Self(0x03);
    /// The settings: the first frame of each control stream.
    pub const SETTINGS: Self = Self(0x04);
    /// A promise of a push.
    pub const PUSH_PROMISE: Self = Self(0x05);
    /// A shutdown: no requests, or pushes, are accepted from this identifier on.
    pub const GOAWAY: Self = Self(0x07);
    /// The maximum push identifier that a client allows.
    pub const MAX_PUSH_ID: Self = Self(0x0d);
}

/// Appends the type and length of a frame.
pub fn encode_header(kind: FrameType, length: u64, out: &mut impl BufMut) {
    varint::encode(kind.0, out);
    varint::encode(length, out);
}

/// Decodes the type and length of a frame. Returns `None` if they are incomplete.
pub(crate) fn decode_header(bytes: &[u8]) -> Option<(FrameType, u64)> {
    let (kind, used) = varint::decode(bytes)?;
    let (length, _) = varint::decode(&bytes[used..])?;
    Some((FrameType(kind), length))
}
