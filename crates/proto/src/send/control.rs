//! The slots in which pings and pongs wait. Each kind has one, so that no flood of
//! them, from the peer or the application, can grow memory.

use bytes::{Bytes, BytesMut};

use super::config::SendError;
use crate::frame::{EncodedFrameHeader, OpCode};
use crate::mask::{self, MaskSource};

/// Whose Ping or Pong it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ControlKind {
    /// The answer to the peer's Ping; the latest replaces the one that waits (§5.5.3).
    AutoPong,
    /// A Ping of the keepalive.
    Keepalive,
    /// A Ping of the application.
    Ping,
    /// A Pong of the application, unasked for (§5.5.3).
    Pong,
}

/// What waits to leave at the next frame boundary: payloads, until it is clear that they can,
/// and then frames.
#[derive(Debug, Default)]
pub(crate) struct ControlQueue {
    slots: [Option<Bytes>; 4],
    /// Made into frames, and perhaps cut short by a write.
    pub(crate) urgent: Bytes,
}

impl ControlQueue {
    pub(crate) fn put(&mut self, kind: ControlKind, payload: &[u8]) -> Result<(), SendError> {
        let slot = &mut self.slots[kind as usize];
        let replace = matches!(kind, ControlKind::AutoPong | ControlKind::Keepalive);
        if slot.is_some() && !replace {
            return Err(SendError::Full);
        }
        *slot = Some(Bytes::copy_from_slice(payload));
        Ok(())
    }

    /// Whether any payload waits to be made a frame.
    pub(crate) fn has_payloads(&self) -> bool {
        self.slots.iter().any(Option::is_some)
    }

    /// Forgets the payloads.
    pub(crate) fn drop_payloads(&mut self) {
        self.slots = Default::default();
    }

    /// Makes frames of the payloads, behind those that there are, and tells their size.
    pub(crate) fn encode(&mut self, mut masks: Option<&mut (dyn MaskSource + 'static)>) -> usize {
        let mut out = BytesMut::from(&self.urgent[..]);
        let before = out.len();
        for (i, slot) in self.slots.iter_mut().enumerate() {
            let Some(payload) = slot.take() else { continue };
            let is_pong = i == ControlKind::AutoPong as usize || i == ControlKind::Pong as usize;
            let opcode = if is_pong { OpCode::Pong } else { OpCode::Ping };
            let key = masks.as_deref_mut().map(MaskSource::next_key);
            let header = EncodedFrameHeader::new(opcode, true, key, payload.len() as u64);
            out.extend_from_slice(header.as_bytes());
            let start = out.len();
            out.extend_from_slice(&payload);
            if let Some(key) = key {
                mask::apply(&mut out[start..], key);
            }
        }
        let added = out.len() - before;
        self.urgent = out.freeze();
        added
    }
}
