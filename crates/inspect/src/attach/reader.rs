//! A reader of what a tap sees: the lines that wait for it, bounded.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fullduplex_proto::Role;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use crate::recording::{Record, RecordKind};

/// The most bytes of a connection in a line.
const MAX_PIECE: usize = 32 << 10;

/// The bytes that are written at a time, roughly.
const BATCH: usize = 64 << 10;

/// A line of a recording, which readers share. It has no newline.
pub(super) type Line = Arc<str>;

/// What a connection has to tell a reader: some of its bytes.
pub(super) struct Piece<'a> {
    pub(super) connection: u64,
    pub(super) at: Duration,
    pub(super) sender: Role,
    pub(super) bytes: &'a [u8],
    /// Where among the bytes the first frame begins that is not within a message.
    pub(super) start: Option<usize>,
    /// The bytes of this direction before these.
    pub(super) before: u64,
}

/// What a reader is to receive of bytes.
struct Told {
    /// The bytes that it does not have before them.
    lost: u64,
    /// Where among the bytes it begins.
    start: usize,
}

impl Piece<'_> {
    fn line(&self, kind: RecordKind) -> Line {
        Record { connection: self.connection, at: self.at, kind }.to_line().into()
    }

    fn lost_line(&self, bytes: u64) -> Line {
        self.line(RecordKind::Lost { sender: self.sender, bytes })
    }

    /// Returns the lines of its bytes from `start` on.
    pub(super) fn lines(&self, start: usize) -> Vec<Line> {
        let pieces = self.bytes[start..].chunks(MAX_PIECE);
        let kind = |bytes: &[u8]| RecordKind::Bytes { sender: self.sender, bytes: bytes.to_vec() };
        pieces.map(|bytes| self.line(kind(bytes))).collect()
    }
}

/// A program that is attached.
#[derive(Debug)]
pub(super) struct Reader {
    max_waiting: usize,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Line>,
    /// The bytes of the lines, and of those that are being written.
    waiting: usize,
    /// What the reader knows of each connection that it was told of: the client's direction and
    /// the server's.
    connections: HashMap<u64, [Knowledge; 2]>,
    /// The connections that have ended before there was room to tell of them.
    missed: u64,
    /// Whether nothing follows.
    is_finished: bool,
}

/// What a reader knows of a direction.
#[derive(Clone, Copy, Debug, Default)]
enum Knowledge {
    /// Nothing yet.
    #[default]
    Nothing,
    /// All up to now.
    All,
    /// Not the last bytes: this many are missing.
    Lost(u64),
}

impl Reader {
    pub(super) fn new(max_waiting: usize) -> Self {
        Self { max_waiting, queue: Mutex::default(), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the first line.
    pub(super) fn greet(&self, line: Line) {
        self.lock().push(line);
    }

    /// Tells of a connection, if it was not told of it.
    pub(super) fn open(&self, connection: u64, line: &Line) {
        let is_told = self.lock().open(connection, line, self.max_waiting);
        if is_told {
            self.changed.notify_one();
        }
    }

    /// Tells of bytes of a connection, whose first line is `opening`. `all` are the lines of all
    /// the bytes, which are made when a reader first needs them.
    pub(super) fn bytes(&self, opening: &Line, piece: &Piece<'_>, all: &mut Option<Vec<Line>>) {
        let told = {
            let mut queue = self.lock();
            if !queue.open(piece.connection, opening, self.max_waiting) {
                return;
            }
            queue.next(piece, self.max_waiting)
        };
        let Some(Told { lost, start }) = told else { return };
        // Lines are made without the lock, so that no other connection waits for that.
        let lost = (lost > 0).then(|| piece.lost_line(lost));
        let own = (start > 0).then(|| piece.lines(start));
        let lines = match &own {
            Some(lines) => lines,
            None => all.get_or_insert_with(|| piece.lines(0)),
        };
        let mut queue = self.lock();
        for line in lost.iter().chain(lines) {
            queue.push(line.clone());
        }
        drop(queue);
        self.changed.notify_one();
    }

    /// Tells of the end of a direction, after which no bytes come. There is more room for that, as
    /// for what opens a connection.
    pub(super) fn end(&self, piece: &Piece<'_>, end: &Line) {
        let mut queue = self.lock();
        let lost = match queue.known(piece).map(|known| *known) {
            None => return,
            Some(Knowledge::Lost(lost)) => lost,
            Some(Knowledge::Nothing) => piece.before,
            Some(Knowledge::All) => 0,
        };
        if queue.has_room(2 * self.max_waiting) {
            if lost > 0 {
                queue.push(piece.lost_line(lost));
            }
            queue.push(end.clone());
            drop(queue);
            self.changed.notify_one();
        }
    }

    /// Forgets a connection, of which nothing follows.
    pub(super) fn forget(&self, connection: u64) {
        let mut queue = self.lock();
        if queue.connections.remove(&connection).is_none() {
            queue.missed += 1;
        }
    }

    /// Ends it when it has what waits.
    pub(super) fn finish(&self) {
        self.lock().is_finished = true;
        self.changed.notify_one();
    }

    /// Writes what there is until the reader goes away, or nothing follows.
    pub(super) async fn serve(&self, stream: UnixStream) {
        let (read, write) = stream.into_split();
        tokio::select! {
            () = until_end(read) => {}
            // A failure says that it has gone.
            _ = self.write(write) => {}
        }
    }

    async fn write(&self, mut stream: OwnedWriteHalf) -> io::Result<()> {
        let mut batch = String::new();
        loop {
            let changed = self.changed.notified();
            let is_finished = self.lock().take(&mut batch);
            if batch.is_empty() {
                if is_finished {
                    return stream.shutdown().await;
                }
                changed.await;
                continue;
            }
            stream.write_all(batch.as_bytes()).await?;
            let mut queue = self.lock();
            queue.waiting = queue.waiting.saturating_sub(batch.len());
            drop(queue);
            batch.clear();
        }
    }
}

impl Queue {
    fn has_room(&self, max: usize) -> bool {
        self.waiting < max
    }

    fn push(&mut self, line: Line) {
        self.waiting += line.len() + 1;
        self.lines.push_back(line);
    }

    /// Tells of a connection, if it was not told of it. Returns whether it is known now.
    fn open(&mut self, connection: u64, line: &Line, max_waiting: usize) -> bool {
        if self.connections.contains_key(&connection) {
            return true;
        }
        // There is more room for what says what the rest is of.
        if !self.has_room(2 * max_waiting) {
            return false;
        }
        self.push(line.clone());
        self.connections.insert(connection, <[Knowledge; 2]>::default());
        true
    }

    fn known(&mut self, piece: &Piece<'_>) -> Option<&mut Knowledge> {
        let sides = self.connections.get_mut(&piece.connection)?;
        Some(&mut sides[usize::from(piece.sender == Role::Server)])
    }

    /// Returns what is to be told of bytes; `None` if there is no room, or if they are within a
    /// message whose beginning the reader does not have.
    fn next(&mut self, piece: &Piece<'_>, max_waiting: usize) -> Option<Told> {
        let has_room = self.has_room(max_waiting);
        let known = self.known(piece)?;
        let lost = match *known {
            Knowledge::Nothing => piece.before,
            Knowledge::All => 0,
            Knowledge::Lost(lost) => lost,
        };
        let start = if lost > 0 { piece.start } else { Some(0) };
        if let Some(start) = start.filter(|_| has_room) {
            *known = Knowledge::All;
            let lost = if lost > 0 { lost + start as u64 } else { 0 };
            Some(Told { lost, start })
        } else {
            *known = Knowledge::Lost(lost + piece.bytes.len() as u64);
            None
        }
    }

    /// Takes some lines. Returns whether nothing follows them.
    fn take(&mut self, batch: &mut String) -> bool {
        if self.missed > 0 {
            let missed = json!({"missed": {"connections": mem::take(&mut self.missed)}});
            self.push(missed.to_string().into());
        }
        while batch.len() < BATCH
            && let Some(line) = self.lines.pop_front()
        {
            batch.push_str(&line);
            batch.push('\n');
        }
        self.is_finished
    }
}

/// Waits until the reader ends the connection. What it sends is ignored.
async fn until_end(mut stream: OwnedReadHalf) {
    let mut ignored = [0; 256];
    while stream.read(&mut ignored).await.is_ok_and(|len| len > 0) {}
}
