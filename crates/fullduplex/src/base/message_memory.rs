//! The memory of received messages, which each thread reuses.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::PayloadAllocator;

/// The allocator for the messages of all connections.
pub(crate) static MEMORY: PayloadAllocator = PayloadAllocator::new(copy, take_large);

/// The size of the blocks that short messages share. A message that is kept keeps its whole block.
const BLOCK: usize = 2 << 10;
/// The number of messages that are allocated separately when a message in a block was kept. It
/// doubles while that goes on, up to [`MAX_PENALTY`].
const MIN_PENALTY: u32 = 64;
/// The most messages in a row that are allocated separately.
const MAX_PENALTY: u32 = 4096;

/// The minimum capacity of a buffer that is cached.
const MIN_CACHED: usize = 8 << 10;
/// The most buffers that a thread caches.
const MAX_CACHED_COUNT: usize = 64;
/// The most bytes of buffers that a thread caches.
const MAX_CACHED_BYTES: usize = 8 << 20;

thread_local! {
    static BLOCKS: RefCell<BlockArena> = RefCell::default();
    static LARGE: RefCell<LargeBuffers> =
        const { RefCell::new(LargeBuffers { buffers: VecDeque::new(), bytes: 0 }) };
}

/// An arena that allocates short messages in one block, which is reused when all of them were
/// dropped.
///
/// A message that is kept keeps its block. So when some are found to be kept, the next messages are
/// allocated separately: an application that keeps messages uses little more than their bytes, and
/// one that does not makes no allocations.
#[derive(Default)]
struct BlockArena {
    /// The unused part of the block, with no bytes in it.
    rest: BytesMut,
    has_block: bool,
    /// The number of messages that are still to be allocated separately.
    separate: u32,
    /// The number of messages that were allocated separately because of the last kept block. It is
    /// doubled when the next block is kept, too, and halved when it is not, so that a few kept
    /// messages are soon forgotten and a steady collector allocates each message exactly.
    penalty: u32,
}

impl BlockArena {
    #[inline]
    fn alloc(&mut self, bytes: &[u8]) -> Option<BytesMut> {
        if bytes.len() > self.rest.capacity() && !self.renew() {
            return None;
        }
        self.rest.extend_from_slice(bytes);
        Some(self.rest.split())
    }

    /// Provides capacity for a message; false if it must be allocated separately.
    fn renew(&mut self) -> bool {
        if self.separate > 0 {
            self.separate -= 1;
            return false;
        }
        if !self.has_block {
            self.has_block = true;
            self.rest.reserve(BLOCK);
        } else if self.rest.try_reclaim(BLOCK) {
            self.penalty /= 2;
        } else {
            // Some message in the block is still in use: leave the block to it.
            self.penalty = (self.penalty * 2).clamp(MIN_PENALTY, MAX_PENALTY);
            *self = Self { separate: self.penalty - 1, penalty: self.penalty, ..Self::default() };
            return false;
        }
        true
    }
}

/// Copies bytes to the shared block; `None` if they are too long, or must be allocated separately.
#[inline]
pub(crate) fn copy_shared(bytes: &[u8]) -> Option<BytesMut> {
    if bytes.len() > BLOCK {
        return None;
    }
    BLOCKS.with_borrow_mut(|blocks| blocks.alloc(bytes))
}

/// Copies a payload.
fn copy(payload: &[u8]) -> Bytes {
    copy_shared(payload).map_or_else(|| Bytes::copy_from_slice(payload), BytesMut::freeze)
}

/// A cache of the buffers of large messages that were dropped, the oldest first. New pages for each
/// message would cost more than all other work on it.
struct LargeBuffers {
    buffers: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl LargeBuffers {
    /// Takes the smallest buffer with this capacity, so that large ones stay for large messages,
    /// and the latest of several.
    fn take(&mut self, capacity: usize) -> Option<Vec<u8>> {
        let fits = self.buffers.iter().enumerate().rev().filter(|(_, b)| b.capacity() >= capacity);
        let (found, _) = fits.min_by_key(|(_, buffer)| buffer.capacity())?;
        let buffer = self.buffers.remove(found)?;
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    /// Caches a buffer, in place of the oldest ones if there are too many.
    fn put(&mut self, buffer: Vec<u8>) {
        if !(MIN_CACHED..=MAX_CACHED_BYTES).contains(&buffer.capacity()) {
            return;
        }
        self.bytes += buffer.capacity();
        self.buffers.push_back(buffer);
        while self.bytes > MAX_CACHED_BYTES || self.buffers.len() > MAX_CACHED_COUNT {
            self.bytes -= self.buffers.pop_front().map_or(0, |oldest| oldest.capacity());
        }
    }
}

/// Takes a buffer for a large message that is received, or masked to be sent; an empty one without
/// capacity if none is cached.
pub(crate) fn take_large(capacity: usize) -> Vec<u8> {
    LARGE.with_borrow_mut(|large| large.take(capacity)).unwrap_or_default()
}

/// Caches the memory of a large message that was sent. If something else refers to it, or it has an
/// owner of the application's, it is returned, to be dropped where foreign code may run.
pub(crate) fn recycle_large(spent: Bytes) -> Option<Bytes> {
    match spent.try_into_mut() {
        Ok(mut spent) => {
            spent.clear();
            LARGE.with_borrow_mut(|large| large.put(spent.into()));
            None
        }
        Err(spent) => Some(spent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a message is allocated separately, with exactly its size.
    fn is_alone(message: Bytes) -> bool {
        message.try_into_mut().is_ok_and(|message| message.capacity() == message.len())
    }

    fn copy(blocks: &mut BlockArena, payload: &[u8]) -> Bytes {
        blocks.alloc(payload).map_or_else(|| Bytes::copy_from_slice(payload), BytesMut::freeze)
    }

    #[test]
    fn message_memory_of_dropped_messages_is_used_again() {
        let mut blocks = BlockArena::default();
        let first = copy(&mut blocks, &[1; 64]).as_ptr();
        for i in 0..1000 {
            let message = copy(&mut blocks, &[7; 64]);
            assert_eq!(&message[..], [7; 64]);
            let at = message.as_ptr() as usize - first as usize;
            assert!(at < BLOCK, "message {i} is {at} bytes further on");
        }
    }

    #[test]
    fn message_memory_of_kept_messages_shares_few_blocks() {
        let mut blocks = BlockArena::default();
        let kept: Vec<Bytes> =
            (0..10_000_u64).map(|i| copy(&mut blocks, &i.to_ne_bytes())).collect();
        for (i, message) in (0_u64..).zip(&kept) {
            assert_eq!(message[..], i.to_ne_bytes());
        }
        drop(blocks);
        let shared = kept.into_iter().filter_map(|message| message.try_into_mut().err()).count();
        // One block at a time, between 64, 128, … 4096 that are allocated separately.
        let in_a_block = BLOCK / 8;
        assert!((in_a_block..8 * in_a_block).contains(&shared), "{shared} are in blocks");
    }

    #[test]
    fn message_memory_is_shared_again_after_one_kept_message() {
        let mut blocks = BlockArena::default();
        let kept = copy(&mut blocks, &[1; BLOCK]);
        for _ in 0..MIN_PENALTY {
            assert!(is_alone(copy(&mut blocks, &[2; 64])));
        }
        for _ in 0..1000 {
            assert!(!is_alone(copy(&mut blocks, &[3; 64])));
        }
        assert_eq!(blocks.penalty, 0);
        assert_eq!(kept[..], [1; BLOCK]);
    }

    #[test]
    fn message_memory_of_a_payload_longer_than_a_block_is_separate() {
        assert!(copy_shared(&[1; BLOCK + 1]).is_none());
        assert!(is_alone(crate::base::message_memory::copy(&[1; BLOCK + 1])));
    }

    #[test]
    fn message_memory_of_long_buffers_is_chosen_by_size_and_bounded() {
        let mut large = LargeBuffers { buffers: VecDeque::new(), bytes: 0 };
        large.put(Vec::with_capacity(MIN_CACHED - 1));
        large.put(Vec::with_capacity(MAX_CACHED_BYTES + 1));
        assert!(large.take(0).is_none(), "too little to keep, and too much");
        large.put(Vec::with_capacity(64 << 10));
        large.put(Vec::with_capacity(16 << 10));
        large.put(Vec::with_capacity(1 << 20));
        assert_eq!(large.take(20_000).map(|b| b.capacity()), Some(64 << 10), "not the longest");
        assert_eq!(large.take(20_000).map(|b| b.capacity()), Some(1 << 20));
        assert!(large.take(20_000).is_none());
        for _ in 0..2 * MAX_CACHED_COUNT {
            large.put(Vec::with_capacity(MIN_CACHED));
        }
        assert_eq!(large.buffers.len(), MAX_CACHED_COUNT);
        large.put(Vec::with_capacity(MAX_CACHED_BYTES));
        assert_eq!(
            (large.buffers.len(), large.bytes),
            (1, MAX_CACHED_BYTES),
            "the oldest made room"
        );
        large.take(1);
        assert_eq!(large.bytes, 0);
    }
}
