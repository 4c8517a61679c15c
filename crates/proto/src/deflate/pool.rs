//! The workspaces of a thread, lent to its connections for a message.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;
use std::sync::{Mutex, PoisonError};
use std::thread_local;

use zlib_rs::DeflateConfig as ZlibConfig;

/// How many workspaces of a kind a thread keeps. More are made when more messages are
/// under way at a time, and dropped after them.
const KEPT: usize = 4;
/// How much one call may bring out.
pub(super) const CHUNK: usize = 16 << 10;
/// Pieces up to this size are put before what ends a message, for one call in all.
pub(super) const JOIN: usize = 4 << 10;

thread_local! {
    static DEFLATING: RefCell<Vec<PooledWorkspace<DeflateWorkspace>>> = const { RefCell::new(Vec::new()) };
    static INFLATING: RefCell<Vec<PooledWorkspace<InflateWorkspace>>> = const { RefCell::new(Vec::new()) };
}

/// A workspace in somebody's hands.
///
/// zlib's state may go to another thread, but may not be looked at by two; in a mutex that
/// is never locked it does not forbid that to the connection around it.
pub(super) struct PooledWorkspace<T>(Mutex<Box<T>>);

impl<T> PooledWorkspace<T> {
    fn new(workspace: T) -> Self {
        Self(Mutex::new(Box::new(workspace)))
    }

    #[inline]
    pub(super) fn get(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> core::fmt::Debug for PooledWorkspace<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Lent")
    }
}

/// What a compressor can't change later.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct FixedParams {
    pub(super) level: u8,
    pub(super) memory_level: u8,
    pub(super) window_bits: u8,
}

/// Room to compress in.
pub(super) struct DeflateWorkspace {
    pub(super) zlib: zlib_rs::Deflate,
    pub(super) shape: FixedParams,
    pub(super) chunk: [u8; CHUNK],
}

/// Room to decompress in.
pub(super) struct InflateWorkspace {
    pub(super) zlib: zlib_rs::Inflate,
    pub(super) chunk: [u8; CHUNK],
    pub(super) joined: [u8; JOIN + super::TAIL.len()],
}

/// A compressor that has forgotten everything.
pub(super) fn take_deflating(shape: FixedParams) -> PooledWorkspace<DeflateWorkspace> {
    let kept = DEFLATING.with_borrow_mut(|pool| {
        let found = pool.iter_mut().position(|lent| lent.get().shape == shape)?;
        Some(pool.swap_remove(found))
    });
    match kept {
        Some(mut kept) => {
            kept.get().zlib.reset();
            kept
        }
        None => PooledWorkspace::new(DeflateWorkspace {
            zlib: zlib_rs::Deflate::new_with_config(ZlibConfig {
                level: i32::from(shape.level),
                // Negative for DEFLATE without a header.
                window_bits: -i32::from(shape.window_bits),
                mem_level: i32::from(shape.memory_level),
                ..ZlibConfig::default()
            }),
            shape,
            chunk: [0; CHUNK],
        }),
    }
}

pub(super) fn give_deflating(lent: PooledWorkspace<DeflateWorkspace>) {
    DEFLATING.with_borrow_mut(|pool| {
        if pool.len() >= KEPT {
            // The one that was not asked for longest goes.
            pool.remove(0);
        }
        pool.push(lent);
    });
}

/// A decompressor that has forgotten everything.
pub(super) fn take_inflating() -> PooledWorkspace<InflateWorkspace> {
    match INFLATING.with_borrow_mut(Vec::pop) {
        Some(mut kept) => {
            kept.get().zlib.reset(false);
            kept
        }
        None => PooledWorkspace::new(InflateWorkspace {
            zlib: zlib_rs::Inflate::new(false, super::MAX_WINDOW_BITS),
            chunk: [0; CHUNK],
            joined: [0; JOIN + super::TAIL.len()],
        }),
    }
}

pub(super) fn give_inflating(lent: PooledWorkspace<InflateWorkspace>) {
    INFLATING.with_borrow_mut(|pool| {
        if pool.len() < KEPT {
            pool.push(lent);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However many messages a thread had under way at a time, it keeps a few workspaces.
    #[test]
    fn deflate_workspaces_of_a_thread_are_few() {
        let shape = |level| FixedParams { level, memory_level: 1, window_bits: 9 };
        for _ in 0..2 {
            let deflating: Vec<_> = (1..=9).map(|level| take_deflating(shape(level))).collect();
            deflating.into_iter().for_each(give_deflating);
            assert_eq!(DEFLATING.with_borrow(Vec::len), KEPT);
            let inflating: Vec<_> = (1..=9).map(|_| take_inflating()).collect();
            inflating.into_iter().for_each(give_inflating);
            assert_eq!(INFLATING.with_borrow(Vec::len), KEPT);
        }
        // Those asked for last are kept, and one that fits is used again.
        drop(take_deflating(shape(9)));
        assert_eq!(DEFLATING.with_borrow(Vec::len), KEPT - 1);
        drop(take_deflating(shape(1)));
        assert_eq!(DEFLATING.with_borrow(Vec::len), KEPT - 1);
        drop(take_inflating());
        assert_eq!(INFLATING.with_borrow(Vec::len), KEPT - 1);
    }
}
