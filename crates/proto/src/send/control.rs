//! Queued pings and pongs. Each kind has one slot, so that no flood of them, from the peer or the
//! application, can increase memory.

use bytes::{Bytes, BytesMut};

use super::config::SendError;
use crate::frame::{EncodedFrameHeader, OpCode};
use crate::mask::{self, MaskSource};

/// The origin of a Ping or Pong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ControlKind {
    /// An answer to the peer's Ping; the latest replaces the queued one (§5.5.3).
    AutoPong,
    /// A Ping of the keepalive.
    Keepalive,
    /// A Ping of the application.
    Ping,
    /// An unsolicited Pong of the application (§5.5.3).
    Pong,
}

/// The pings and pongs to send at the next frame boundary: payloads first, and encoded frames once
/// they can be written.
#[derive(Debug, Default)]
pub(crate) struct ControlQueue {
    slots: [Option<Bytes>; 4],
    /// Encoded frames, of which a part may be written.
    pub(crate) urgent: Bytes,
}

impl ControlQueue {
    /// Queues a payload, or fails if a Ping or Pong of the application is queued already.
    pub(crate) fn put(&mut self, kind: ControlKind, payload: &[u8]) -> Result<(), SendError> {
        let slot = &mut self.slots[kind as usize];
        let replace = matches!(kind, ControlKind::AutoPong | ControlKind::Keepalive);
        if slot.is_some() && !replace {
            return Err(SendError::Full);
        }
        *slot = Some(Bytes::copy_from_slice(payload));
        Ok(())
    }

    /// Whether any payload is not encoded yet.
    pub(crate) fn has_payloads(&self) -> bool {
        self.slots.iter().any(Option::is_some)
    }

    /// Discards the payloads that are not encoded yet.
    pub(crate) fn drop_payloads(&mut self) {
        self.slots = Default::default();
    }

    /// Encodes the payloads as frames, after those that are encoded already. Returns the size of
    /// the new ones in bytes.
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
