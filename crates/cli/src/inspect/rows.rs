//! What is seen as rows of a store, which a filter can match.

use std::collections::HashMap;
use std::time::Duration;

use fullduplex_inspect::store::{Row, RowKind, Store, StoreConfig};

use super::event::{Event, name};
use super::output::lost;
use crate::frames;

/// The WebSockets of connections, and the store that has them.
pub(super) struct SocketRows {
    pub(super) store: Store,
    /// The numbers in the store, by those of the connections.
    sockets: HashMap<u64, u64>,
}

impl SocketRows {
    pub(super) fn new(config: StoreConfig) -> Self {
        Self { store: Store::new(config), sockets: HashMap::new() }
    }

    /// Adds a WebSocket to the store, if the event is its opening. Returns the row of any other
    /// event that has one, which is not stored; its WebSocket is 0 if its connection has none.
    pub(super) fn take(&mut self, number: u64, at: Duration, event: &Event<'_>) -> Option<Row> {
        let socket = self.sockets.get(&number).copied();
        let id = socket.unwrap_or_default();
        match event {
            Event::Opened(opening) | Event::Refused(opening) => {
                self.sockets.insert(number, self.store.open((*opening).clone()));
                None
            }
            Event::Frame { shown, handling, retention: kept, .. } => {
                let mut row = Row::frame(id, (*shown).clone(), *handling);
                if let RowKind::Frame { retention, .. } = &mut row.kind {
                    *retention = *kept;
                }
                Some(row)
            }
            Event::Lost { sender, bytes } => {
                Some(Row::note(id, at, format!("{}: {}", name(*sender), lost(*bytes))))
            }
            Event::Cut { sender, cut } => {
                let text = format!("{}: {}", name(*sender), frames::of_cut(cut));
                Some(Row::note(id, at, text))
            }
            Event::End { sender, how } => socket.map(|socket| Row::end(socket, at, *sender, *how)),
            Event::Note(text) => Some(Row::note(id, at, *text)),
            Event::Closed(_) => {
                self.forget(number);
                None
            }
            _ => None,
        }
    }

    /// Ends what was opened on a connection.
    pub(super) fn forget(&mut self, number: u64) {
        self.sockets.remove(&number);
    }

    /// Returns the number of a connection's WebSocket in the store.
    pub(super) fn socket_of(&self, number: u64) -> Option<u64> {
        self.sockets.get(&number).copied()
    }

    /// Returns the connection of a WebSocket that has not ended.
    pub(super) fn connection_of(&self, socket: u64) -> Option<u64> {
        self.sockets.iter().find(|(_, id)| **id == socket).map(|(number, _)| *number)
    }
}
