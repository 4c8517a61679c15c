//! The filter of the lines: `--filter`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fullduplex_inspect::filter::Filter;
use fullduplex_inspect::store::StoreConfig;

use super::event::{Event, Sink};
use super::rows::SocketRows;

/// The memory for the handshakes of WebSockets, to which a filter may refer.
const MAX_MEMORY: usize = 16 << 20;

/// Passes on to another sink only what a filter matches.
pub(super) struct Filtered<S> {
    filter: Filter,
    rows: Mutex<SocketRows>,
    sink: S,
}

impl<S: Sink> Filtered<S> {
    pub(super) fn new(filter: Filter, sink: S) -> Self {
        let config = StoreConfig::default().max_memory(MAX_MEMORY);
        Self { filter, rows: Mutex::new(SocketRows::new(config)), sink }
    }

    fn matches(&self, number: u64, at: Duration, event: &Event<'_>) -> bool {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let row = rows.take(number, at, event);
        row.is_some_and(|row| self.filter.matches(&row, rows.store.socket(row.socket)))
    }
}

impl<S: Sink> Sink for Filtered<S> {
    fn take(&self, number: u64, at: Duration, event: &Event<'_>) {
        if self.matches(number, at, event) {
            self.sink.take(number, at, event);
        }
    }

    fn max_payload(&self) -> usize {
        self.sink.max_payload()
    }

    fn flush(&self) {
        self.sink.flush();
    }

    fn finish(&self) {
        self.sink.finish();
    }
}
