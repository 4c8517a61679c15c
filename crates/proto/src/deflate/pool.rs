//! The pools of workspaces of each thread, from which its connections borrow for a message.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;
use std::sync::{Mutex, PoisonError};
use std::thread_local;

use zlib_rs::DeflateConfig as ZlibConfig;

/// The maximum number of unused workspaces of a kind in a thread's pool. If more messages are in
/// progress at a time, further workspaces are created, and dropped afterwards.
const MAX_POOLED: usize = 4;
/// The maximum output of one call of zlib, in bytes.
pub(super) const CHUNK: usize = 16 << 10;
/// The maximum length of a message's last piece that is joined with the tail, so that one call of
/// zlib takes both.
pub(super) const MAX_JOINED: usize = 4 << 10;

thread_local! {
    static COMPRESSORS: RefCell<Vec<PooledWorkspace<DeflateWorkspace>>> =
        const { RefCell::new(Vec::new()) };
    static DECOMPRESSORS: RefCell<Vec<PooledWorkspace<InflateWorkspace>>> =
        const { RefCell::new(Vec::new()) };
}

/// A workspace that is in use by a connection.
///
/// zlib's state is `Send` but not `Sync`. In a mutex, which is never locked, it does not prevent
/// the connection that holds it from being `Sync`.
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
        f.write_str("PooledWorkspace")
    }
}

/// The parameters of a compressor that can't be changed later.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct FixedParams {
    pub(super) level: u8,
    pub(super) memory_level: u8,
    pub(super) window_bits: u8,
}

/// The state and output buffer of a compressor.
pub(super) struct DeflateWorkspace {
    pub(super) zlib: zlib_rs::Deflate,
    pub(super) params: FixedParams,
    pub(super) chunk: [u8; CHUNK],
}

/// The state and buffers of a decompressor.
pub(super) struct InflateWorkspace {
    pub(super) zlib: zlib_rs::Inflate,
    pub(super) chunk: [u8; CHUNK],
    /// The last piece of a message and the tail.
    pub(super) joined: [u8; MAX_JOINED + super::TAIL.len()],
}

/// Takes a compressor with these parameters from the pool, or creates one. Its history is empty.
pub(super) fn take_compressor(params: FixedParams) -> PooledWorkspace<DeflateWorkspace> {
    let pooled = COMPRESSORS.with_borrow_mut(|pool| {
        let index = pool.iter_mut().position(|workspace| workspace.get().params == params)?;
        Some(pool.swap_remove(index))
    });
    match pooled {
        Some(mut workspace) => {
            workspace.get().zlib.reset();
            workspace
        }
        None => PooledWorkspace::new(DeflateWorkspace {
            zlib: zlib_rs::Deflate::new_with_config(ZlibConfig {
                level: i32::from(params.level),
                // Negative for DEFLATE without a header.
                window_bits: -i32::from(params.window_bits),
                mem_level: i32::from(params.memory_level),
                ..ZlibConfig::default()
            }),
            params,
            chunk: [0; CHUNK],
        }),
    }
}

/// Returns a compressor to the pool.
pub(super) fn put_compressor(workspace: PooledWorkspace<DeflateWorkspace>) {
    COMPRESSORS.with_borrow_mut(|pool| {
        if pool.len() >= MAX_POOLED {
            // The first one is the least recently used. It may have parameters that no connection
            // of this thread uses any more, so it is dropped rather than the new one.
            pool.remove(0);
        }
        pool.push(workspace);
    });
}

/// Takes a decompressor from the pool, or creates one. Its history is empty.
pub(super) fn take_decompressor() -> PooledWorkspace<InflateWorkspace> {
    match DECOMPRESSORS.with_borrow_mut(Vec::pop) {
        Some(mut workspace) => {
            workspace.get().zlib.reset(false);
            workspace
        }
        None => PooledWorkspace::new(InflateWorkspace {
            zlib: zlib_rs::Inflate::new(false, super::MAX_WINDOW_BITS),
            chunk: [0; CHUNK],
            joined: [0; MAX_JOINED + super::TAIL.len()],
        }),
    }
}

/// Returns a decompressor to the pool, or drops it if the pool is full.
pub(super) fn put_decompressor(workspace: PooledWorkspace<InflateWorkspace>) {
    DECOMPRESSORS.with_borrow_mut(|pool| {
        if pool.len() < MAX_POOLED {
            pool.push(workspace);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread keeps a few workspaces, however many messages it had in progress at a time.
    #[test]
    fn deflate_workspaces_of_a_thread_are_few() {
        let params = |level| FixedParams { level, memory_level: 1, window_bits: 9 };
        for _ in 0..2 {
            let compressors: Vec<_> = (1..=9).map(|level| take_compressor(params(level))).collect();
            compressors.into_iter().for_each(put_compressor);
            assert_eq!(COMPRESSORS.with_borrow(Vec::len), MAX_POOLED);
            let decompressors: Vec<_> = (1..=9).map(|_| take_decompressor()).collect();
            decompressors.into_iter().for_each(put_decompressor);
            assert_eq!(DECOMPRESSORS.with_borrow(Vec::len), MAX_POOLED);
        }
        // The most recently used are kept, and one that fits is used again.
        drop(take_compressor(params(9)));
        assert_eq!(COMPRESSORS.with_borrow(Vec::len), MAX_POOLED - 1);
        drop(take_compressor(params(1)));
        assert_eq!(COMPRESSORS.with_borrow(Vec::len), MAX_POOLED - 1);
        drop(take_decompressor());
        assert_eq!(DECOMPRESSORS.with_borrow(Vec::len), MAX_POOLED - 1);
    }
}
