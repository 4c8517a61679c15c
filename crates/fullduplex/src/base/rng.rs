//! Masking keys from the thread's cryptographically secure generator.

use fullduplex_proto::mask::MaskSource;
use rand::RngExt;

use crate::base::message_memory;

/// A source of a fresh, unpredictable key for each frame (RFC 6455 §5.3, §10.3).
#[derive(Debug)]
pub(crate) struct ThreadRng;

impl MaskSource for ThreadRng {
    fn next_key(&mut self) -> [u8; 4] {
        rand::rng().random()
    }

    fn frame_buffer(&mut self, len: usize) -> Vec<u8> {
        message_memory::take_large(len)
    }
}

/// Returns random bytes for a `Sec-WebSocket-Key`.
pub(crate) fn nonce() -> [u8; 16] {
    rand::rng().random()
}
