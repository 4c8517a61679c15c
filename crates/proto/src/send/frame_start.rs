//! What a frame that is sent begins with.

use crate::frame::{EncodedHeader, OpCode};
use crate::receive::Kind;

/// How a frame begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lead {
    pub(super) opcode: OpCode,
    pub(super) compressed: bool,
}

impl Lead {
    pub(super) const CONTINUATION: Self = Self { opcode: OpCode::Continuation, compressed: false };

    #[inline]
    pub(super) fn of(kind: Kind, compressed: bool) -> Self {
        let opcode = match kind {
            Kind::Text => OpCode::Text,
            Kind::Binary => OpCode::Binary,
        };
        Self { opcode, compressed }
    }

    #[inline]
    pub(super) fn header(self, fin: bool, key: Option<[u8; 4]>, len: usize) -> EncodedHeader {
        let header = EncodedHeader::new(self.opcode, fin, key, len as u64);
        if self.compressed { header.compressed() } else { header }
    }
}
