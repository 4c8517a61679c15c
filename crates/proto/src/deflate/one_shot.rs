//! Compressing a whole message by itself with libdeflate, which can do nothing else, and
//! does it in about half the time.
//!
//! It makes a stream that ends with a final block, so an empty one follows to end the
//! message (RFC 7692 §7.2.3.4). A peer that carries its window from one message to the next
//! may not like to see its stream end; without context takeover nobody does.

use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use std::thread_local;

use bytes::Bytes;
use libdeflater::{CompressionLvl, Compressor};

use super::compress::CompressedMessage;
use super::pool::CHUNK;

/// Longer messages are compressed by zlib, which needs no room for all that comes out.
pub(super) const LONGEST: usize = 1 << 20;

/// libdeflate's levels that make messages as short as zlib's 1 to 9, or shorter.
const LEVELS: [i32; 9] = [1, 1, 1, 1, 2, 3, 5, 7, 9];

thread_local! {
    static COMPRESSORS: RefCell<Vec<OneShot>> = const { RefCell::new(Vec::new()) };
}

struct OneShot {
    level: u8,
    compressor: Compressor,
    chunk: Vec<u8>,
}

/// Compresses a message and hands it to `sink`, unless it would not become shorter; returns
/// whether it did.
pub(super) fn compress(
    level: u8,
    message: &[u8],
    sink: impl FnOnce(CompressedMessage<'_>),
) -> bool {
    // With room for no more than is worth it, there is no more to be checked.
    let Some(room) = message.len().checked_sub(1).filter(|room| *room > 0) else { return false };
    let mut whole = take(level);
    let OneShot { compressor, chunk, .. } = &mut whole;
    let mut long = Vec::new();
    let out = if room <= chunk.len() {
        &mut chunk[..room]
    } else {
        long = vec![0; room];
        &mut long[..]
    };
    let shorter = match compressor.deflate_compress(message, &mut out[..room - 1]) {
        Ok(len) => {
            out[len] = 0;
            if long.is_empty() {
                sink(CompressedMessage::Short(&chunk[..=len]));
            } else {
                long.truncate(len + 1);
                sink(CompressedMessage::Long(Bytes::from(long)));
            }
            true
        }
        Err(_) => false,
    };
    COMPRESSORS.with_borrow_mut(|pool| pool.push(whole));
    shorter
}

fn take(level: u8) -> OneShot {
    let kept = COMPRESSORS.with_borrow_mut(|pool| {
        let found = pool.iter().position(|whole| whole.level == level)?;
        Some(pool.swap_remove(found))
    });
    kept.unwrap_or_else(|| {
        let index = usize::from(level.clamp(1, 9)) - 1;
        let libdeflate = CompressionLvl::new(LEVELS[index]).unwrap_or_default();
        OneShot { level, compressor: Compressor::new(libdeflate), chunk: vec![0; CHUNK] }
    })
}
