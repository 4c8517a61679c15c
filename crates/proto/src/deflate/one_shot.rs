//! Compression of a complete message with libdeflate, which has no streaming, but takes about half
//! the time.
//!
//! Its output ends with a final block, so an empty block is appended to end the message
//! (RFC 7692 §7.2.3.4). A peer that keeps its window between messages may fail at the end of the
//! stream, so this is used only without context takeover.

use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use std::thread_local;

use bytes::Bytes;
use libdeflater::{CompressionLvl, Compressor};

use super::compress::CompressedMessage;
use super::pool::CHUNK;

/// The maximum length of a message. Longer ones are compressed with zlib, which does not need a
/// buffer for all output.
pub(super) const MAX_LEN: usize = 1 << 20;

/// The levels of libdeflate whose output is at most as long as that of zlib's levels 1 to 9.
const LEVELS: [i32; 9] = [1, 1, 1, 1, 2, 3, 5, 7, 9];

thread_local! {
    static COMPRESSORS: RefCell<Vec<OneShot>> = const { RefCell::new(Vec::new()) };
}

/// A compressor of libdeflate, and its output buffer.
struct OneShot {
    /// The level of zlib that it stands for.
    level: u8,
    compressor: Compressor,
    chunk: Vec<u8>,
}

/// Compresses a message and passes the result to `sink` if it is shorter. Returns whether it is.
pub(super) fn compress(
    level: u8,
    message: &[u8],
    sink: impl FnOnce(CompressedMessage<'_>),
) -> bool {
    // The output buffer is shorter than the message, so output that fits is worth sending.
    let Some(max_len) = message.len().checked_sub(1).filter(|len| *len > 0) else { return false };
    let mut one_shot = take_compressor(level);
    let OneShot { compressor, chunk, .. } = &mut one_shot;
    let mut long = Vec::new();
    let out = if max_len <= chunk.len() {
        &mut chunk[..max_len]
    } else {
        long = vec![0; max_len];
        &mut long[..]
    };
    let is_shorter = match compressor.deflate_compress(message, &mut out[..max_len - 1]) {
        Ok(len) => {
            out[len] = 0;
            if long.is_empty() {
                sink(CompressedMessage::Borrowed(&chunk[..=len]));
            } else {
                long.truncate(len + 1);
                sink(CompressedMessage::Owned(Bytes::from(long)));
            }
            true
        }
        Err(_) => false,
    };
    COMPRESSORS.with_borrow_mut(|pool| pool.push(one_shot));
    is_shorter
}

/// Takes a compressor of this level from the thread's pool, or creates one.
fn take_compressor(level: u8) -> OneShot {
    let pooled = COMPRESSORS.with_borrow_mut(|pool| {
        let index = pool.iter().position(|one_shot| one_shot.level == level)?;
        Some(pool.swap_remove(index))
    });
    pooled.unwrap_or_else(|| {
        let index = usize::from(level.clamp(1, 9)) - 1;
        let libdeflate = CompressionLvl::new(LEVELS[index]).unwrap_or_default();
        OneShot { level, compressor: Compressor::new(libdeflate), chunk: vec![0; CHUNK] }
    })
}
