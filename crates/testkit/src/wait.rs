//! Waits that fail instead of hanging.

use std::thread;
use std::time::{Duration, Instant};

/// The time after which [`eventually`] and [`wait_until`] fail: longer than anything takes on a
/// busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The number of times that other tasks run between two pauses of the thread.
const TURNS: u32 = 64;
/// A pause of the thread, so that a long wait leaves the processor to others.
const PAUSE: Duration = Duration::from_micros(200);

/// Waits until `condition` holds, while other tasks run. Moves no virtual time.
///
/// # Panics
///
/// Panics with `what` when [`PATIENCE`] is over.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let deadline = Instant::now() + PATIENCE;
    let caller = std::panic::Location::caller();
    async move {
        while !condition() {
            assert!(Instant::now() < deadline, "{caller}: not in {PATIENCE:?}: {what}");
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            thread::sleep(PAUSE);
        }
    }
}

/// Waits until `condition` holds, on a thread that runs no tasks.
///
/// # Panics
///
/// Panics with `what` when [`PATIENCE`] is over.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in {PATIENCE:?}: {what}");
        thread::sleep(PAUSE);
    }
}
