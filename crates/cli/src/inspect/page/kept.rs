//! What was seen, as the page shows it: a bounded store, and how many changes there were.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fullduplex_inspect::redaction::Redaction;
use fullduplex_inspect::store::{Handling, Row, Store, StoreConfig};
use tokio::sync::watch;

use crate::frames;
use crate::inspect::event::{Event, Sink, name};

/// The store of the page.
pub(crate) struct Kept {
    store: Mutex<Store>,
    /// The WebSockets of the connections, by their numbers.
    sockets: Mutex<HashMap<u64, u64>>,
    revision: watch::Sender<u64>,
}

impl Kept {
    pub(crate) fn new(max_memory: usize, redaction: Option<Redaction>) -> Self {
        let config = StoreConfig::default().max_memory(max_memory).redaction(redaction);
        let (store, sockets) = (Mutex::new(Store::new(config)), Mutex::default());
        Self { store, sockets, revision: watch::Sender::new(0) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what changes with the store.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    fn sockets(&self) -> MutexGuard<'_, HashMap<u64, u64>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of the WebSocket of a connection.
    fn socket(&self, connection: u64) -> Option<u64> {
        self.sockets().get(&connection).copied()
    }

    fn change(&self, change: impl FnOnce(&mut Store)) {
        let mut store = self.lock();
        change(&mut store);
        let revision = store.revision();
        drop(store);
        self.revision.send_replace(revision);
    }

    /// Adds a row of a connection. What is of none that has a WebSocket is of number 0.
    fn push(&self, connection: u64, row: impl FnOnce(u64) -> Row) {
        let socket = self.socket(connection).unwrap_or_default();
        self.change(|store| {
            store.push(row(socket));
        });
    }
}

impl Sink for Kept {
    fn take(&self, number: u64, at: Duration, event: &Event<'_>) {
        match event {
            Event::Opened(opening) | Event::Refused(opening) => {
                let mut socket = 0;
                self.change(|store| socket = store.open((*opening).clone()));
                self.sockets().insert(number, socket);
            }
            Event::Frame { shown, .. } => {
                self.push(number, |socket| Row::frame(socket, (*shown).clone(), Handling::Passed));
            }
            Event::Cut { sender, cut } => {
                let text = format!("{}: {}", name(*sender), frames::of_cut(cut));
                self.push(number, |socket| Row::note(socket, at, text));
            }
            Event::End { sender, how } if self.socket(number).is_some() => {
                self.push(number, |socket| Row::end(socket, at, *sender, *how));
            }
            Event::Note(text) => self.push(number, |socket| Row::note(socket, at, *text)),
            Event::Closed(_) => {
                self.sockets().remove(&number);
            }
            _ => {}
        }
    }
}
