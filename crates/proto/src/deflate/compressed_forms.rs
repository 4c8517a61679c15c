//! The compressed forms of a message, one for each window.

use std::sync::OnceLock;

use bytes::Bytes;

use super::compress::{CompressedMessage, compress_message};
use super::pool::{self, FixedParams};
use super::{DeflateConfig, MAX_WINDOW_BITS};

/// The smallest window of zlib, as a power of two.
const MIN_ZLIB_WINDOW_BITS: u8 = 9;
/// The number of window sizes of zlib.
const WINDOW_SIZES: usize = (MAX_WINDOW_BITS - MIN_ZLIB_WINDOW_BITS + 1) as usize;

/// What a [`PreparedMessage`](super::PreparedMessage) was compressed to.
pub(crate) struct CompressedForms {
    level: u8,
    /// The compressed message for each window size. `None` inside if it would not become shorter.
    forms: [OnceLock<Option<Bytes>>; WINDOW_SIZES],
}

impl CompressedForms {
    pub(crate) fn new(level: u8) -> Self {
        Self { level, forms: Default::default() }
    }

    /// Returns whether the message was compressed for this window.
    pub(crate) fn has(&self, message: &[u8], window_bits: u8) -> bool {
        self.cell(effective_bits(message, window_bits)).get().is_some()
    }

    /// Returns the message compressed for a window, if that makes it shorter.
    pub(crate) fn get(&self, message: &[u8], window_bits: u8) -> Option<Bytes> {
        let effective_bits = effective_bits(message, window_bits);
        self.cell(effective_bits)
            .get_or_init(|| compress(message, self.level, effective_bits))
            .clone()
    }

    fn cell(&self, effective_bits: u8) -> &OnceLock<Option<Bytes>> {
        &self.forms[usize::from(effective_bits - MIN_ZLIB_WINDOW_BITS)]
    }
}

/// Returns the window with which a message is compressed for connections with `window_bits`.
fn effective_bits(message: &[u8], window_bits: u8) -> u8 {
    // A window as long as the message is as good as a longer one. zlib refers back by at most
    // 262 bytes less than its window.
    let needed = usize::BITS - (message.len() + 262).leading_zeros();
    let needed = u8::try_from(needed).unwrap_or(MAX_WINDOW_BITS);
    window_bits.min(needed).clamp(MIN_ZLIB_WINDOW_BITS, MAX_WINDOW_BITS)
}

fn compress(message: &[u8], level: u8, window_bits: u8) -> Option<Bytes> {
    let memory_level = DeflateConfig::balanced().memory_level;
    let mut workspace = pool::take_compressor(FixedParams { level, memory_level, window_bits });
    let mut compressed = None;
    compress_message(workspace.get(), message, |output| {
        compressed = Some(match output {
            CompressedMessage::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            CompressedMessage::Owned(bytes) => bytes,
        });
    });
    pool::put_compressor(workspace);
    compressed
}
