//! Compressed messages, inflated piece by piece (RFC 7692).

use super::event::MessageKind;
use super::{Decoded, Receiver};
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::mask;

/// What a compressed message needs besides.
#[derive(Debug)]
pub(super) struct MessageInflation {
    pub(super) inflater: Inflater,
    /// Bytes that came out of the message.
    pub(super) produced: u64,
    /// Final blocks inside the message.
    pub(super) restarts: u32,
}

/// How much of a compressed payload is unmasked at a time.
const PIECE: usize = 4096;

/// How many final blocks (BFINAL) a compressed message may have, and for how many bytes
/// received it may have one more.
const FREE_RESTARTS: u64 = 16;
const BYTES_PER_RESTART: u64 = 64;

/// The most compressed bytes of a message of a size. Good compressors add next to nothing
/// to what can't be compressed; those that flush each byte add more.
pub(super) fn most_compressed(limit: u64) -> u64 {
    limit.saturating_mul(2).saturating_add(64 << 10)
}

impl Receiver {
    /// Inflates a piece of what there is of a compressed message's frame, from `start` on.
    pub(super) fn inflate(
        &mut self,
        input: &mut [u8],
        start: usize,
    ) -> Result<(usize, Decoded), ProtocolError> {
        let (frame, message) = (&mut self.frame, &mut self.message);
        let Some(inflating) = &mut self.inflating else { return Ok((start, Decoded::Nothing)) };
        let MessageInflation { inflater, produced, restarts } = &mut **inflating;
        let available = (input.len() - start).min(PIECE);
        let len = usize::try_from(frame.remaining).map_or(available, |r| r.min(available));
        if len == 0 && frame.remaining > 0 && !inflater.has_more() {
            return Ok((start, Decoded::Nothing));
        }
        let piece = &mut input[start..start + len];
        if let Some(key) = frame.key {
            mask::apply(piece, key);
        }
        let last = frame.fin && frame.remaining == len as u64;
        let out = inflater.inflate(piece, last).map_err(|_| ProtocolError::InvalidDeflate)?;
        if let Some(key) = &mut frame.key {
            *key = mask::rotate_key(*key, out.consumed);
            // What was not taken is masked again: it is consumed another time.
            mask::apply(&mut piece[out.consumed..], *key);
        }
        frame.remaining -= out.consumed as u64;
        *produced += out.produced as u64;
        if *produced > self.max_message_size {
            return Err(ProtocolError::MessageTooBig { limit: self.max_message_size });
        }
        // To begin anew takes as long as thousands of bytes, and two can ask for it.
        *restarts += out.restarts;
        let received = message.len - frame.remaining;
        if u64::from(*restarts) > FREE_RESTARTS + received / BYTES_PER_RESTART {
            return Err(ProtocolError::TooManyFragments { limit: self.max_fragments });
        }
        let kind = message.kind.unwrap_or(MessageKind::Binary);
        let consumed = start + out.consumed;
        if out.produced == 0 && !out.done {
            return Ok((consumed, Decoded::Nothing));
        }
        if kind == MessageKind::Text {
            message.check_text(inflater.output(out.produced), out.done)?;
        }
        let first = !core::mem::replace(&mut message.begun, true);
        if out.done {
            (message.kind, message.compressed) = (None, false);
        }
        Ok((consumed, Decoded::Inflated { len: out.produced, kind, first, last: out.done }))
    }
}
