//! What was seen, as the page shows it: a bounded store, and how many changes there were.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fullduplex_inspect::store::StoreConfig;
use tokio::sync::watch;

use crate::inspect::event::{Event, Sink};
use crate::inspect::rows::SocketRows;

/// The store of the page.
pub(crate) struct Kept {
    rows: Mutex<SocketRows>,
    revision: watch::Sender<u64>,
}

impl Kept {
    pub(crate) fn new(max_memory: usize) -> Self {
        let config = StoreConfig::default().max_memory(max_memory);
        Self { rows: Mutex::new(SocketRows::new(config)), revision: watch::Sender::new(0) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, SocketRows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what changes with the store.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }
}

impl Sink for Kept {
    fn take(&self, number: u64, at: Duration, event: &Event<'_>) {
        let mut rows = self.lock();
        let before = rows.store.revision();
        if let Some(row) = rows.take(number, at, event) {
            rows.store.push(row);
        }
        let revision = rows.store.revision();
        drop(rows);
        if revision != before {
            self.revision.send_replace(revision);
        }
    }
}
