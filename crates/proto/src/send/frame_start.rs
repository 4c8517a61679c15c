//! The start of a frame that is sent.

use crate::frame::{EncodedFrameHeader, OpCode};
use crate::receive::MessageKind;

/// The opcode and the "compressed" bit of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameStart {
    pub(super) opcode: OpCode,
    pub(super) compressed: bool,
}

impl FrameStart {
    pub(super) const CONTINUATION: Self = Self { opcode: OpCode::Continuation, compressed: false };

    #[inline]
    pub(super) fn of(kind: MessageKind, compressed: bool) -> Self {
        let opcode = match kind {
            MessageKind::Text => OpCode::Text,
            MessageKind::Binary => OpCode::Binary,
        };
        Self { opcode, compressed }
    }

    #[inline]
    pub(super) fn header(self, fin: bool, key: Option<[u8; 4]>, len: usize) -> EncodedFrameHeader {
        let header = EncodedFrameHeader::new(self.opcode, fin, key, len as u64);
        if self.compressed { header.compressed() } else { header }
    }
}
