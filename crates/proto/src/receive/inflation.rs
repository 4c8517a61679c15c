//! Compressed messages, inflated chunk by chunk (RFC 7692).

use super::event::MessageKind;
use super::{Decoded, Receiver};
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::mask;

/// The state of a compressed message.
#[derive(Debug)]
pub(super) struct MessageInflation {
    pub(super) inflater: Inflater,
    /// The number of bytes inflated so far.
    pub(super) produced: u64,
    /// The number of final blocks (BFINAL) inside the message.
    pub(super) restarts: u32,
}

/// The number of bytes of a compressed payload that are unmasked at a time.
const CHUNK: usize = 4096;

/// The number of final blocks (BFINAL) that a compressed message may have.
const FREE_RESTARTS: u64 = 16;
/// The number of received bytes for which a message may have one more final block.
const BYTES_PER_RESTART: u64 = 64;

/// Returns the longest compressed form of a message of `limit` bytes that is accepted. Good
/// compressors add next to nothing to incompressible data; those that flush each byte add more.
pub(super) fn max_compressed_len(limit: u64) -> u64 {
    limit.saturating_mul(2).saturating_add(64 << 10)
}

impl Receiver {
    /// Inflates a chunk of the available payload of a compressed message's frame, from `start` on.
    pub(super) fn inflate(
        &mut self,
        input: &mut [u8],
        start: usize,
    ) -> Result<(usize, Decoded), ProtocolError> {
        let (frame, message) = (&mut self.frame, &mut self.message);
        let Some(inflation) = &mut self.inflation else { return Ok((start, Decoded::Nothing)) };
        let MessageInflation { inflater, produced, restarts } = &mut **inflation;
        let available = (input.len() - start).min(CHUNK);
        let len = usize::try_from(frame.remaining).map_or(available, |r| r.min(available));
        if len == 0 && frame.remaining > 0 && !inflater.has_more() {
            return Ok((start, Decoded::Nothing));
        }
        let chunk = &mut input[start..start + len];
        if let Some(key) = frame.key {
            mask::apply(chunk, key);
        }
        let last = frame.fin && frame.remaining == len as u64;
        let out = inflater.inflate(chunk, last).map_err(|_| ProtocolError::InvalidDeflate)?;
        if let Some(key) = &mut frame.key {
            *key = mask::rotate_key(*key, out.consumed);
            // What was not consumed is masked again, as the caller passes it once more.
            mask::apply(&mut chunk[out.consumed..], *key);
        }
        frame.remaining -= out.consumed as u64;
        *produced += out.produced as u64;
        if *produced > self.max_message_size {
            return Err(ProtocolError::MessageTooBig { limit: self.max_message_size });
        }
        // Restarting the inflater costs as much as thousands of bytes, and two bytes of input can
        // cause it.
        *restarts += out.restarts;
        let received = message.len - frame.remaining;
        if u64::from(*restarts) > FREE_RESTARTS + received / BYTES_PER_RESTART {
            return Err(ProtocolError::TooManyFragments { limit: self.max_fragments });
        }
        let kind = message.kind.unwrap_or(MessageKind::Binary);
        let consumed = start + out.consumed;
        if out.produced == 0 && !out.is_done {
            return Ok((consumed, Decoded::Nothing));
        }
        if kind == MessageKind::Text {
            message.check_text(inflater.output(out.produced), out.is_done)?;
        }
        let first = !core::mem::replace(&mut message.started, true);
        if out.is_done {
            (message.kind, message.compressed) = (None, false);
        }
        Ok((consumed, Decoded::Inflated { len: out.produced, kind, first, last: out.is_done }))
    }
}
