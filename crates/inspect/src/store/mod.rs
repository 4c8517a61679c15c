//! A store of what was seen, in bounded memory.

mod decode;
mod recording;
mod redact;
mod row;
mod rows;
mod socket;

use std::collections::BTreeMap;
use std::ops::RangeBounds;

use crate::har::{HarMessage, HarSocket};
use crate::recording::RecordedOpening;
use crate::redaction::Redaction;

pub use self::row::{Handling, Retention, Row, RowKind};
use self::rows::Rows;
pub use self::socket::{Socket, SocketSide};

/// Settings of a [`Store`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreConfig {
    /// The most bytes that the store takes, of which rows have at most half and WebSockets with
    /// their header fields a quarter. Default: 256 MiB. Less than 1 MiB counts as that.
    pub max_memory: usize,
    /// What is hidden of what is stored; `None` for nothing. Default: `None`.
    pub redaction: Option<Redaction>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { max_memory: 256 << 20, redaction: None }
    }
}

impl StoreConfig {
    /// Sets [`max_memory`](Self::max_memory), in bytes.
    #[must_use]
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.max_memory = bytes;
        self
    }

    /// Sets the [`redaction`](Self::redaction).
    #[must_use]
    pub fn redaction(mut self, redaction: impl Into<Option<Redaction>>) -> Self {
        self.redaction = redaction.into();
        self
    }
}

/// What a [`Store`] has, and what it dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStats {
    /// The bytes that it takes.
    pub memory: usize,
    /// The rows that it has.
    pub rows: u64,
    /// The WebSockets that it has.
    pub sockets: usize,
    /// The rows whose payload was dropped, while they are kept or were.
    pub dropped_payloads: u64,
    /// The rows that were dropped.
    pub dropped_rows: u64,
    /// The WebSockets that were dropped. Their rows may still be there.
    pub dropped_sockets: u64,
}

/// A store of WebSockets and what was seen on them, in the order in which it came, in bounded
/// memory.
///
/// When the memory is used up, the oldest payloads are dropped first; rows are dropped, the oldest
/// first, when they take half of it. What was dropped is counted. Numbers of rows and WebSockets
/// never change, so a reader that remembers the next number reads on from there.
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex_inspect::Conversation;
/// use fullduplex_inspect::proto::Role;
/// use fullduplex_inspect::recording::RecordedOpening;
/// use fullduplex_inspect::store::{Handling, Row, Store, StoreConfig};
///
/// let mut store = Store::new(StoreConfig::default().max_memory(16 << 20));
/// let socket = store.open(RecordedOpening { status: 101, ..RecordedOpening::default() });
/// let mut conversation = Conversation::new();
/// conversation.push(Role::Client, b"\x81\x82\0\0\0\0hi", Duration::ZERO, |frame| {
///     store.push(Row::frame(socket, frame, Handling::Passed));
/// });
/// let mut next = 0;
/// for row in store.rows(next..) {
///     assert_eq!(row.payload(), b"hi");
///     next = row.sequence + 1;
/// }
/// assert_eq!(store.socket(socket).map(|socket| socket.client.messages), Some(1));
/// ```
#[derive(Debug)]
pub struct Store {
    max_memory: usize,
    redaction: Option<Redaction>,
    rows: Rows,
    /// The memory of what rows own.
    payload_memory: usize,
    /// The oldest row that may have a payload.
    next_payload: u64,
    sockets: BTreeMap<u64, Box<Socket>>,
    socket_memory: usize,
    last_socket: u64,
    revision: u64,
    stats: StoreStats,
}

impl Store {
    /// Creates an empty store.
    pub fn new(config: StoreConfig) -> Self {
        Self {
            max_memory: config.max_memory.max(1 << 20),
            redaction: config.redaction,
            rows: Rows::default(),
            payload_memory: 0,
            next_payload: 0,
            sockets: BTreeMap::new(),
            socket_memory: 0,
            last_socket: 0,
            revision: 0,
            stats: StoreStats::default(),
        }
    }

    /// Adds a WebSocket, and returns its number. The status of the opening is 0 if there is no
    /// response yet.
    pub fn open(&mut self, opening: RecordedOpening) -> u64 {
        self.last_socket += 1;
        let id = self.last_socket;
        let mut socket = Box::new(Socket::new(id, RecordedOpening::default()));
        socket.opening = self.redacted(opening);
        self.revision += 1;
        socket.revision = self.revision;
        self.socket_memory += socket.memory();
        self.sockets.insert(id, socket);
        self.fit();
        id
    }

    /// Sets the opening of a WebSocket, such as when the response has come. Nothing happens if it
    /// was dropped.
    pub fn set_opening(&mut self, socket: u64, opening: RecordedOpening) {
        let opening = self.redacted(opening);
        self.change(socket, |socket| {
            socket.opening = opening;
            socket.is_opening_dropped = false;
        });
        self.fit();
    }

    /// Adds a row, and returns its number. That it has a WebSocket is not required.
    pub fn push(&mut self, mut row: Row) -> u64 {
        if let Some(redaction) = &self.redaction {
            row.redact(redaction);
        }
        self.change(row.socket, |socket| socket.add(&row));
        self.payload_memory += row.allocated();
        let sequence = self.rows.push(row);
        self.fit();
        sequence
    }

    fn redacted(&self, mut opening: RecordedOpening) -> RecordedOpening {
        if let Some(redaction) = &self.redaction {
            redaction.apply_to_opening(&mut opening);
        }
        opening
    }

    fn change(&mut self, socket: u64, change: impl FnOnce(&mut Socket)) {
        self.revision += 1;
        let Some(socket) = self.sockets.get_mut(&socket) else { return };
        let before = socket.memory();
        change(socket);
        socket.revision = self.revision;
        self.socket_memory = self.socket_memory + socket.memory() - before;
    }

    /// Returns the rows with these numbers that there are, in their order. A row is found by its
    /// number, so the beginning costs nothing.
    pub fn rows(&self, sequences: impl RangeBounds<u64>) -> impl DoubleEndedIterator<Item = &Row> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let begin = match sequences.start_bound() {
            Included(&begin) => begin,
            Excluded(&begin) => begin.saturating_add(1),
            Unbounded => 0,
        };
        let end = match sequences.end_bound() {
            Included(&end) => end.saturating_add(1),
            Excluded(&end) => end,
            Unbounded => u64::MAX,
        };
        let (begin, end) = (begin.max(self.rows.first()), end.min(self.rows.next()));
        (begin..end).filter_map(|sequence| self.rows.get(sequence))
    }

    /// Returns the row of this number; `None` if it was dropped, or is yet to come.
    pub fn row(&self, sequence: u64) -> Option<&Row> {
        self.rows.get(sequence)
    }

    /// Returns the number of the oldest row that is kept. A reader that is to go on at a lower one
    /// has missed some.
    pub fn first_sequence(&self) -> u64 {
        self.rows.first()
    }

    /// Returns the number of the next row to come.
    pub fn next_sequence(&self) -> u64 {
        self.rows.next()
    }

    /// Returns the WebSockets, in the order in which they were opened.
    pub fn sockets(&self) -> impl DoubleEndedIterator<Item = &Socket> {
        self.sockets.values().map(|socket| &**socket)
    }

    /// Returns the WebSocket of this number; `None` if it was dropped, or is yet to come.
    pub fn socket(&self, id: u64) -> Option<&Socket> {
        self.sockets.get(&id).map(|socket| &**socket)
    }

    /// Returns the number of changes. A WebSocket whose [`revision`](Socket::revision) is higher
    /// than an earlier return value has changed since then.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns what the store has, and what it dropped.
    pub fn stats(&self) -> StoreStats {
        StoreStats {
            memory: self.memory(),
            rows: self.rows.next() - self.rows.first(),
            sockets: self.sockets.len(),
            ..self.stats
        }
    }

    /// Removes all rows, and the WebSockets that have ended. They do not count as dropped.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.payload_memory = 0;
        self.next_payload = self.rows.next();
        self.sockets.retain(|_, socket| !socket.is_ended());
        self.socket_memory = self.sockets.values().map(|socket| socket.memory()).sum();
        self.revision += 1;
    }

    /// Returns the WebSockets with the messages whose payload is kept, for a HAR file. What was
    /// injected is left out.
    pub fn to_har(&self) -> Vec<HarSocket> {
        let new =
            |socket: &Socket| HarSocket { opening: socket.opening.clone(), messages: Vec::new() };
        let mut sockets: BTreeMap<u64, HarSocket> =
            self.sockets().map(|socket| (socket.id, new(socket))).collect();
        for row in self.rows(..) {
            let RowKind::Frame { shown, handling, retention } = &row.kind else { continue };
            let is_kept = matches!(retention, Retention::Kept | Retention::Redacted)
                && *handling != Handling::Injected;
            if let Some(message) = shown.frame.message.as_ref().filter(|_| is_kept)
                && let Some(socket) = sockets.get_mut(&row.socket)
            {
                socket.messages.push(HarMessage {
                    sender: shown.sender,
                    time: socket.opening.time.saturating_add(row.at),
                    kind: message.kind,
                    data: message.payload.to_vec(),
                });
            }
        }
        sockets.into_values().collect()
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.rows.memory() + self.payload_memory + self.socket_memory
    }

    /// Drops what is too much.
    fn fit(&mut self) {
        if self.socket_memory > self.max_memory / 4 {
            self.drop_sockets();
        }
        while self.rows.memory() > self.max_memory / 2 && self.drop_rows() {}
        while self.memory() > self.max_memory && (self.drop_payload() || self.drop_rows()) {}
    }

    /// Drops the oldest rows. Returns whether there were any.
    fn drop_rows(&mut self) -> bool {
        let Some(rows) = self.rows.drop_oldest() else { return false };
        self.stats.dropped_rows += rows.len() as u64;
        self.payload_memory -= rows.iter().map(Row::allocated).sum::<usize>();
        self.next_payload = self.next_payload.max(self.rows.first());
        true
    }

    /// Drops the oldest payload. Returns whether there was one.
    fn drop_payload(&mut self) -> bool {
        while let Some(row) = self.rows.get_mut(self.next_payload) {
            self.next_payload += 1;
            let freed = row.drop_payload();
            if freed > 0 {
                self.payload_memory -= freed;
                self.stats.dropped_payloads += 1;
                return true;
            }
        }
        false
    }

    /// Drops WebSockets that have ended, the oldest first. If that is not enough, it drops header
    /// fields, and at last the oldest WebSockets. It frees an eighth more than it must, as it looks
    /// at all of them.
    fn drop_sockets(&mut self) {
        let most = self.max_memory / 32 * 7;
        let ended = self.sockets.values().filter(|socket| socket.is_ended());
        let ended: Vec<u64> = ended.map(|socket| socket.id).collect();
        self.drop_while_over(most, ended);
        let open: Vec<u64> = self.sockets.keys().copied().collect();
        for id in &open {
            if self.socket_memory <= most {
                return;
            }
            self.change(*id, |socket| {
                socket.opening.request = Vec::new();
                socket.opening.response = Vec::new();
                socket.is_opening_dropped = true;
            });
        }
        self.drop_while_over(most, open);
    }

    fn drop_while_over(&mut self, most: usize, ids: Vec<u64>) {
        for id in ids {
            if self.socket_memory <= most {
                return;
            }
            if let Some(socket) = self.sockets.remove(&id) {
                self.socket_memory -= socket.memory();
                self.stats.dropped_sockets += 1;
            }
        }
    }
}
