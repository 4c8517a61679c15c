//! The observer of one WebSocket, which tells the readers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fullduplex::tap::{ConnectionTap, Direction, Opening, TransportEnd};
use fullduplex_proto::Role;

use super::Shared;
use super::frames::FramePlace;
use super::reader::{Line, Piece};
use crate::recording::{Record, RecordKind};

/// The observer of a WebSocket.
pub(super) struct ObservedConnection {
    shared: Arc<Shared>,
    number: u64,
    /// The role of this side.
    role: Role,
    opened: Instant,
    opening: Line,
    /// What is received, and what is sent.
    sides: [Side; 2],
}

#[derive(Default)]
struct Side {
    place: FramePlace,
    /// The bytes up to now.
    len: u64,
}

impl ObservedConnection {
    /// Creates the observer of a WebSocket of this number, and tells the readers of it.
    pub(super) fn new(shared: Arc<Shared>, number: u64, opening: &Opening<'_>) -> Self {
        let kind = RecordKind::Open(Box::new(opening.into()));
        let line = Record { connection: number, at: Duration::ZERO, kind }.to_line();
        let (role, line) = (opening.role, Line::from(line));
        shared.open(number, &line);
        let (opened, sides) = (Instant::now(), Default::default());
        Self { shared, number, role, opened, opening: line, sides }
    }

    fn push(&mut self, direction: Direction, bytes: &[u8], at: Instant) {
        let sender = direction.sender(self.role);
        let side = &mut self.sides[direction as usize];
        let piece = Piece {
            connection: self.number,
            at: at.saturating_duration_since(self.opened),
            sender,
            bytes,
            start: side.place.push(bytes),
            before: side.len,
        };
        side.len += bytes.len() as u64;
        let mut all = None;
        self.shared.for_each_reader(|reader| reader.bytes(&self.opening, &piece, &mut all));
    }
}

impl ConnectionTap for ObservedConnection {
    fn received(&mut self, bytes: &[u8], at: Instant) {
        self.push(Direction::Received, bytes, at);
    }

    fn sent(&mut self, bytes: &[u8], at: Instant) {
        self.push(Direction::Sent, bytes, at);
    }

    fn ended(&mut self, direction: Direction, end: &TransportEnd, at: Instant) {
        let (sender, at) = (direction.sender(self.role), at.saturating_duration_since(self.opened));
        let kind = RecordKind::End { sender, how: end.to_string() };
        let line = Record { connection: self.number, at, kind }.to_line().into();
        let before = self.sides[direction as usize].len;
        let piece = Piece { connection: self.number, at, sender, bytes: &[], start: None, before };
        self.shared.for_each_reader(|reader| reader.end(&piece, &line));
    }
}

impl Drop for ObservedConnection {
    fn drop(&mut self) {
        self.shared.forget(self.number);
    }
}
