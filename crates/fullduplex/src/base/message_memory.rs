//! The memory of messages: the thread keeps what is done with for those that follow.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::PayloadAllocator;

/// How the messages of all connections of a thread get theirs.
pub(crate) static MEMORY: PayloadAllocator = PayloadAllocator { copy, large_buffer: take_large };

/// Short messages share blocks of this size: a message that is kept keeps so much.
const BLOCK: usize = 2 << 10;
/// How many messages have memory of their own when one in a block was kept, and how many at
/// most when that goes on.
const ALONE: u32 = 64;
const ALONE_MOST: u32 = 4096;

/// A long message's buffer is kept for the next one if it has this much room,
const LONG_LEAST: usize = 8 << 10;
/// while all that are kept are no more than so many,
const LONG_COUNT: usize = 64;
/// and come to no more than this.
const LONG_KEEP: usize = 8 << 20;

thread_local! {
    static BLOCKS: RefCell<BlockArena> = RefCell::default();
    static LONG: RefCell<LargeBuffers> = const { RefCell::new(LargeBuffers { spent: VecDeque::new(), bytes: 0 }) };
}

/// Gives short messages their memory out of one block, which is used again when all of them
/// were dropped.
///
/// A message that is kept keeps its block. So when some are found to be, the next messages
/// have memory of their own: an application that keeps them pays little more than their bytes,
/// and one that does not pays no allocation.
#[derive(Default)]
struct BlockArena {
    /// The free rest of the block, with no bytes in it.
    rest: BytesMut,
    has_block: bool,
    /// So many messages more have memory of their own,
    alone: u32,
    /// and so many if the next block is kept too.
    penalty: u32,
}

impl BlockArena {
    #[inline]
    fn place(&mut self, bytes: &[u8]) -> Option<BytesMut> {
        if bytes.len() > self.rest.capacity() && !self.renew() {
            return None;
        }
        self.rest.extend_from_slice(bytes);
        Some(self.rest.split())
    }

    /// Makes room for a message, unless it is to have memory of its own.
    fn renew(&mut self) -> bool {
        if self.alone > 0 {
            self.alone -= 1;
            return false;
        }
        if !self.has_block {
            self.has_block = true;
            self.rest.reserve(BLOCK);
        } else if self.rest.try_reclaim(BLOCK) {
            self.penalty /= 2;
        } else {
            // It is theirs now who keep a part of it.
            self.penalty = (self.penalty * 2).clamp(ALONE, ALONE_MOST);
            *self = Self { alone: self.penalty - 1, penalty: self.penalty, ..Self::default() };
            return false;
        }
        true
    }
}

/// Copies what messages may share, if it is little; `None` if they are to be copied one by one.
#[inline]
pub(crate) fn place(bytes: &[u8]) -> Option<BytesMut> {
    if bytes.len() > BLOCK {
        return None;
    }
    BLOCKS.with_borrow_mut(|blocks| blocks.place(bytes))
}

/// Copies a payload to where it may stay.
fn copy(payload: &[u8]) -> Bytes {
    place(payload).map_or_else(|| Bytes::copy_from_slice(payload), BytesMut::freeze)
}

/// Buffers of long messages that were dropped, the oldest first: whole new pages for
/// each message cost more than all that is done with them.
struct LargeBuffers {
    spent: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl LargeBuffers {
    /// The smallest that has so much room, so that long ones stay for long messages; the last of
    /// those.
    fn take(&mut self, room: usize) -> Option<Vec<u8>> {
        let fits = self.spent.iter().enumerate().rev().filter(|(_, b)| b.capacity() >= room);
        let (found, _) = fits.min_by_key(|(_, buffer)| buffer.capacity())?;
        let buffer = self.spent.remove(found)?;
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    /// Keeps one, in the place of the oldest if need be.
    fn give(&mut self, buffer: Vec<u8>) {
        if !(LONG_LEAST..=LONG_KEEP).contains(&buffer.capacity()) {
            return;
        }
        self.bytes += buffer.capacity();
        self.spent.push_back(buffer);
        while self.bytes > LONG_KEEP || self.spent.len() > LONG_COUNT {
            self.bytes -= self.spent.pop_front().map_or(0, |oldest| oldest.capacity());
        }
    }
}

/// Takes a buffer for a long message; an empty one without room, if none is kept.
fn take_large(room: usize) -> Vec<u8> {
    LONG.with_borrow_mut(|long| long.take(room)).unwrap_or_default()
}

/// Takes back what a long message was sent from. If somebody else refers to it, or it has an owner
/// of the application's, it is returned, to be dropped where that may run foreign code.
pub(crate) fn give_long(spent: Bytes) -> Option<Bytes> {
    match spent.try_into_mut() {
        Ok(mut spent) => {
            spent.clear();
            LONG.with_borrow_mut(|long| long.give(spent.into()));
            None
        }
        Err(spent) => Some(spent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it has memory of its own, and no more of it than it needs.
    fn is_alone(message: Bytes) -> bool {
        message.try_into_mut().is_ok_and(|message| message.capacity() == message.len())
    }

    fn copy(blocks: &mut BlockArena, payload: &[u8]) -> Bytes {
        blocks.place(payload).map_or_else(|| Bytes::copy_from_slice(payload), BytesMut::freeze)
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
        // One block's at a time, between 64, 128, … 4096 with memory of their own.
        let in_a_block = BLOCK / 8;
        assert!((in_a_block..8 * in_a_block).contains(&shared), "{shared} are in blocks");
    }

    #[test]
    fn message_memory_is_shared_again_after_one_kept_message() {
        let mut blocks = BlockArena::default();
        let kept = copy(&mut blocks, &[1; BLOCK]);
        for _ in 0..ALONE {
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
        assert!(place(&[1; BLOCK + 1]).is_none());
        assert!(is_alone(crate::base::message_memory::copy(&[1; BLOCK + 1])));
    }

    #[test]
    fn message_memory_of_long_buffers_is_chosen_by_size_and_bounded() {
        let mut long = LargeBuffers { spent: VecDeque::new(), bytes: 0 };
        long.give(Vec::with_capacity(LONG_LEAST - 1));
        long.give(Vec::with_capacity(LONG_KEEP + 1));
        assert!(long.take(0).is_none(), "too little to keep, and too much");
        long.give(Vec::with_capacity(64 << 10));
        long.give(Vec::with_capacity(16 << 10));
        long.give(Vec::with_capacity(1 << 20));
        assert_eq!(long.take(20_000).map(|b| b.capacity()), Some(64 << 10), "not the longest");
        assert_eq!(long.take(20_000).map(|b| b.capacity()), Some(1 << 20));
        assert!(long.take(20_000).is_none());
        for _ in 0..2 * LONG_COUNT {
            long.give(Vec::with_capacity(LONG_LEAST));
        }
        assert_eq!(long.spent.len(), LONG_COUNT);
        long.give(Vec::with_capacity(LONG_KEEP));
        assert_eq!((long.spent.len(), long.bytes), (1, LONG_KEEP), "the oldest made room");
        long.take(1);
        assert_eq!(long.bytes, 0);
    }
}
