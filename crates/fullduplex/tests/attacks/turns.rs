//! How much the server does for attackers between two turns of a task beside theirs.
//!
//! Counted in what attackers write, which is what the server reads as soon as the sockets'
//! buffers are full; not in time, which depends on what else the machine does.

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::sockets::FLOODED;

/// What attackers wrote between two turns, for each pair of turns between which they did.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<Vec<u64>>>);

impl Turns {
    /// Begins to count on this thread of the server, unless it does so already. The task ends
    /// with the runtime.
    pub(crate) fn watch(&self) {
        thread_local!(static IS_WATCHED: Cell<bool> = const { Cell::new(false) });
        if IS_WATCHED.replace(true) {
            return;
        }
        let turns = self.clone();
        tokio::spawn(async move {
            let mut before = FLOODED.load(Relaxed);
            loop {
                // As for a sibling's bytes, the runtime has to look what has come.
                tokio::time::sleep(Duration::from_millis(1)).await;
                let now = FLOODED.load(Relaxed);
                if now > before {
                    turns.0.lock().unwrap().push(now - before);
                }
                before = now;
            }
        });
    }

    /// The counts so far, sorted.
    pub(crate) fn sorted(&self) -> Vec<u64> {
        let mut counts = self.0.lock().unwrap().clone();
        counts.sort_unstable();
        counts
    }
}
