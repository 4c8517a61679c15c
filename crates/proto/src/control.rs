//! The slots in which pings and pongs wait. Each kind has one, so that no flood of
//! them, from the peer or the application, can grow memory.

use bytes::{Bytes, BytesMut};

use crate::frame::{EncodedHeader, OpCode};
use crate::mask::{self, MaskSource};
use crate::send::SendError;

/// Whose Ping or Pong it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlKind {
    /// The answer to the peer's Ping; the latest replaces the one that waits (§5.5.3).
    AutoPong,
    /// A Ping of the keepalive.
    Keepalive,
    /// A Ping of the application.
    Ping,
    /// A Pong of the application, unasked for (§5.5.3).
    Pong,
}

/// What waits to leave at the next frame boundary.
#[derive(Debug, Default)]
pub(crate) struct ControlSlots {
    slots: [Option<Bytes>; 4],
}

impl ControlSlots {
    pub(crate) fn put(&mut self, kind: ControlKind, payload: &[u8]) -> Result<(), SendError> {
        let slot = &mut self.slots[kind as usize];
        let replace = matches!(kind, ControlKind::AutoPong | ControlKind::Keepalive);
        if slot.is_some() && !replace {
            return Err(SendError::Full);
        }
        *slot = Some(Bytes::copy_from_slice(payload));
        Ok(())
    }

    /// The frames of all that waits.
    pub(crate) fn encode(self, mut masks: Option<&mut (dyn MaskSource + 'static)>) -> Bytes {
        let mut out = BytesMut::new();
        for (i, payload) in self.slots.into_iter().enumerate() {
            let Some(payload) = payload else { continue };
            let is_pong = i == ControlKind::AutoPong as usize || i == ControlKind::Pong as usize;
            let opcode = if is_pong { OpCode::Pong } else { OpCode::Ping };
            let key = masks.as_deref_mut().map(MaskSource::next_key);
            let header = EncodedHeader::new(opcode, true, key, payload.len() as u64);
            out.extend_from_slice(header.as_bytes());
            let start = out.len();
            out.extend_from_slice(&payload);
            if let Some(key) = key {
                mask::apply(&mut out[start..], key);
            }
        }
        out.freeze()
    }
}
